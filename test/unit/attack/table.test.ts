import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { DEGRADATIONS, type Degradation } from '../../attack/degradations.ts';
import { makeLines } from '../../attack/grammar.ts';
import { isLegal, type Verb } from '../../attack/oracle/legal.ts';
import { parseTrace, tableOf } from '../../attack/oracle/trace.ts';
import { ATTACKS } from '../../attack/table.ts';
import { PAGE, renderTable, withTable } from '../../attack/threat-table.ts';

test('no attack is there twice', () => {
  const ids = ATTACKS.map(({ id }) => id);
  expect(ids.filter((id, index) => ids.indexOf(id) !== index)).toEqual([]);
  expect(ids.filter((id) => !/^[a-z0-9-]+$/u.test(id))).toEqual([]);
});

test('no attack passes either way: each is tried with its layer off, or without its fault', () => {
  const idle = ATTACKS.filter(({ without, putRight }) => without.length === 0 && !putRight);
  expect(idle.map(({ id }) => id)).toEqual([]);
});

test('each layer that can be taken away is needed by an attack', () => {
  const used = new Set(ATTACKS.flatMap(({ without }) => without.map(({ off }) => off)));
  expect(Object.keys(DEGRADATIONS).filter((name) => !used.has(name as keyof typeof DEGRADATIONS))).toEqual(
    [],
  );
});

test('each layer that is taken out of one of our programs is still there to be taken out', () => {
  const sources = {
    '/usr/local/bin/': 'target-scripts/',
    '/usr/local/lib/mcp-pra/pra_run/': 'target-scripts/pra_run/',
  };
  const sourceOf = (path: string): string | undefined => {
    const [there, here] = Object.entries(sources).find(([folder]) => path.startsWith(folder)) ?? [];
    return there === undefined ? undefined : `${here}${path.slice(there.length)}`;
  };
  const changes = Object.entries(DEGRADATIONS).flatMap(([name, one]: [string, Degradation]) =>
    Object.entries(one.files ?? {}).map(([path, change]) => ({ name, source: sourceOf(path), change })),
  );
  const misfits = changes.flatMap(({ name, source, change }) => {
    if (source === undefined) return [];
    try {
      change(readFileSync(source, 'utf8'));
      return [];
    } catch (error) {
      return [`${name}: ${String(error)}`];
    }
  });
  expect(misfits).toEqual([]);
  expect(changes.filter(({ source }) => source !== undefined).length).toBeGreaterThan(50);
});

test('the threat model has the table of the suite (npx node test/attack/threat-table.ts writes it)', () => {
  const page = readFileSync(PAGE, 'utf8');
  expect(withTable(page, renderTable())).toBe(page);
});

test('every vulnerability that a row names is answered in the threat model, and the other way round', () => {
  const page = readFileSync(PAGE, 'utf8');
  const answers = page.slice(page.indexOf('## Past vulnerabilities'));
  const named = new Set(ATTACKS.flatMap(({ cve = [] }) => cve));
  expect([...named].filter((cve) => !answers.includes(cve))).toEqual([]);
  const rowsOf = [...answers.matchAll(/^\| (CVE-\d{4}-\d+) \|[^\n]*`([a-z0-9-]+)`[^\n]*\|$/gmu)];
  const ids = new Set(ATTACKS.map(({ id }) => id));
  expect(rowsOf.filter(([, , id = '']) => !ids.has(id)).map(([line]) => line)).toEqual([]);
});

const VERBS: readonly Verb[] = [
  { name: 'uptime', params: [], runs: [['/usr/bin/cat', '--', '/proc/uptime']] },
  {
    name: 'unit_journal',
    params: [
      { type: 'unit', bounds: 'service,timer' },
      { type: 'integer', bounds: '1..500' },
      { type: 'span', bounds: '1..2592000' },
    ],
    runs: [['/usr/bin/journalctl', '--unit={unit}', '--lines={lines}', '--since=-{since}']],
  },
];

test.each([
  ['uptime', true],
  ['uptime x', false],
  ['uptime\n', false],
  [' uptime', false],
  ['unit_journal cron.service 500 30d', true],
  ['unit_journal cron.service 501 30d', false],
  ['unit_journal cron.service 010 30d', false],
  ['unit_journal cron.service 1 31d', false],
  ['unit_journal cron.socket 1 1h', false],
  [`unit_journal ${'a'.repeat(88)}.service 1 1h`, true],
  [`unit_journal ${'a'.repeat(89)}.service 1 1h`, false],
  ['unit_journal -x.service 1 1h', false],
  ['unit_journal a/b.service 1 1h', false],
])('the judge of request lines: %j is legal: %s', (line, legal) => {
  expect(isLegal(VERBS, line)).toBe(legal);
});

test('the judge of what was executed knows what the tables name, and nothing else', () => {
  const table = tableOf(VERBS);
  const trace = [
    '7 prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) = 0',
    '7 execve("/usr/bin/timeout", ["/usr/bin/timeout", "-k", "1", "5", "/usr/bin/cat", "--", "/proc/uptime"], 0x1 /* 9 vars */) = 0',
    '8 execve("/usr/bin/journalctl", ["/usr/bin/journalctl", "--unit=cron.service", "--lines=5", "--since=-1h"], 0x1 /* 9 vars */ <unfinished ...>',
    '9 execve("/usr/bin/journalctl", ["/usr/bin/journalctl", "--unit=--root=x", "--lines=5", "--since=-1h"], 0x1 /* 9 vars */) = 0',
    '9 execve("/bin/sh", ["sh", "-c", "id"], 0x1 /* 9 vars */) = -1 ENOENT (No such file or directory)',
  ].join('\n');
  const executed = parseTrace(trace);
  expect(executed.map(({ noNewPrivs }) => noNewPrivs)).toEqual([true, false, false, false]);
  expect(executed.map(({ argv }) => table.test(argv.join(' ')))).toEqual([true, true, false, false]);
});

test('the judge of what was executed knows what helpers run, and with which options', () => {
  const table = tableOf(VERBS);
  const search =
    '/usr/bin/journalctl --no-pager --quiet --no-hostname --output=short-iso --unit=cron.service';
  expect(table.test(`${search} --since=-1h`)).toBe(true);
  expect(table.test(`${search} --since=-1h --until=-1s -- _TRANSPORT=kernel`)).toBe(true);
  expect(table.test(`${search} --since=-1h -- /etc/shadow`)).toBe(false);
  expect(table.test(`${search} --root=x`)).toBe(false);
  expect(table.test('/usr/bin/openssl s_client -connect -proxy -showcerts -noservername')).toBe(false);
  expect(table.test('/usr/bin/mariadb --no-defaults --connect-timeout=3 --batch --execute=DROP x')).toBe(
    false,
  );
});

test('a trace is read as strace wrote it: what follows an escaped backslash is no escape', () => {
  const line = String.raw`7 execve("/bin/x", ["x", "a\\n", "b\nc\\", "\303\"", "d"], 0x1 /* 9 vars */) = 0`;
  expect(parseTrace(line)[0]?.argv).toEqual(['x', 'a\\n', 'b\nc\\', '\\303"', 'd']);
});

test('the corpus repeats with its seed, and has lines of both kinds', () => {
  const lines = makeLines(1, 2_000, VERBS);
  expect(makeLines(1, 2_000, VERBS)).toEqual(lines);
  expect(makeLines(2, 2_000, VERBS)).not.toEqual(lines);
  const legal = lines.filter((line) => isLegal(VERBS, line)).length;
  expect(legal).toBeGreaterThan(50);
  expect(legal).toBeLessThan(1_500);
});
