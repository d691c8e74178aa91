import { join } from 'node:path';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FACT_CHARACTERS, FACT_ROWS } from '../../../src/catalog/bounded-value.ts';
import { isNotPresent, readFacts } from '../../../src/catalog/facts.ts';
import { loadCatalog } from '../../../src/catalog/load.ts';
import type { Diagnostic } from '../../../src/catalog/types.ts';
import type { Answer } from '../../../src/catalog/wire.ts';
import { allFixtures, readFixture } from '../../fixtures/all-fixtures.ts';

const root = join(import.meta.dirname, '../../..');
const catalog = loadCatalog([join(root, 'catalog')], { targetScripts: join(root, 'target-scripts') });

const diagnosticOf = (name: string): Diagnostic => {
  const diagnostic = catalog.diagnostics.get(name);
  if (diagnostic === undefined) throw new Error(`no diagnostic ${name}`);
  return diagnostic;
};

interface Said {
  readonly rc?: number;
  readonly cut?: boolean;
}

const answerOf = (
  outputs: Readonly<Record<string, string | Buffer>>,
  { rc = 0, cut = false }: Said = {},
): Answer => ({
  sections: Object.entries(outputs).map(([name, output]) => ({
    name,
    output: typeof output === 'string' ? Buffer.from(output) : output,
    rc,
    ms: 1,
    cut,
  })),
});

/** What real hosts answer: Debian 12 (systemd 252, coreutils 9.1, iproute2 6.1), with made-up names. */
const samples: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  uptime: {
    proc: '0.42 1.05 2.00 3/412 90210\n86461.52 170021.11\n',
    boot: 'btime 1795220000\n',
    cpus: '2\n',
    users:
      'ops      pts/0        2026-11-21 03:50 (192.0.2.7)\nops      pts/1        2026-11-21 03:55 (192.0.2.7)\n',
  },
  memory: {
    meminfo:
      'MemTotal:        4019124 kB\nMemFree:          204800 kB\nMemAvailable:    1004781 kB\nBuffers:           10240 kB\n' +
      'Cached:           512000 kB\nSwapCached:            0 kB\nDirty:               128 kB\nShmem:              2048 kB\n' +
      'SwapTotal:       1048572 kB\nSwapFree:        1048572 kB\nHugePages_Total:       0\n',
  },
  disk_usage: {
    bytes:
      'Filesystem     1-blocks       Used  Available Capacity Mounted on\n' +
      '/dev/sda1   20000000000 9000000000 10000000000      48% /\n' +
      '/dev/sdb1    1000000000  990000000    10000000      99% /srv/my data\n',
    inodes:
      'Filesystem      Inodes  IUsed   IFree IUse% Mounted on\n' +
      '/dev/sda1      1310720 100000 1210720    8% /\n' +
      '/dev/sdb1            0      0       0     - /srv/my data\n',
  },
  failed_units: {
    units:
      'nginx.service loaded failed failed A high performance web server\nsrv-data.mount loaded failed failed /srv/data\n',
  },
  unit_status: {
    show:
      'MainPID=412\nNRestarts=3\nExecMainStatus=0\nResult=success\nMemoryCurrent=1114112\nTasksCurrent=1\nId=cron.service\n' +
      'LoadState=loaded\nActiveState=active\nSubState=running\nUnitFileState=enabled\nFragmentPath=/lib/systemd/system/cron.service\n' +
      'ActiveEnterTimestamp=Sat 2026-11-21 03:50:00 UTC\nInactiveEnterTimestamp=Sat 2026-11-21 03:49:59 UTC\nNeedDaemonReload=no\n',
  },
  unit_journal: {
    journal:
      '2026-11-21T03:50:00+0000 systemd[1]: Started cron.service.\n-- Boot 0123 --\n  continued\n2026-11-21T03:51:00+00:00 cron[412]: ready\n',
  },
  listening_ports: {
    sockets:
      'udp   UNCONN 0      0          127.0.0.1:323        0.0.0.0:*\n' +
      'udp   UNCONN 0      0      [fe80::1%eth0]:546             [::]:*\n' +
      'tcp   LISTEN 2      128          0.0.0.0:22         0.0.0.0:*\n' +
      'tcp   LISTEN 0      511                *:80               *:*\n',
  },
  transport_keys: {
    keys:
      `reader SHA256:${'r'.repeat(43)} 2026-12-21T04:11:00Z\nrunner SHA256:${'u'.repeat(43)} 2026-11-21T04:11:00Z\n` +
      `break-glass SHA256:${'b'.repeat(43)} -\n`,
    clock: '1795234260\n',
  },
  top_processes: {
    facts:
      '{"v":1,"collected_at":"2026-11-21T03:50:00Z","period":30,"total":2,"processes":[' +
      '{"pid":1,"ppid":0,"user":"root","comm":"systemd","state":"S","rss_kb":9000,"threads":1,"cpu_permille":2,"unit":null},' +
      '{"pid":412,"ppid":1,"user":"root","comm":"cron","state":"S","rss_kb":2000,"threads":1,"cpu_permille":0,"unit":"cron.service"}]}\n',
    clock: '1795233060\n',
  },
};

const factsOf = (name: string, outputs = samples[name] ?? {}, said: Said = {}) =>
  readFacts(diagnosticOf(name), answerOf(outputs, said));

describe('what real hosts answer', () => {
  test.each(Object.keys(samples))('%s: every declared fact is read', (name) => {
    expect(Object.keys(factsOf(name)).sort()).toEqual(Object.keys(diagnosticOf(name).facts).sort());
  });

  test('there is a sample or a recording for every diagnostic, of its own sections', () => {
    const shown = new Set([...Object.keys(samples), ...allFixtures().map(({ diagnostic }) => diagnostic)]);
    expect([...catalog.diagnostics.keys()].filter((name) => !shown.has(name))).toEqual([]);
    for (const [name, outputs] of Object.entries(samples)) {
      expect(Object.keys(outputs)).toEqual(diagnosticOf(name).run.map(({ section }) => section));
    }
  });

  test('uptime', () => {
    expect(factsOf('uptime')).toEqual({
      load_1m: 0.42,
      load_5m: 1.05,
      load_15m: 2,
      tasks: 412,
      cpus: 2,
      uptime_seconds: 86461,
      boot_time: '2026-11-21T00:13:20Z',
      sessions: 2,
      users: 1,
    });
  });

  test('memory', () => {
    expect(factsOf('memory')).toMatchObject({
      total_kb: 4019124,
      available_percent: 25,
      swap_free_kb: 1048572,
    });
  });

  test('disk_usage: mount points with spaces, filesystems without inodes', () => {
    expect(factsOf('disk_usage')).toEqual({
      filesystems: [
        {
          mount: '/',
          source: '/dev/sda1',
          size_bytes: 20000000000,
          used_bytes: 9000000000,
          available_bytes: 10000000000,
          used_percent: 48,
          inodes_used_percent: 8,
        },
        {
          mount: '/srv/my data',
          source: '/dev/sdb1',
          size_bytes: 1000000000,
          used_bytes: 990000000,
          available_bytes: 10000000,
          used_percent: 99,
        },
      ],
      fullest_mount: '/srv/my data',
      fullest_percent: 99,
      fewest_inodes_mount: '/',
      fewest_inodes_percent: 8,
    });
  });

  test('disk_usage: a source that looks like a percentage', () => {
    const bytes = '- 100 50 50 50% /odd\n5% 100 90 10 90% /odder\n';
    expect(factsOf('disk_usage', { bytes, inodes: '' })).toMatchObject({
      filesystems: [
        { mount: '/odd', source: '-', used_percent: 50 },
        { mount: '/odder', source: '5%', used_percent: 90 },
      ],
      fullest_mount: '/odder',
    });
  });

  test('failed_units: some, and none', () => {
    expect(factsOf('failed_units')).toEqual({
      count: 2,
      units: [
        { unit: 'nginx.service', load: 'loaded', active: 'failed', sub: 'failed' },
        { unit: 'srv-data.mount', load: 'loaded', active: 'failed', sub: 'failed' },
      ],
    });
    expect(factsOf('failed_units', { units: '' })).toEqual({ count: 0, units: [] });
  });

  test('unit_status: integers, booleans, and what systemd does not count', () => {
    const show = samples['unit_status']?.['show'] ?? '';
    expect(factsOf('unit_status')).toMatchObject({
      restarts: 3,
      memory_bytes: 1114112,
      need_daemon_reload: false,
    });
    const without = show.replace('MemoryCurrent=1114112', 'MemoryCurrent=[not set]').replace('=enabled', '=');
    expect(factsOf('unit_status', { show: without })).not.toHaveProperty('memory_bytes');
    expect(factsOf('unit_status', { show: without })).not.toHaveProperty('unit_file_state');
  });

  test('unit_journal', () => {
    expect(factsOf('unit_journal')).toEqual({
      lines: 4,
      entries: 2,
      first_time: '2026-11-21T03:50:00Z',
      last_time: '2026-11-21T03:51:00Z',
    });
  });

  test('listening_ports', () => {
    expect(factsOf('listening_ports')).toMatchObject({ count: 4, tcp_ports: '22 80', udp_ports: '323 546' });
    expect(factsOf('listening_ports')['sockets']).toEqual([
      { protocol: 'udp', address: '127.0.0.1', port: 323, queued: 0 },
      { protocol: 'udp', address: '[fe80::1%eth0]', port: 546, queued: 0 },
      { protocol: 'tcp', address: '0.0.0.0', port: 22, queued: 2 },
      { protocol: 'tcp', address: '*', port: 80, queued: 0 },
    ]);
  });
});

describe('transport_keys', () => {
  const fingerprint = `SHA256:${'r'.repeat(43)}`;
  /** 2026-11-21T04:11:00Z */
  const clock = '1795234260\n';
  const read = (keys: string) => factsOf('transport_keys', { keys, clock });

  test('who may log in, and until when by the clock of the host', () => {
    expect(factsOf('transport_keys')).toEqual({
      count: 3,
      expired: 1,
      next_expires: '2026-11-21T04:11:00Z',
      keys: [
        { account: 'reader', fingerprint, expires: '2026-12-21T04:11:00Z', days_left: 30 },
        {
          account: 'runner',
          fingerprint: `SHA256:${'u'.repeat(43)}`,
          expires: '2026-11-21T04:11:00Z',
          days_left: 0,
        },
        { account: 'break-glass', fingerprint: `SHA256:${'b'.repeat(43)}`, expires: 'never' },
      ],
      unreadable: 0,
    });
  });

  test.each([
    ['2026-11-21T04:11:01Z', 0, 0],
    ['2026-11-21T04:10:59Z', -1, 1],
    ['2026-11-22T04:10:59Z', 0, 0],
    ['2026-11-22T04:11:00Z', 1, 0],
  ])('until %s: %i days left, %i expired', (expires, days, expired) => {
    const facts = read(`reader ${fingerprint} ${expires}\n`);
    expect(facts).toMatchObject({ expired, keys: [{ days_left: days }] });
  });

  test.each([
    ['an account that is none', `root ${fingerprint} -`],
    ['a fingerprint that is none', 'reader SHA256:short -'],
    ['no date', `reader ${fingerprint}`],
    ['a word more', `reader ${fingerprint} - x`],
    ['the 30th of February', `reader ${fingerprint} 2027-02-30T00:00:00Z`],
    ['a local time', `reader ${fingerprint} 2027-02-20T00:00:00`],
    ['never', `reader ${fingerprint} never`],
  ])('%s is counted, and no key', (_, line) => {
    expect(read(`${line}\n`)).toEqual({
      count: 0,
      expired: 0,
      next_expires: 'never',
      keys: [],
      unreadable: 1,
    });
  });

  test('a host without the list is not present; an empty list is', () => {
    const diagnostic = diagnosticOf('transport_keys');
    expect(isNotPresent(diagnostic, answerOf({ keys: '', clock }, { rc: 1 }))).toBe(true);
    expect(isNotPresent(diagnostic, answerOf({ keys: '', clock }))).toBe(false);
  });
});

describe('a collector', () => {
  const written = samples['top_processes']?.['facts'] ?? '';
  const at = (clock: number) => factsOf('top_processes', { facts: written, clock: `${String(clock)}\n` });
  const collected = Date.parse('2026-11-21T03:50:00Z') / 1_000;

  test.each([
    [0, false],
    [60, false],
    [61, true],
    [-1, false],
    [-2, true],
  ])('%d s old: stale %s', (age, stale) => {
    expect(at(collected + age)).toMatchObject({ age_seconds: age, stale });
  });

  test('a time that is none says nothing about its age', () => {
    const facts = written.replace('2026-11-21T03:50:00Z', '2026-99-99T03:50:00Z');
    expect(factsOf('top_processes', { facts, clock: '1795233060\n' })).not.toHaveProperty('stale');
  });

  test('that found no such thing is not present, and what it did not write at all is unknown', () => {
    const diagnostic = diagnosticOf('fail2ban_status');
    const verdict = (facts: string): boolean => isNotPresent(diagnostic, answerOf({ facts, clock: '' }));
    expect(verdict('{"v":1,"fail2ban":null}')).toBe(true);
    expect(verdict('{"v":1}')).toBe(true);
    expect(verdict('{"v":1,"fail2ban":[]}')).toBe(false);
    expect(verdict('{"v":1,"fail2ban":')).toBe(false);
  });

  test('that has not written is not present', () => {
    const diagnostic = diagnosticOf('top_processes');
    expect(isNotPresent(diagnostic, answerOf({ facts: '', clock: '' }, { rc: 1 }))).toBe(true);
    expect(isNotPresent(diagnostic, answerOf({ facts: written, clock: '' }))).toBe(false);
  });
});

describe('isNotPresent', () => {
  const ss = diagnosticOf('listening_ports');

  test.each([
    ['127 and nothing said', { sockets: '' }, 127, true],
    ['127 after output: the program ran', { sockets: 'x' }, 127, false],
    ['126', { sockets: '' }, 126, false],
    ['0', { sockets: '' }, 0, false],
  ])('%s', (_, outputs, rc, verdict) => {
    expect(isNotPresent(ss, answerOf(outputs, { rc }))).toBe(verdict);
  });

  test('no section at all', () => {
    expect(isNotPresent(ss, { sections: [] })).toBe(false);
  });
});

describe('key=value and json, as the target reads them', () => {
  const show = diagnosticOf('unit_status');
  const facts = (text: string | Buffer, said: Said = {}) => readFacts(show, answerOf({ show: text }, said));

  test.each([
    ['a key twice has no one value', 'LoadState=loaded\nLoadState=masked\n', {}],
    ['the first = ends the key', 'Id=a=b\n', { id: 'a=b' }],
    ['512 bytes', `Id=${'x'.repeat(512)}\n`, { id: 'x'.repeat(256) }],
    ['513 bytes', `Id=${'x'.repeat(513)}\n`, {}],
    ['15 digits', 'NRestarts=999999999999999\n', { restarts: 999999999999999 }],
    ['16 digits', 'NRestarts=9999999999999999\n', {}],
    ['a leading zero', 'NRestarts=07\n', {}],
    ['minus nothing', 'NRestarts=-0\n', {}],
    ['a negative number', 'NRestarts=-7\n', { restarts: -7 }],
    ['yes', 'NeedDaemonReload=yes\n', { need_daemon_reload: true }],
    ['Yes', 'NeedDaemonReload=Yes\n', {}],
  ])('%s', (_, text, expected) => {
    expect(facts(text)).toEqual(expected);
  });

  test('invalid UTF-8, a cut and a timeout leave no fact', () => {
    expect(facts(Buffer.from([0x49, 0x64, 0x3d, 0xff, 0x0a]))).toEqual({});
    expect(facts('Id=a\n', { cut: true })).toEqual({});
    expect(facts('Id=a\n', { rc: 124 })).toEqual({});
  });
});

const rule = (parse: 'table' | 'lines', facts: Diagnostic['facts']) => ({ parse, facts });

describe('tables and lines', () => {
  test('a table: columns from the first line, the last one keeps its spaces', () => {
    const table = rule('table', { rows: { type: 'rows', help: 'x' }, count: { type: 'integer', help: 'x' } });
    expect(readFacts(table, answerOf({ a: 'NAME Use% Mounted-on\nx 5% /a b\ny\n' }))).toEqual({
      rows: [
        { name: 'x', use_: '5%', mounted_on: '/a b' },
        { name: 'y', use_: '', mounted_on: '' },
      ],
      count: 2,
    });
  });

  test('lines: first, last, count, rows', () => {
    const lines = rule('lines', {
      one: { type: 'string', from: 'first', help: 'x' },
      end: { type: 'string', from: 'last', help: 'x' },
      count: { type: 'integer', help: 'x' },
      all: { type: 'rows', help: 'x' },
    });
    expect(readFacts(lines, answerOf({ a: 'p\n\nq\n' }))).toEqual({
      one: 'p',
      end: 'q',
      count: 2,
      all: [{ line: 'p' }, { line: 'q' }],
    });
    expect(readFacts(lines, answerOf({ a: '' }))).toEqual({ count: 0, all: [] });
  });

  test('what was cut ends at its last complete line', () => {
    const lines = rule('lines', { end: { type: 'string', from: 'last', help: 'x' } });
    expect(readFacts(lines, answerOf({ a: 'whole\nhal' }, { cut: true }))).toEqual({ end: 'whole' });
  });
});

describe('hostile output', () => {
  test('names of object members do no harm', () => {
    const facts =
      '{"__proto__":{"total":5},"constructor":1,"processes":[{"__proto__":1,"constructor":2,"pid":3,"A":1}]}';
    const read = factsOf('top_processes', { facts, clock: '' });
    expect(read).toEqual({ processes: [{ constructor: 2, pid: 3 }] });
    expect(Object.getPrototypeOf(read)).toBe(Object.prototype);
  });

  test('what cannot be seen is not in a fact', () => {
    const show = 'Id=a\u202eb\u200bc\u001b[31m\u{e0041}\u2028d\n';
    expect(factsOf('unit_status', { show })['id']).toBe('a\ufffdb\ufffdc\ufffd[31m\ufffd\ufffdd');
  });

  test('deep nesting is no object', () => {
    expect(factsOf('top_processes', { facts: '['.repeat(60_000), clock: '' })).toEqual({});
  });

  test('no parser throws, and every fact is declared, typed and small', () => {
    const hostile = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 300 }),
      fc
        .array(
          fc.constantFrom(
            'MemTotal:',
            '=',
            'btime',
            '5%',
            '-',
            'tcp',
            ':1',
            '{',
            '"',
            'a.b',
            '9'.repeat(400),
            ' ',
            '\n',
            '\t',
            '\0',
          ),
        )
        .map((parts) => parts.join(' ')),
      fc.json({ maxDepth: 4 }),
      fc.constantFrom(
        ...Object.values(samples).flatMap((outputs) => Object.values(outputs)),
        ...allFixtures().flatMap((fixture) =>
          readFixture(fixture).answer.sections.map(({ output }) => output.toString('utf8')),
        ),
      ),
    );
    fc.assert(
      fc.property(
        fc.constantFrom(...catalog.diagnostics.values()),
        fc.array(hostile, { minLength: 16, maxLength: 16 }),
        fc.boolean(),
        (diagnostic, outputs, cut) => {
          const said = Object.fromEntries(
            diagnostic.run.map(({ section }, index) => [section, outputs[index] ?? '']),
          );
          for (const [name, value] of Object.entries(readFacts(diagnostic, answerOf(said, { cut })))) {
            const { type } = diagnostic.facts[name] ?? { type: 'undeclared' };
            expect(typeOf(value)).toContain(type);
            expect(isSmall(value)).toBe(true);
          }
        },
      ),
      { numRuns: 2_000 },
    );
  });

  test('the largest output gives bounded facts', () => {
    const lines = { journal: 'x\n'.repeat(65_536) };
    expect(factsOf('unit_journal', lines)['lines']).toBe(20_000);
    const many = { units: 'a.service loaded failed failed x\n'.repeat(4_000) };
    expect(factsOf('failed_units', many)['units']).toHaveLength(FACT_ROWS);
    expect(factsOf('failed_units', many)['count']).toBe(4_000);
    const long = { units: `${'a.'.repeat(30_000)} loaded failed failed x\n` };
    expect(factsOf('failed_units', long)).toEqual({ count: 0, units: [] });
  });
});

const typeOf = (value: unknown): readonly string[] => {
  if (Array.isArray(value)) return ['rows'];
  if (typeof value === 'number') return Number.isSafeInteger(value) ? ['integer', 'number'] : ['number'];
  return [typeof value];
};

const isSmall = (value: unknown): boolean => {
  if (Array.isArray(value)) return value.length <= FACT_ROWS && value.every(isSmall);
  if (typeof value === 'object' && value !== null) return Object.values(value).every(isSmall);
  return typeof value !== 'string' || (value.length <= 2 * FACT_CHARACTERS && !/\p{C}/u.test(value));
};
