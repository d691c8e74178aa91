import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { gzip } from '../../src/cli/package/gzip.ts';
import { targetPackage } from '../../src/cli/package/target-package.ts';
import { PROGRAM } from '../support/operator.ts';
import { makeKey } from '../support/ssh-keys.ts';

// What is built, judged by the real dpkg-deb, tar and sha256sum. What it does on a host: test/lab/package.test.ts.

const ROOT = resolve(import.meta.dirname, '../..');
const hasDpkg = existsSync('/usr/bin/dpkg-deb');

let home: string;
let dir: string;
let env: NodeJS.ProcessEnv;

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'mcp-pra-package-'));
  dir = join(home, '.config/mcp-pra');
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  env = { PATH: process.env['PATH'], HOME: home, LANG: 'C.UTF-8', NO_COLOR: '1' };
  for (const name of ['reader', 'runner', 'auto', 'approver', 'older', 'emergency']) makeKey(dir, name);
  writeFileSync(
    join(dir, 'mcp-pra.yaml'),
    JSON.stringify({
      version: 1,
      hosts: { web1: { address: '192.0.2.10' }, db1: { address: '192.0.2.11' } },
      keys: { reader: 'reader', runner: 'runner', auto: 'auto' },
      approver: { principal: 'alice', key: 'approver' },
    }),
    { mode: 0o600 },
  );
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

const build = (...argv: string[]) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [PROGRAM, 'target', 'package', ...argv], {
    env,
    encoding: 'utf8',
    cwd: home,
  });
  return { status, stdout, stderr };
};
const out = (name = 'out'): string => join(home, name);
const built = (...argv: string[]): readonly string[] => {
  const { status, stderr } = build('--from-config', '--host', 'web1', '--out', out(), ...argv);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return readdirSync(out()).toSorted();
};
/** The .tar.gz, unpacked by tar. */
const unpacked = (): string => {
  execFileSync('tar', ['xzf', join(out(), 'mcp-pra-target-web1_0.1.0.tar.gz'), '-C', home]);
  return join(home, 'mcp-pra-target-0.1.0');
};
const site = (): Record<string, unknown> => JSON.parse(readFileSync(join(unpacked(), 'site.json'), 'utf8'));
const keyLine = (name: string): string => readFileSync(join(dir, `${name}.pub`), 'utf8').trim();
const vars = (name: string, value: unknown): string => {
  writeFileSync(join(dir, name), JSON.stringify(value));
  return join(dir, name);
};

describe('what is in it', () => {
  test('the pack as it is installed here, the site file, and sums that hold', () => {
    expect(built()).toEqual(['mcp-pra-target-web1_0.1.0.tar.gz', 'mcp-pra-target-web1_0.1.0_all.deb']);
    const root = unpacked();
    const sums = execFileSync('sha256sum', ['--check', '--strict', 'SHA256SUMS'], {
      cwd: root,
      encoding: 'utf8',
    });
    const files = readdirSync(root, { recursive: true, withFileTypes: true }).filter((entry) =>
      entry.isFile(),
    );
    expect(sums.trim().split('\n')).toHaveLength(files.length - 1);
    for (const path of ['setup-target', 'tables/sudoers', 'installer/site.py', 'pra_run/verify.py'])
      expect(readFileSync(join(root, 'target-scripts', path))).toEqual(
        readFileSync(join(ROOT, 'target-scripts', path)),
      );
    for (const path of ['install', 'verify', 'uninstall', 'target-scripts/setup-target'])
      expect(statSync(join(root, path)).mode & 0o777).toBe(0o755);
    for (const path of ['site.json', 'target-scripts/installer/site.py'])
      expect(statSync(join(root, path)).mode & 0o777).toBe(0o644);
    expect(existsSync(join(root, 'target-scripts/package'))).toBe(false);
  });

  test.skipIf(!hasDpkg)('dpkg-deb reads it; everything belongs to root', () => {
    built();
    const deb = join(out(), 'mcp-pra-target-web1_0.1.0_all.deb');
    const fields = execFileSync('dpkg-deb', ['-f', deb, 'Package', 'Version', 'Architecture'], {
      encoding: 'utf8',
    });
    expect(fields).toBe('Package: mcp-pra-target\nVersion: 0.1.0\nArchitecture: all\n');
    const listed = execFileSync('dpkg-deb', ['-c', deb], { encoding: 'utf8' }).trim().split('\n');
    expect(listed.filter((line) => !/^[-d]rw.r.xr.x root\/root|^-rw-r--r-- root\/root/u.test(line))).toEqual(
      [],
    );
    expect(listed.some((line) => line.endsWith('./usr/share/mcp-pra-target/install'))).toBe(true);
    execFileSync('dpkg-deb', ['-x', deb, join(home, 'x')]);
    execFileSync('tar', ['xzf', join(out(), 'mcp-pra-target-web1_0.1.0.tar.gz'), '-C', home]);
    execFileSync('diff', [
      '-r',
      join(home, 'x/usr/share/mcp-pra-target'),
      join(home, 'mcp-pra-target-0.1.0'),
    ]);
  });

  test('private keys are not in it', () => {
    built();
    for (const name of readdirSync(out()))
      expect(readFileSync(join(out(), name), 'latin1')).not.toMatch(/BEGIN [A-Z ]*PRIVATE KEY/u);
  });
});

describe('the same input gives the same bytes', () => {
  const input = (packageRoot: string, seconds = 1_800_000_000) => ({
    packageRoot,
    version: '0.1.0',
    site: '{}\n',
    seconds,
  });

  test('whenever, wherever and however the files were unpacked', () => {
    const copy = join(home, 'copy');
    cpSync(join(ROOT, 'target-scripts'), join(copy, 'target-scripts'), { recursive: true });
    const before = targetPackage(input(ROOT));
    for (const entry of readdirSync(copy, { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name);
      if (entry.isFile()) chmodSync(path, 0o600);
      utimesSync(path, 1_000_000, 1_000_000);
    }
    mkdirSync(join(copy, 'target-scripts/pra_run/__pycache__'));
    writeFileSync(join(copy, 'target-scripts/pra_run/__pycache__/form.cpython-311.pyc'), 'x');
    expect(targetPackage(input(copy))).toEqual(before);
  });

  test('another time or another byte gives others', () => {
    const before = targetPackage(input(ROOT));
    expect(targetPackage(input(ROOT, 1_800_000_001)).deb.equals(before.deb)).toBe(false);
    expect(targetPackage({ ...input(ROOT), site: '{} \n' }).tarGz.equals(before.tarGz)).toBe(false);
  });

  test('SOURCE_DATE_EPOCH is the time of every file; what is no time is refused', () => {
    env = { ...env, SOURCE_DATE_EPOCH: '1234567890', TZ: 'UTC' };
    built();
    expect(statSync(join(unpacked(), 'install')).mtimeMs).toBe(1_234_567_890_000);
    env = { ...env, SOURCE_DATE_EPOCH: 'yesterday' };
    expect(build('--from-config', '--host', 'web1', '--out', out())).toMatchObject({ status: 2 });
  });

  test.each([0, 1, 65_534, 65_535, 65_536, 131_070, 200_000])('%i bytes come back from gzip', (length) => {
    const content = Buffer.alloc(length, 'mcp-pra ');
    expect(gunzipSync(gzip(content)).equals(content)).toBe(true);
  });
});

describe('the site file', () => {
  test('from the configuration: public halves of its keys, and the name of the host', () => {
    built();
    expect(site()).toEqual({
      v: 1,
      host: 'web1',
      keys: {
        reader: [{ key: keyLine('reader'), expires: null, from: [] }],
        runner: [{ key: keyLine('runner'), expires: null, from: [] }],
      },
      auto_keys: [keyLine('auto')],
      allowed_signers: [
        `alice namespaces="mcp-pra-low,mcp-pra-medium,mcp-pra-high" ${keyLine('approver').split(' ').slice(0, 2).join(' ')}`,
      ],
    });
  });

  test('the variables beside the configuration count, those of a rotation last', () => {
    const expires = '2027-02-20T00:00:00Z';
    vars('provision-vars.yml', {
      mcp_pra_reader_keys: [keyLine('runner')],
      mcp_pra_from: ['192.0.2.0/24'],
      mcp_pra_policy: { values: { restart_service: { unit: ['nginx.service'] } } },
      mcp_pra_max_sessions: 9,
      mcp_pra_serial: [1],
      mcp_pra_break_glass_keys: [{ key: keyLine('emergency'), from: ['192.0.2.9'] }],
    });
    vars('transport-keys.yml', {
      mcp_pra_auto_keys: [{ key: keyLine('auto'), expires }],
      mcp_pra_reader_keys: [
        { key: keyLine('reader'), expires },
        { key: keyLine('older'), from: [] },
      ],
    });
    built();
    expect(site()).toMatchObject({
      keys: {
        reader: [
          { key: keyLine('reader'), expires, from: ['192.0.2.0/24'] },
          { key: keyLine('older'), expires: null, from: [] },
        ],
        runner: [{ key: keyLine('runner'), from: ['192.0.2.0/24'] }],
        break_glass: [{ key: keyLine('emergency'), expires: null, from: ['192.0.2.9'] }],
      },
      policy: { values: { restart_service: { unit: ['nginx.service'] } } },
      auto_keys: [keyLine('auto')],
      sshd: { max_sessions: 9 },
    });
  });

  test('an auto key that is among the signers is not listed twice', () => {
    const signer = `auto namespaces="mcp-pra-auto" ${keyLine('auto').split(' ').slice(0, 2).join(' ')}`;
    vars('provision-vars.yml', { mcp_pra_allowed_signers: [signer] });
    built();
    expect(site()).toMatchObject({ allowed_signers: [signer] });
    expect(site()).not.toHaveProperty('auto_keys');
  });

  test('given by hand, it is packed as it is', () => {
    built();
    const text = JSON.stringify(site());
    writeFileSync(join(home, 'site.json'), text);
    rmSync(out(), { recursive: true });
    expect(build('--site', join(home, 'site.json'), '--out', out()).status).toBe(0);
    expect(readFileSync(join(unpacked(), 'site.json'), 'utf8')).toBe(text);
  });

  test('a package for each host', () => {
    expect(build('--from-config', '--host', 'web1,db1', '--out', out()).status).toBe(0);
    expect(readdirSync(out())).toHaveLength(4);
  });

  test.each<[what: string, value: Record<string, unknown>, rule: RegExp]>([
    ['a variable that nobody knows', { mcp_pra_reader_kyes: [] }, /mcp_pra_reader_kyes is no variable/u],
    [
      'a key with an option',
      { mcp_pra_reader_keys: ['permit-pty ssh-ed25519 AAAA'] },
      /would refuse this site file/u,
    ],
    ['an address that is none', { mcp_pra_from: ['a b'] }, /would refuse this site file/u],
    [
      'a break-glass key from anywhere',
      {
        mcp_pra_break_glass_keys: [
          'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAaBRpzqjCbzHMzGpvE7nPZwTH2rI/ocdtWnfEFRaFUT',
        ],
        mcp_pra_from: ['192.0.2.0/24'],
      },
      /break_glass/u,
    ],
    ['a number for a limit that is none', { mcp_pra_max_sessions: 'many' }, /would refuse this site file/u],
  ])('%s is refused as the host would, and nothing is written', (_, value, rule) => {
    const path = vars('bad.yml', value);
    const { status, stderr } = build('--from-config', '--host', 'web1', '--vars', path, '--out', out());
    expect(status).toBe(2);
    expect(stderr).toMatch(rule);
    expect(existsSync(out())).toBe(false);
  });

  test.each<[what: string, argv: readonly string[], status: number]>([
    ['no source', [], 2],
    ['two sources', ['--site', 's.json', '--from-config'], 2],
    ['no host', ['--from-config'], 2],
    ['a host that is not configured', ['--from-config', '--host', 'web9'], 3],
    ['a site file that is not there', ['--site', 'nope.json'], 2],
    [
      'variables that are no map',
      ['--from-config', '--host', 'web1', '--vars', '.config/mcp-pra/reader.pub'],
      2,
    ],
  ])('%s is refused', (_, argv, status) => {
    expect(build(...argv, '--out', out())).toMatchObject({ status });
    expect(existsSync(out())).toBe(false);
  });
});
