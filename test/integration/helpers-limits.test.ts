import { execFile, execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { ChangedHelpers, python } from '../support/changed-helper.ts';

// Both sides of the limits that keep a helper small, whatever the host is like. helpers-backups, -journal and -network have the others.

const changed = new ChangedHelpers();
afterAll(() => changed.remove());

type Facts = Readonly<Record<string, unknown>>;
const facts = (
  name: string,
  constants: Readonly<Record<string, string>>,
  ...args: readonly string[]
): Facts => JSON.parse(changed.run(name, constants, args).stdout) as Facts;
const times = (count: number, line: (at: number) => string): string =>
  Array.from({ length: count }, (_, at) => line(at)).join('');
const folder = (): string => mkdtempSync(join(changed.folder, 'tree-'));

describe('recent-files', () => {
  const files = (tree: string, constants = {}) =>
    changed
      .run('recent-files', { TREE: python(tree), ...constants }, ['1h'])
      .stdout.trimEnd()
      .split('\n');
  const filled = (count: number): string => {
    const tree = folder();
    for (let at = 0; at < count; at += 1) writeFileSync(join(tree, String(at)), '');
    return tree;
  };

  test('tells of 200 files, and counts all', () => {
    expect(files(filled(200))).toHaveLength(201);
    const more = files(filled(201));
    expect(more).toHaveLength(201);
    expect(more.at(-1)).toBe('total 201 all');
  });

  test('looks at so many, and says that there is more', () => {
    const tree = filled(3);
    mkdirSync(join(tree, 'folder'));
    writeFileSync(join(tree, 'folder/file'), '');
    expect(files(tree, { MOST_SEEN: '5' }).at(-1)).toBe('total 4 all');
    expect(files(tree, { MOST_SEEN: '4' }).at(-1)).toBe('total 3 part');
    expect(files(tree, { SECONDS: '-1' }).at(-1)).toBe('total 0 part');
  });

  test('what is older, behind a link or a folder is not told of; a name is one line', () => {
    const tree = filled(0);
    writeFileSync(join(tree, 'old'), '');
    utimesSync(join(tree, 'old'), 1, Date.now() / 1_000 - 3_700);
    writeFileSync(join(tree, 'new\nname'), '');
    symlinkSync('/etc', join(tree, 'link'));
    expect(files(tree).map((line) => line.replace(/^[0-9]+ /u, ''))).toEqual(
      expect.arrayContaining([`${tree}/new?name`, `${tree}/link`, 'total 2 all']),
    );
    expect(files(tree)).toHaveLength(3);
  });

  test.each([[], ['1w'], ['0h'], ['10000h'], ['1h', '/root']])('%j is refused', (...args) => {
    expect(changed.run('recent-files', {}, args)).toEqual({ status: 64, stdout: '' });
  });
});

describe('packages-changed', () => {
  const stamp = (): string => new Date(Date.now() - 60_000).toISOString().slice(0, 19).replace('T', ' ');
  const line = (name: string): string => `${stamp()} install ${name}:all <none> 1.0\n`;
  const log = (text: string) => facts('packages-changed', { LOGS: `(${python(changed.file(text))},)` }, '2d');

  test('60 changes are told of, all are counted', () => {
    expect(log(times(60, (at) => line(`p${String(at)}`)))).toMatchObject({ count: 60, left_out: 0 });
    const more = log(times(61, (at) => line(`p${String(at)}`)));
    expect(more).toMatchObject({ count: 61, installed: 61, left_out: 1 });
    expect(more['changes']).toHaveLength(60);
  });

  test('the last 4 MiB of a log are read', () => {
    const rest = (bytes: number): string => `${'x'.repeat(bytes - 1)}\n`;
    const first = line('first');
    expect(log(first + rest(4_194_304 - first.length))).toMatchObject({ count: 1 });
    expect(log(first + rest(4_194_304 - first.length + 1))).toMatchObject({ count: 0 });
  });

  test('where there is no log it says so', () => {
    expect(changed.run('packages-changed', { LOGS: "('/nonexistent',)" }, ['1d']).status).toBe(127);
  });
});

describe('facts-age', () => {
  /** What is said of a file of exactly so many bytes, whose last one closes the object. */
  const written = (bytes: number): string => {
    const tree = folder();
    const at = new Date().toISOString().replace(/\.\d+/u, '');
    const [begin, end] = [`{"collected_at":"${at}","period":60,"x":"`, '"}'];
    writeFileSync(join(tree, 'io.json'), begin + 'x'.repeat(bytes - begin.length - end.length) + end);
    return changed.run('facts-age', {}, [tree, 'io']).stdout;
  };

  test('256 KiB are read; of more there is no half', () => {
    expect(written(262_144)).toMatch(/^written=yes\n.*\nage_seconds=[01]\nperiod_seconds=60\nstale=no\n$/u);
    expect(written(262_145)).toBe('written=no\n');
  });

  test('a link is nothing that a collector wrote', () => {
    const tree = folder();
    symlinkSync(changed.file('{"collected_at":"2026-11-22T11:00:00Z","period":60}'), join(tree, 'io.json'));
    expect(changed.run('facts-age', {}, [tree, 'io']).stdout).toBe('written=no\n');
  });

  test.each([[], ['/run'], ['run', 'io'], ['/run', '../io'], ['/run', 'i'.repeat(33)]])(
    '%j is refused',
    (...args) => {
      expect(changed.run('facts-age', {}, args)).toEqual({ status: 64, stdout: '' });
    },
  );
});

describe('socket-counts', () => {
  const peers = (count: number, constants = {}) => {
    const said = times(
      count,
      (at) => `ESTAB 0 0 192.0.2.1:${String(10_000 + at)} 198.51.100.${String(at % 200)}:443\n`,
    );
    const ss = `(${python(changed.program(`exec cat ${changed.file(said)}`))},)`;
    return facts('socket-counts', { SS: ss, ...constants }, 'peers');
  };

  test('20 peers are told of, all are counted', () => {
    expect(peers(20)).toMatchObject({ established: 20, peer_count: 20, peers: { length: 20 } });
    expect(peers(21)).toMatchObject({ established: 21, peer_count: 21, peers: { length: 20 } });
  });

  test('so many are told apart; the rest is counted in the total alone', () => {
    expect(peers(30, { TRACKED: '30' })).toMatchObject({ established: 30, peer_count: 30 });
    expect(peers(31, { TRACKED: '30' })).toMatchObject({ established: 31, peer_count: 30 });
  });

  test('without ss it says so', () => {
    expect(changed.run('socket-counts', { SS: "('/nonexistent/ss',)" }, ['states']).status).toBe(127);
  });
});

describe('proc-table', () => {
  test('so many rows are told of, so many processes are looked at', () => {
    const rows = (kept: number): number =>
      (facts('proc-table', { KEPT: String(kept) }, 'threads')['processes'] as readonly unknown[]).length;
    expect([rows(0), rows(1), rows(2)]).toEqual([0, 1, 2]);
    expect(rows(40)).toBeLessThanOrEqual(40);
    expect(facts('proc-table', { MOST: '2' }, 'threads')).toMatchObject({ total: 2 });
    expect(Number(facts('proc-table', { KEPT: '1' }, 'tree')['shown'])).toBeLessThanOrEqual(5);
  });
});

describe('package-state', () => {
  const name = Buffer.from('coreutils').toString('hex');
  const named = (text: string): Facts =>
    facts('package-state', {}, 'version', Buffer.from(text).toString('hex'));

  test('a name has at most 80 characters, and those of a package', () => {
    expect(named('a'.repeat(80))).toMatchObject({ package: 'a'.repeat(80), installed: false });
    for (const text of ['a'.repeat(81), 'a', '-ab', 'a b', 'A0', 'ab\n'])
      expect(named(text)).toEqual({ package: '(not a name)', installed: false });
  });

  test('what does not end is given up, and the answer says that it is a part', () => {
    // `dpkg` and what it is asked are in the helper's text, not in a constant: its time is.
    expect(facts('package-state', {}, 'verify', name)).toMatchObject({ installed: true, complete: true });
    expect(facts('package-state', { VERIFY_SECONDS: '0.001' }, 'verify', name)).toMatchObject({
      installed: true,
      complete: false,
    });
  });
});

describe('mariadb-status', () => {
  const status = (lines: string, constants = {}) =>
    facts('mariadb-status', { CLIENT: python(changed.program(lines)), ...constants });

  test('a value has 200 characters, and only what is on the list comes through', () => {
    const said = (length: number): string => `printf 'version\\t%s\\nsecret\\tx\\n' '${'v'.repeat(length)}'`;
    const version = (length: number): unknown => (status(said(length))['values'] as Facts)['version'];
    expect(version(200)).toHaveLength(200);
    expect(version(201)).toHaveLength(200);
    expect(status(said(1))['values']).toEqual({ version: 'v' });
  });

  test('20 replicas are told of', () => {
    const replicas = (count: number): unknown =>
      status(
        `printf 'Connection_name\\tLast_SQL_Error\\n'; i=0; while [ $i -lt ${String(count)} ]; do printf 'r%s\\tINSERT secret\\n' $i; i=$((i + 1)); done`,
      )['rows'];
    expect(replicas(20)).toHaveLength(20);
    expect(replicas(21)).toHaveLength(20);
    expect(JSON.stringify(replicas(1))).toBe('[{"Connection_name":"r0"}]');
  });

  test('a server that does not answer is given up', () => {
    expect(status('exec sleep infinity', { SECONDS: '0.2' })).toEqual({ state: 'no answer' });
  });
});

describe('cluster-answer', () => {
  /** What is made of a server's answer; undefined never answers. */
  const asked = async (body: string | undefined, constants = {}): Promise<Facts> => {
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.on('data', () => {
        if (body === undefined) return;
        socket.end(
          `HTTP/1.1 200 OK\r\nContent-Length: ${String(body.length)}\r\nConnection: close\r\n\r\n${body}`,
        );
      });
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    const endpoint = `127.0.0.1:${String((server.address() as AddressInfo).port)}`;
    const helper = changed.helper('cluster-answer', constants);
    const said = await new Promise<string>((done) => {
      execFile(helper, ['patroni', endpoint], { env: {}, maxBuffer: 1 << 20 }, (_, stdout) => done(stdout));
    });
    server.close();
    return JSON.parse(said) as Facts;
  };
  const padded = (bytes: number): string => `{"a":1${' '.repeat(bytes - 7)}}`;

  test('64 KiB of an answer are read', async () => {
    expect(await asked(padded(65_536))).toMatchObject({ outcome: 'read', answer: { a: 1 } });
    expect(await asked(padded(65_537))).toMatchObject({ outcome: 'not_understood' });
  });

  test('a list, or something nested without end, is not understood', async () => {
    for (const body of ['[]', '1', '['.repeat(60_000)])
      expect(await asked(body)).toMatchObject({ outcome: 'not_understood' });
  });

  test('a server that does not answer is given up', async () => {
    expect(await asked(undefined, { SECONDS: '0.2' })).toEqual({ outcome: 'timeout' });
  });
});

describe('dns-probe', () => {
  const servers = (count: number): unknown =>
    facts(
      'dns-probe',
      {
        RESOLV_CONF: python(changed.file(times(count, (at) => `nameserver 127.0.0.${String(10 + at)}\n`))),
        ANSWER_SECONDS: '0.05',
      },
      'host.invalid:80',
    )['servers'];

  test('four servers are asked', () => {
    expect(servers(4)).toBe(4);
    expect(servers(5)).toBe(4);
  });
});

describe('certificates', () => {
  const certificate = (): string =>
    execFileSync(
      '/usr/bin/openssl',
      'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout /dev/null -days 1 -subj /CN=a.example'.split(
        ' ',
      ),
      { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] },
    );
  const one = certificate();
  const of = (text: string): Facts => facts('certificates', {}, 'file', changed.file(text));

  test('ten of a file are looked at, all are counted', () => {
    expect(of(one.repeat(10))).toMatchObject({ outcome: 'read', certificates: 10, chain: { length: 10 } });
    expect(of(one.repeat(11))).toMatchObject({ outcome: 'read', certificates: 11, chain: { length: 10 } });
  });

  test('the first MiB of a file is looked at', () => {
    const after = (bytes: number): Facts => of(`${'#'.repeat(bytes - one.trimEnd().length - 1)}\n${one}`);
    expect(after(1_048_576)).toMatchObject({ outcome: 'read', subject: 'CN=a.example' });
    expect(after(1_048_577)).toMatchObject({ outcome: 'no_certificate' });
  });

  test('an openssl that does not end is given up; without one it says so', () => {
    const path = changed.file(one);
    const slow = { OPENSSL: python(changed.program('exec sleep 30')) };
    expect(changed.run('certificates', { OPENSSL: "'/nonexistent/openssl'" }, ['file', path]).status).toBe(
      127,
    );
    expect(facts('certificates', slow, 'file', path)).toMatchObject({ outcome: 'timeout' });
  });
});

describe('backup-age', () => {
  const series = (count: number, constants = {}): Facts => {
    const tree = folder();
    for (let at = 0; at < count; at += 1)
      writeFileSync(
        join(tree, `${String.fromCodePoint(97 + (at % 26))}${'x'.repeat(Math.floor(at / 26))}.dump`),
        'x',
      );
    return facts('backup-age', constants, tree);
  };

  test('40 series are told of, all files are counted', () => {
    expect(series(40)).toMatchObject({ files: 40, series: { length: 40 } });
    expect(series(41)).toMatchObject({ files: 41, series: { length: 40 } });
  });

  test('what was seen when its time is over is a part', () => {
    expect(series(2)).toMatchObject({ complete: true });
    expect(series(2, { MOST_SECONDS: '-1.0' })).toMatchObject({ complete: false });
  });
});

test('restore-tests reads 1,000 entries of a folder', () => {
  const tree = folder();
  for (let at = 0; at < 1_000; at += 1) writeFileSync(join(tree, `m${String(at)}.json`), '{"ok":true}');
  expect(facts('restore-tests', {}, tree)).toMatchObject({ count: 1_000 });
  writeFileSync(join(tree, 'm1000.json'), '{"ok":true}');
  expect(facts('restore-tests', {}, tree)).toMatchObject({ count: 1_000 });
});

test('process-detail shows no argument and no environment of anybody', () => {
  const text = changed.run('process-detail', {}, [String(process.pid)]).stdout;
  expect(JSON.parse(text)).toMatchObject({ exists: true, pid: process.pid });
  expect(text).not.toContain(process.argv[1] ?? 'vitest');
  expect(text).not.toContain('PATH=');
});
