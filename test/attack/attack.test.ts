import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Lab, LabHost } from '../lab/lab.ts';
import { provisionedLab, type LabKeys } from '../lab/provisioned.ts';
import type { Attack } from './attack.ts';
import { DEGRADATIONS, degrade, restore, type DegradationName } from './degradations.ts';
import { askAll } from './crowd.ts';
import { Field, told } from './field.ts';
import { makeLines, makeWords } from './grammar.ts';
import { hasName, isLegal, readVerbs } from './oracle/legal.ts';
import { knownHostsOf, withDesk } from './operator-side.ts';
import { leftOver } from './oracle/processes.ts';
import { compareRecords, countRecords, markOf, type Mark } from './oracle/records.ts';
import { tableOf, Trace } from './oracle/trace.ts';
import { INSIDE } from './rows/reader-lines.ts';
import { runsOf } from './rows/tickets.ts';
import { ATTACKS } from './table.ts';

/** Lines of the generated corpus, and how many of them are also traced. */
const CORPUS = 20_000;
const TRACED = 500;
/** Words of the corpus for the runner channel. */
const WORDS = 1_000;

let lab: Lab;
let keys: LabKeys;
let dir: string;
/** All layers stand. */
let intact: Field;
/** The same host once more, from which layers are taken. */
let twin: Field;

beforeAll(async () => {
  ({ lab, keys } = await provisionedLab(2, undefined, undefined, { certificates: true }));
  const [first, second] = lab.hosts as [LabHost, LabHost];
  dir = mkdtempSync(join(tmpdir(), 'mcp-pra-attack-'));
  intact = new Field(lab, keys, first, second, dir);
  twin = new Field(lab, keys, second, first, dir);
  for (const { host } of [intact, twin])
    for (const [verb, argv] of Object.entries(OWN_VERBS))
      await host.writeFile(`/usr/local/lib/mcp-pra/verbs/${verb}`, verbFile(verb, argv));
  for (const { host } of [intact, twin])
    for (const [verb, rows] of Object.entries(VERB_FILES))
      await host.writeFile(`/usr/local/lib/mcp-pra/verbs/${verb}`, `v1\t${'0'.repeat(64)}\n${rows}`);
  before = await digestOf(first);
});

/** Said at the end of the run, by test/run.mjs; at once when vitest is run by hand. */
const summarise = (line: string): void => {
  const path = process.env['MCP_PRA_SUMMARY'];
  if (path === undefined) process.stdout.write(`${line}\n`);
  else appendFileSync(path, `${line}\n`);
};

afterAll(async () => {
  summarise(
    `attack suite: ${String(ATTACKS.length)} attacks, ${String(ATTACKS.flatMap(({ without }) => without).length)} times with a layer off`,
  );
  await intact?.hangUp();
  await twin?.hangUp();
  await lab?.down();
  if (dir !== undefined) rmSync(dir, { recursive: true, force: true });
});

/** One digest of all that attacks must not change. */
const digestOf = async (host: LabHost): Promise<string> => {
  const { stdout } = await host.run([
    '/bin/sh',
    '-c',
    'find /etc/mcp-pra /usr/local /etc/sudoers.d /etc/ssh /etc/passwd /etc/shadow /etc/cron.d /root/.ssh /var/empty -name __pycache__ -prune -o -type f -print0 2>/dev/null | sort -z | xargs -0 sha256sum',
  ]);
  return stdout;
};
let before: string;

/** Diagnostics of the suite's own, on the hosts only: they show what a program on the reader channel is given. */
const OWN_VERBS = {
  attack_env: ['/usr/bin/env'],
  attack_setuid: ['/usr/bin/cat', '/proc/self/status'],
  attack_sleep: ['/usr/bin/sleep', '6'],
  attack_flood: ['/usr/bin/yes'],
  attack_long: ['/usr/bin/sleep', '3600'],
};
/** More of them: one that takes the name of a log file, one for the types of values that no diagnostic of the catalog has yet. */
const VERB_FILES = {
  attack_name: 'param\tname\tlog\t-\nlimit\t2\t1000\nrun\tout\t/usr/bin/head\t-c\t9\t{name}\n',
  attack_values:
    'param\tword\tchoice\ta,b\nparam\tport\tport\t-\nparam\ttext\ttext\t96\nlimit\t2\t1000\nrun\tout\t/usr/bin/echo\t{word}\t{port}\t{text}\n',
};
const verbFile = (verb: string, argv: readonly string[]): string =>
  `v1\t${'0'.repeat(64)}\nlimit\t${verb === 'attack_long' ? '3600' : '2'}\t1000\nrun\tout\t${argv.join('\t')}\n`;

const named = (attack: Attack) => [attack.id, attack.what, attack] as const;

const LAST = ATTACKS.filter(({ last }) => last);
const NOW = ATTACKS.filter(({ last }) => !last);
/** strace makes pra-run ten times slower: of its rows a genuine ticket, used twice, is watched, and each word once. */
const TRACED_ROWS = NOW.filter(({ id, layer }) => layer !== 'pra-run' || id === 'ticket-replayed');
const UNTRACED_ROWS = NOW.filter((attack) => !TRACED_ROWS.includes(attack));

/** What the attacker saw, and whether what was tried happened. */
const tryOut = async (attack: Attack, field: Field): Promise<string> => {
  const seen = await attack.attack(field);
  return (await field.takeCanary()) ? `${seen}\nCANARY` : seen;
};

const hasWorked = (attack: Attack, seen: string): boolean =>
  attack.through.test(seen) || /^CANARY$/mu.test(seen);

describe('with all layers', () => {
  let mark: Mark;
  let trace: Trace;

  beforeAll(async () => {
    mark = await markOf(intact.host);
    trace = await Trace.start(intact.host);
  });
  afterAll(() => trace?.end());

  test.each(TRACED_ROWS.map(named))('%s: %s', async (_, __, attack) => {
    const seen = await tryOut(attack, intact);
    expect(seen).toMatch(attack.stopped);
    expect(hasWorked(attack, seen), seen).toBe(false);
  });

  test.each(INSIDE)('just inside a limit: %s', async (line) => {
    expect(told(await intact.read(line))).toMatch(/^exit [014]\n[^]*mcp-pra 1 [^]*--[0-9a-f]{32} \w+ rc=/u);
  });

  test('what was executed is what the tables name, and on the reader channel without new privileges', async () => {
    const executed = await trace.stop();
    const table = tableOf(await readVerbs(intact.host));
    const lines = executed.map(({ argv }) => argv.join(' '));
    expect(lines.filter((line) => line.startsWith('mcp-wrapper ')).length).toBeGreaterThan(100);
    expect(lines.filter((line) => line.startsWith('/usr/bin/sudo ')).length).toBeGreaterThan(1);
    expect([...new Set(lines.filter((line) => !table.test(line)))]).toEqual([]);
    const timed = executed.filter(
      ({ argv }) => argv[0] === '/usr/bin/timeout' && argv[4] !== '/usr/bin/logger',
    );
    expect(timed.length).toBeGreaterThan(0);
    expect(timed.filter(({ noNewPrivs }) => !noNewPrivs)).toEqual([]);
  });

  test.each(UNTRACED_ROWS.map(named))('%s: %s', async (_, __, attack) => {
    const seen = await tryOut(attack, intact);
    expect(seen).toMatch(attack.stopped);
    expect(hasWorked(attack, seen), seen).toBe(false);
  });

  describe('and afterwards', () => {
    test('only legal lines were accepted', async () => {
      const verbs = await readVerbs(intact.host);
      const accepted = intact.asked.filter(
        ({ account, said }) => account === 'mcp-reader' && said.stdout.startsWith('mcp-pra 1 '),
      );
      expect(accepted.length).toBeGreaterThan(0);
      expect(accepted.map(({ line }) => line).filter((line) => !isLegal(verbs, line))).toEqual([]);
    });

    test.each(['mcp-reader', 'pra-runner'] as const)(
      'each request of %s left exactly one well-formed record',
      async (account) => {
        const { asked, recorded, malformed } = await compareRecords(intact, mark, account);
        expect(malformed).toEqual([]);
        expect(recorded).toEqual(asked);
        expect(asked.length).toBeGreaterThan(3);
      },
    );

    test('no process of the accounts is left', async () => {
      expect(await leftOver(intact.host)).toEqual([]);
    });

    test('the host is as it was: its tables, programs and keys', async () => {
      expect(await digestOf(intact.host)).toBe(before);
    });
  });
});

describe('a generated corpus', () => {
  const SEED = Number(process.env['MCP_PRA_SEED'] ?? 20_261_121);
  const REFUSED = /^refused wrapper (?:LINE_FORM|VERB_UNLISTED|VALUE_COUNT|VALUE_BAD)\n$/u;

  test(
    `of ${String(CORPUS)} lines, seed ${String(SEED)}: each is refused, or legal`,
    { timeout: 600_000 },
    async () => {
      const verbs = (await readVerbs(intact.host)).filter(
        ({ name }) => !name.startsWith('attack_') || name === 'attack_values',
      );
      const lines = makeLines(SEED, CORPUS, verbs);
      const mark = await markOf(intact.host);
      // strace slows a request down tenfold: a part of the corpus is watched, all of it is judged.
      const trace = await Trace.start(intact.host);
      const watched = await askAll(intact, 'mcp-reader', lines.slice(0, TRACED));
      const executed = await trace.stop();
      const answers = [...watched, ...(await askAll(intact, 'mcp-reader', lines.slice(TRACED)))];
      expect(answers).toHaveLength(CORPUS);

      const accepted = answers.filter(({ stdout, exit }) => stdout !== '' || exit === 0);
      const limited = answers.filter(({ stderr }) => stderr === 'refused wrapper RATE_LIMITED\n');
      const refused = answers.filter(
        ({ exit, stderr, stdout }) => REFUSED.test(stderr) && stdout === '' && (exit === 64 || exit === 126),
      );
      // A name is legal in form whether or not the host has it.
      const unnamed = answers.filter(
        ({ exit, stderr, stdout }) =>
          stderr === 'refused wrapper NAME_UNKNOWN\n' && stdout === '' && exit === 64,
      );
      expect(unnamed.map(({ line }) => line).filter((line) => !hasName(verbs, line))).toEqual([]);
      // What is none of the four, by what was said, so that a failure tells which.
      const known = new Set([...accepted, ...limited, ...refused, ...unnamed]);
      const others = answers.filter((answer) => !known.has(answer));
      expect(
        Object.entries(Object.groupBy(others, ({ stderr, exit }) => `${String(exit)} ${stderr.trim()}`)).map(
          ([said, of = []]) => `${said}: ${String(of.length)} times, as for ${of[0]?.line ?? ''}`,
        ),
        'an answer is one of four',
      ).toEqual([]);
      const legal = new Set(lines.filter((line) => isLegal(verbs, line)));
      expect([...accepted, ...limited].map(({ line }) => line).filter((line) => !legal.has(line))).toEqual(
        [],
      );
      expect(refused.map(({ line }) => line).filter((line) => legal.has(line))).toEqual([]);
      expect(accepted.filter(({ stdout }) => !stdout.startsWith('mcp-pra 1 '))).toEqual([]);
      // A corpus of refusals alone would prove little.
      expect(accepted.length).toBeGreaterThan(100);

      const table = tableOf(verbs);
      const ran = executed.map(({ argv }) => argv.join(' '));
      expect(ran.filter((line) => line.startsWith('mcp-wrapper '))).toHaveLength(TRACED);
      expect([...new Set(ran.filter((line) => !table.test(line)))]).toEqual([]);
      expect(await intact.takeCanary()).toBe(false);
      expect(await leftOver(intact.host)).toEqual([]);
      expect(await countRecords(intact.host, mark, 'mcp-wrapper', CORPUS)).toBe(CORPUS);
      summarise(
        `attack suite: corpus of ${String(CORPUS)} generated requests, seed ${String(SEED)} (MCP_PRA_SEED): ${String(refused.length)} refused, ${String(unnamed.length)} for a name that the host does not have, ${String(accepted.length)} legal and answered, ${String(limited.length)} legal and held up by the rate`,
      );
    },
  );

  test(
    `of ${String(WORDS)} words for the runner channel, seed ${String(SEED)}: each is refused, or listed`,
    { timeout: 600_000 },
    async () => {
      const listed = new Set([
        'prepare',
        'status',
        'result',
        'fence',
        'version',
        ...(await intact.stage('cd /usr/local/lib/mcp-pra/actions; ls'))
          .split('\n')
          .flatMap((name) => (name.endsWith('.json') ? [name.slice(0, -5)] : [])),
      ]);
      const words = makeWords(SEED, WORDS, [...listed]);
      const mark = await markOf(intact.host);
      const ran = await runsOf(intact);
      const answers = await askAll(intact, 'pra-runner', words);
      const refused = answers.filter(
        ({ exit, stderr, stdout }) =>
          /^refused pra-exec (?:LINE_FORM|WORD_UNLISTED)\n$/u.test(stderr) &&
          stdout === '' &&
          (exit === 64 || exit === 126),
      );
      // Without a draft, a query or a ticket pra-run itself says no; `version` asks for none.
      const accepted = answers.filter(
        ({ stderr, stdout }) =>
          /^(?:refused pra-run [A-Z_]+\n|)$/u.test(stderr) &&
          (stderr !== '' || stdout.startsWith('mcp-pra 1\n')),
      );
      expect(refused.length + accepted.length, 'an answer is one of two').toBe(WORDS);
      expect(accepted.map(({ line }) => line).filter((line) => !listed.has(line))).toEqual([]);
      expect(refused.map(({ line }) => line).filter((line) => listed.has(line))).toEqual([]);
      expect(accepted.length).toBeGreaterThan(5);
      expect(await runsOf(intact)).toBe(ran);
      expect(await intact.takeCanary()).toBe(false);
      expect(await leftOver(intact.host)).toEqual([]);
      expect(await countRecords(intact.host, mark, 'pra-exec', WORDS)).toBe(WORDS);
      summarise(
        `attack suite: corpus of ${String(WORDS)} generated words, seed ${String(SEED)}: ${String(refused.length)} refused, ${String(accepted.length)} listed`,
      );
    },
  );
});

describe('with all layers, on a host that is disturbed', () => {
  test.each(LAST.map((attack) => [attack.id, attack.what, attack] as const))(
    '%s: %s',
    async (_, __, attack) => {
      await intact.hangUp();
      const seen = await tryOut(attack, intact);
      expect(seen).toMatch(attack.stopped);
      expect(hasWorked(attack, seen), seen).toBe(false);
    },
  );
});

describe('on the operator’s machine', () => {
  test('a host that is not in the configuration is refused by the whitelist; one that is in it answers', () =>
    withDesk(intact, lab.knownHosts, async (session) => {
      for (const host of [
        twin.host.name,
        twin.host.address,
        '127.0.0.1',
        `${intact.host.name}.`,
        '-oProxyCommand=x',
      ]) {
        const looked = await session.call('uptime', { hosts: [host] });
        expect(looked.isError || looked.text.includes('Rule: whitelist'), looked.text).toBe(true);
        const acted = await session.call('propose_pra_action', {
          action: 'reload_proxy',
          host,
          rationale: 'x',
          args: { proxy: 'nginx' },
        });
        expect(acted.isError || acted.text.includes('Rule: whitelist'), acted.text).toBe(true);
      }
      const knownName = await session.call('uptime', { hosts: [twin.host.name] });
      expect(knownName.text).toContain('Rule: whitelist HOST_UNKNOWN');
      const known = await session.call('uptime', { hosts: [intact.host.name] });
      expect(known.text).not.toContain('refused');
    }));

  test('an unknown host key is refused, with the fingerprint and the command', () =>
    withDesk(intact, knownHostsOf(intact, 'empty', ''), async (session) => {
      const answer = await session.call('uptime', { hosts: [intact.host.name] });
      expect(answer.text).toMatch(/h1: refused, code HOST_KEY_UNKNOWN/u);
      expect(answer.text).toMatch(/SHA256:[\w+/]{43}/u);
      expect(answer.text).toContain(`mcp-pra hosts trust ${intact.host.name} --fingerprint SHA256:`);
    }));

  test('the key of another host under this name is refused as changed', async () => {
    const [type, key] = (await twin.host.readFile('/etc/ssh/ssh_host_ed25519_key.pub')).split(' ');
    const swapped = knownHostsOf(intact, 'swapped', `${intact.host.name} ${String(type)} ${String(key)}\n`);
    await withDesk(intact, swapped, async (session) => {
      const answer = await session.call('uptime', { hosts: [intact.host.name] });
      expect(answer.text).toMatch(/h1: refused, code HOST_KEY_CHANGED/u);
    });
  });
});

const rowsWithout = (off: DegradationName) =>
  ATTACKS.flatMap((attack) =>
    attack.without.filter((without) => without.off === off).map((without) => ({ attack, so: without.so })),
  );

describe.each(
  Object.entries(DEGRADATIONS)
    .map(([name, { what }]) => [name as DegradationName, what] as const)
    .filter(([name]) => rowsWithout(name).length > 0),
)('without %s (%s)', (name) => {
  beforeAll(async () => {
    await twin.hangUp();
    await degrade(twin.host, name);
  });
  afterAll(async () => {
    await twin.hangUp();
    await restore(twin.host, name);
  });

  test.each(rowsWithout(name).map((row) => [row.attack.id, row.attack.what, row] as const))(
    '%s: %s',
    async (_, __, { attack, so }) => {
      const seen = await tryOut(attack, twin);
      const became = hasWorked(attack, seen)
        ? 'through'
        : so !== 'through' && so.stopped.test(seen)
          ? 'stopped'
          : seen;
      expect(became).toBe(so === 'through' ? 'through' : 'stopped');
    },
  );
});
