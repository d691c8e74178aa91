import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { onPty } from '../support/on-pty.ts';
import { PROGRAM } from '../support/operator.ts';

let home: string;
let env: NodeJS.ProcessEnv;
let dir: string;

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'mcp-pra-init-'));
  env = { PATH: process.env['PATH'], HOME: home, LANG: 'C.UTF-8', TERM: 'xterm', NO_COLOR: '1' };
  dir = join(home, '.config/mcp-pra');
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

const run = (...argv: string[]) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [PROGRAM, ...argv], {
    env,
    encoding: 'utf8',
  });
  return { status, stdout, stderr };
};
const modeOf = (path: string): number => statSync(path).mode & 0o777;
const fingerprint = (path: string): string => execFileSync('ssh-keygen', ['-lf', path], { encoding: 'utf8' });

describe('init', () => {
  test('makes a configuration that loads, keys that only their owner reads, and what provisioning needs', () => {
    const { status, stdout, stderr } = run('init', '--host', 'web1=192.0.2.1:2222', '--principal', 'alice');
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(modeOf(dir)).toBe(0o700);
    expect(modeOf(join(dir, 'mcp-pra.yaml'))).toBe(0o600);
    for (const key of ['reader', 'runner', 'auto']) expect(modeOf(join(dir, 'keys', key))).toBe(0o600);
    expect(stdout).toMatch(/ssh-keygen -t ed25519 -a 100 -C alice -f \S+\/keys\/approver/u);
    expect(stdout).toContain('mcp-pra hosts trust web1 --fingerprint');

    const read = (name: string): unknown => parse(readFileSync(join(dir, name), 'utf8'));
    expect(read('provision-vars.yml')).toEqual({ mcp_pra_allowed_signers: [] });
    const login = (name: string) => ({
      key: readFileSync(join(dir, `keys/${name}.pub`), 'utf8').trim(),
      expires: expect.stringMatching(/^\d{4}-\d\d-\d\dT00:00:00Z$/u),
    });
    expect(read('transport-keys.yml')).toEqual({
      mcp_pra_reader_keys: [login('reader')],
      mcp_pra_runner_keys: [login('runner')],
      mcp_pra_auto_keys: [readFileSync(join(dir, 'keys/auto.pub'), 'utf8').trim()],
    });
    // Ansible would make a date of a time without quotes.
    expect(readFileSync(join(dir, 'transport-keys.yml'), 'utf8')).toMatch(/expires: "\d/u);
    expect(stdout).toContain(`-e @${join(dir, 'provision-vars.yml')} -e @${join(dir, 'transport-keys.yml')}`);
    expect(parse(readFileSync(join(dir, 'inventory.yml'), 'utf8'))).toEqual({
      all: { hosts: { web1: { ansible_host: '192.0.2.1', ansible_port: 2222 } } },
    });

    const listed = run('hosts', 'list', '--json');
    expect(JSON.parse(listed.stdout)).toEqual([
      { name: 'web1', address: '192.0.2.1', port: 2222, tags: [], groups: [] },
    ]);
    const entry: { mcpServers: Record<string, { command: string; args: string[] }> } = JSON.parse(
      JSON.parse(run('init', '--json').stdout).desktop_entry,
    );
    expect(entry.mcpServers['mcp-pra']).toEqual({
      command: process.execPath,
      args: [PROGRAM, 'serve', '--config', join(dir, 'mcp-pra.yaml')],
    });
  });

  test('a second run makes only what is missing and overwrites nothing', () => {
    run('init', '--principal', 'alice');
    const config = readFileSync(join(dir, 'mcp-pra.yaml'), 'utf8');
    const before = fingerprint(join(dir, 'keys/reader'));
    rmSync(join(dir, 'keys/auto'));
    rmSync(join(dir, 'keys/auto.pub'));
    const again = run('init', '--principal', 'bob');
    expect(again.status).toBe(0);
    expect(again.stdout).toContain(`kept  ${join(dir, 'mcp-pra.yaml')}`);
    expect(again.stdout).toContain(`made  ${join(dir, 'keys/auto')}`);
    // The file of the keys was kept, so the new one has to be put there by hand.
    expect(again.stdout).toMatch(/does not have these keys of this machine[^\n]*\n {2}auto: ssh-ed25519 /u);
    expect(again.stdout).not.toContain('reader: ssh-ed25519');
    expect(readFileSync(join(dir, 'mcp-pra.yaml'), 'utf8')).toBe(config);
    expect(fingerprint(join(dir, 'keys/reader'))).toBe(before);
  });

  test('hosts are not added to a configuration that is there, except with --force, which keeps the keys', () => {
    run('init');
    const before = fingerprint(join(dir, 'keys/reader'));
    const refused = run('init', '--host', 'web1=192.0.2.1');
    expect(refused.status).toBe(2);
    expect(refused.stderr).toContain('--force');
    expect(run('init', '--host', 'web1=192.0.2.1', '--force').status).toBe(0);
    expect(run('hosts', 'list').stdout).toContain('web1');
    expect(fingerprint(join(dir, 'keys/reader'))).toBe(before);
  });

  test("in a terminal ssh-keygen asks for the approver's passphrase; the key is encrypted and listed", async () => {
    const { code, screen } = await onPty(
      [process.execPath, PROGRAM, 'init', '--principal', 'alice'],
      [
        { expect: 'Enter passphrase[^:]*: ', send: 'correct horse\n' },
        { expect: 'Enter same passphrase[^:]*: ', send: 'correct horse\n' },
      ],
      { env },
    );
    expect({ code, screen }).toEqual({ code: 0, screen: expect.not.stringContaining('correct horse') });
    const key = join(dir, 'keys/approver');
    expect(modeOf(key)).toBe(0o600);
    expect(spawnSync('ssh-keygen', ['-y', '-P', '', '-f', key]).status).not.toBe(0);
    expect(spawnSync('ssh-keygen', ['-y', '-P', 'correct horse', '-f', key]).status).toBe(0);
    expect(readFileSync(join(dir, 'provision-vars.yml'), 'utf8')).toMatch(
      /- alice namespaces="mcp-pra-low,mcp-pra-medium,mcp-pra-high" ssh-ed25519 /u,
    );
  });

  test('an empty passphrase makes no approver key', async () => {
    const { code, screen } = await onPty(
      [process.execPath, PROGRAM, 'init'],
      [
        { expect: 'Enter passphrase[^:]*: ', send: '\n' },
        { expect: 'Enter same passphrase[^:]*: ', send: '\n' },
      ],
      { env },
    );
    expect({ code, screen }).toEqual({ code: 3, screen: expect.stringContaining('KEY_UNENCRYPTED') });
    expect(() => statSync(join(dir, 'keys/approver'))).toThrow(/ENOENT/u);
  });
});

describe('a bad configuration', () => {
  test('every command says all of it, with the place and the fix, and does nothing', () => {
    run('init', '--principal', 'alice');
    const path = join(dir, 'mcp-pra.yaml');
    execFileSync('sed', ['-i', 's/^hosts: .*/hosts: {web1: {adress: x}}/; s/^version: 1/version: 3/', path]);
    for (const argv of [['pending'], ['look', 'uptime', '-H', 'web1'], ['doctor'], ['audit', 'verify']]) {
      const { status, stdout, stderr } = run(...argv);
      const said = (stdout + stderr).replaceAll(/\n +/gu, ' ');
      expect(said).toContain('version: it must be 1');
      expect(said).toContain("write 'address'");
      expect(status).toBe(argv[0] === 'doctor' ? 1 : 2);
    }
    expect(() => statSync(join(home, '.local/state/mcp-pra/mcp-pra.db'))).toThrow(/ENOENT/u);
  });

  test('none at all says how to make one', () => {
    expect(run('pending')).toMatchObject({ status: 2, stderr: expect.stringContaining('Run: mcp-pra init') });
  });
});

test('a Node that is too old is told so, before anything that would crash it is loaded', () => {
  const pretend = "Object.defineProperty(process.versions, 'napi', { value: '9' });";
  const { status, stderr } = spawnSync(
    process.execPath,
    ['--import', `data:text/javascript,${encodeURIComponent(pretend)}`, PROGRAM, 'pending'],
    { env, encoding: 'utf8' },
  );
  expect({ status, stderr }).toEqual({
    status: 2,
    stderr: expect.stringMatching(/too old[\s\S]*NODE_TOO_OLD[\s\S]*22\.14/u),
  });
});
