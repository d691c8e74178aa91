import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { RenderedTarget, sectionsOf } from '../support/rendered-target.ts';

const TARGET_SCRIPTS = resolve(import.meta.dirname, '../../target-scripts');
const TABLES = join(TARGET_SCRIPTS, 'tables');
const INSTALL = join(TARGET_SCRIPTS, 'install-target');
const root = mkdtempSync(join(tmpdir(), 'mcp-pra-install-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const sha256 = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex');
const stage = (name: string, ...more: string[]) =>
  execFileSync(
    'python3',
    [
      INSTALL,
      '--prefix',
      '/',
      '--destdir',
      join(root, name),
      '--tables',
      TABLES,
      '--launcher',
      'sudo',
      '--owner-uid',
      '0',
      ...more,
    ],
    { encoding: 'utf8' },
  );
const modes = (listing: string) =>
  new Map(
    listing
      .trim()
      .split('\n')
      .map((line) => [line.split(' ')[2] ?? '', line.split(' ')[1] ?? '']),
  );

/** A path of the staged host. */
const at = (path: string) => join(root, 'host', path);
const changes = (listing: string) =>
  listing
    .split('\n')
    .filter((line) => line.startsWith('changed'))
    .sort();

describe('install-target for a host', () => {
  test('puts everything of the repository into the places of the protocol', () => {
    const installed = modes(stage('host'));
    const mode = (path: string) => installed.get(path);
    expect({
      wrapper: mode('/usr/local/bin/mcp-wrapper'),
      exec: mode('/usr/local/bin/pra-exec'),
      run: mode('/usr/local/bin/pra-run'),
      verb: mode('/usr/local/lib/mcp-pra/verbs/uptime'),
      version: mode('/usr/local/lib/mcp-pra/verbs/version'),
      action: mode('/usr/local/lib/mcp-pra/actions/vacuum_journal.json'),
      script: mode('/usr/local/lib/mcp-pra/scripts/vacuum-journal'),
      collector: mode('/usr/local/lib/mcp-pra/collectors/processes'),
      unit: mode('/etc/systemd/system/mcp-pra-collect-processes.timer'),
      sudoers: mode('/etc/sudoers.d/mcp-pra'),
      tmpfiles: mode('/etc/tmpfiles.d/mcp-pra.conf'),
    }).toEqual({
      wrapper: '0755',
      exec: '0755',
      run: '0755',
      verb: '0644',
      version: '0644',
      action: '0644',
      script: '0755',
      collector: '0755',
      unit: '0644',
      sudoers: '0440',
      tmpfiles: '0644',
    });
    for (const [path, said] of installed) {
      const found = (statSync(at(path)).mode & 0o7777).toString(8).padStart(4, '0');
      expect([path, found]).toEqual([path, said]);
    }
    expect(
      [...installed.keys()].filter((path) => /policy|signers|etc\/.*_key|authorized_keys$/u.test(path)),
    ).toEqual([]);
  });

  test('installs tables and scripts byte for byte', () => {
    for (const [from, to] of [
      ['tables/verbs/top_processes', 'verbs/top_processes'],
      ['tables/actions/vacuum_journal.json', 'actions/vacuum_journal.json'],
      ['tables/DIGESTS', 'DIGESTS'],
      ['scripts/reload-proxy', 'scripts/reload-proxy'],
    ] as const) {
      expect(readFileSync(join(root, 'host/usr/local/lib/mcp-pra', to))).toEqual(
        readFileSync(join(TARGET_SCRIPTS, from)),
      );
    }
  });

  test('leaves no token in a program', () => {
    for (const path of [
      'bin/mcp-wrapper',
      'bin/pra-exec',
      'bin/pra-run',
      'lib/mcp-pra/collectors/processes',
    ]) {
      expect(readFileSync(join(root, 'host/usr/local', path), 'utf8')).not.toMatch(/@(?!TOKENS@)[A-Z_]+@/u);
    }
  });

  test('a second run changes nothing; a third repairs what was touched and removes what is stale', () => {
    expect(stage('host')).not.toMatch(/^changed /mu);
    writeFileSync(at('usr/local/bin/pra-exec'), 'x');
    chmodSync(at('usr/local/lib/mcp-pra/scripts/reload-proxy'), 0o777);
    rmSync(at('usr/local/lib/mcp-pra/verbs/uptime'));
    symlinkSync('/etc/hostname', at('usr/local/lib/mcp-pra/verbs/uptime'));
    writeFileSync(at('usr/local/lib/mcp-pra/verbs/old_verb'), '');
    symlinkSync('/nowhere', at('usr/local/lib/mcp-pra/actions/old.json'));
    const wanted = [
      'changed 0644 /usr/local/lib/mcp-pra/verbs/uptime',
      'changed 0755 /usr/local/bin/pra-exec',
      'changed 0755 /usr/local/lib/mcp-pra/scripts/reload-proxy',
      'changed gone /usr/local/lib/mcp-pra/actions/old.json',
      'changed gone /usr/local/lib/mcp-pra/verbs/old_verb',
    ];
    expect(changes(stage('host', '--check'))).toEqual(wanted);
    expect(existsSync(at('usr/local/lib/mcp-pra/verbs/old_verb'))).toBe(true);
    expect(changes(stage('host'))).toEqual(wanted);
    expect(stage('host')).not.toMatch(/^changed /mu);
  });

  test.each<[string, string[]]>([
    ['a relative prefix', ['--prefix', 'target']],
    ['a prefix with a quote', ['--prefix', "/tmp/a'b"]],
    ['a prefix with a space', ['--prefix', '/tmp/a b']],
    ['a prefix that climbs', ['--prefix', '/tmp/../etc']],
    ['a token for a prefix', ['--prefix', '/tmp/@BIN@']],
    ['a host key with a newline', ['--host-key', '/tmp/a\nb']],
    ['an account that is none', ['--reader-user', 'a b']],
    ['another launcher', ['--launcher', 'su']],
    ['a negative owner', ['--owner-uid', '-1']],
    ['an abbreviated option', ['--pref', '/tmp']],
  ])('refuses %s', (_, options) => {
    const all = [
      '--prefix',
      '/',
      '--destdir',
      join(root, 'never'),
      '--tables',
      TABLES,
      '--launcher',
      'sudo',
      '--owner-uid',
      '0',
    ];
    expect(spawnSync('python3', [INSTALL, ...all, ...options]).status).toBe(2);
    expect(existsSync(join(root, 'never'))).toBe(false);
  });

  test('refuses tables with names that are not allowed', () => {
    const tables = join(root, 'tables');
    mkdirSync(join(tables, 'verbs'), { recursive: true });
    writeFileSync(join(tables, 'DIGESTS'), '');
    writeFileSync(join(tables, 'verbs/Bad-Name'), '');
    const options = [
      '--prefix',
      '/',
      '--destdir',
      join(root, 'never'),
      '--launcher',
      'sudo',
      '--owner-uid',
      '0',
    ];
    expect(spawnSync('python3', [INSTALL, ...options, '--tables', tables]).status).toBe(1);
    expect(existsSync(join(root, 'never'))).toBe(false);
  });
});

describe('install-target below a prefix', () => {
  const target = new RenderedTarget();
  afterAll(() => target.remove());

  test('moves the paths of tables along, and nothing that only looks like them', () => {
    const rows = [
      '/run/mcp-pra/facts/x.json',
      '--file=/etc/mcp-pra/a',
      '/usr/local/bin/other',
      '/x/run/mcp-pra/y',
      '/usr/local/bin/pra-run',
    ];
    writeFileSync(join(target.tables, 'verbs/x'), `run\tone\t${rows.join('\t')}\n`);
    target.install();
    expect(readFileSync(target.path('lib/verbs/x'), 'utf8')).toBe(
      `run\tone\t${target.prefix}/run/facts/x.json\t--file=${target.prefix}/etc/a\t/usr/local/bin/other\t/x/run/mcp-pra/y\t${target.prefix}/bin/pra-run\n`,
    );
    rmSync(join(target.tables, 'verbs/x'));
    target.install();
    expect(existsSync(target.path('lib/verbs/x'))).toBe(false);
  });

  test('the verb `version` tells scripts with their hashes, digests and clocks', async () => {
    writeFileSync(join(target.tables, 'DIGESTS'), 'diagnostic uptime 00\n');
    target.install();
    const { exit, stdout } = await target.look('version');
    const sections = sectionsOf(stdout);
    expect([exit, Object.keys(sections)]).toEqual([0, ['versions', 'digests', 'boot', 'uptime', 'clock']]);
    const versions = sections['versions']?.output ?? '';
    expect(versions).toContain(`mcp-wrapper 0.1.0 ${sha256(target.path('bin/mcp-wrapper'))}\n`);
    expect(versions).toContain(
      `vacuum-journal 0.1.0 ${sha256(join(TARGET_SCRIPTS, 'scripts/vacuum-journal'))}\n`,
    );
    expect(sections['digests']?.output).toBe('diagnostic uptime 00\n');
    expect(sections['boot']?.output).toBe(readFileSync('/proc/sys/kernel/random/boot_id', 'utf8'));
    expect(sections['uptime']?.output).toMatch(/^\d+\.\d\d \d+\.\d\d\n$/u);
    expect(sections['clock']?.output).toMatch(/^\d+\.\d{9}\n$/u);
  });

  test('makes the directories of state, closed to others', () => {
    const modesOf = ['state', 'run/reader', 'run/facts'].map((path) =>
      (statSync(target.path(path)).mode & 0o777).toString(8),
    );
    expect(modesOf).toEqual(['700', '700', '750']);
  });
});
