import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { PROGRAM } from '../support/operator.ts';

// From the real ansible-inventory and the real ssh -G into the file that a person keeps.

let home: string;
let dir: string;
let path: string;
let env: NodeJS.ProcessEnv;

const FILE = `version: 1

hosts:                     # nothing else can be reached
  web1: {address: 192.0.2.10, tags: [web]}
  db1: {address: 192.0.2.20, port: 2222}   # the old one

jumps:
  door: {address: 192.0.2.1, user: hop, key: keys/hop}

groups: {web: [web1]}

keys: {reader: r, runner: u}
`;

const INVENTORY = `all:
  children:
    web_servers:
      hosts:
        web1: {ansible_host: 192.0.2.10}
        web2: {ansible_host: 192.0.2.11, ansible_port: 2222}
    eu: {children: {web_servers: {}}}
    db:
      hosts:
        db1: {ansible_host: 192.0.2.21}
        DB_2: {ansible_host: 192.0.2.22, mcp_pra_host: db2}
`;

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'mcp-pra-import-'));
  env = {
    PATH: process.env['PATH'],
    HOME: home,
    LANG: 'C.UTF-8',
    NO_COLOR: '1',
    ANSIBLE_HOME: join(home, 'a'),
  };
  dir = join(home, '.config/mcp-pra');
  path = join(dir, 'mcp-pra.yaml');
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  writeFileSync(path, FILE, { mode: 0o600 });
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

const importing = (argv: readonly string[], input = '') => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [PROGRAM, 'hosts', 'import', ...argv], {
    env,
    input,
    encoding: 'utf8',
  });
  return { status, stdout, stderr };
};
const inventory = (text: string, name = 'inventory.yml'): string => {
  writeFileSync(join(home, name), text);
  return join(home, name);
};
const added = (): readonly string[] => {
  const before = FILE.split('\n');
  return readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => !before.includes(line));
};
/** An answer of ansible-inventory --list with one host. */
const listing = (name: string, vars: Record<string, unknown>): string =>
  JSON.stringify({ _meta: { hostvars: { [name]: vars } }, all: { hosts: [name] } });

describe('from an Ansible inventory', () => {
  test('new hosts and their groups are lines of their own; nothing else changes', () => {
    const { status, stdout, stderr } = importing(['-i', inventory(INVENTORY)]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(added()).toEqual([
      '  db2: {address: 192.0.2.22}',
      '  web2: {address: 192.0.2.11, port: 2222}',
      'groups: {web: [web1], db: [db2], eu: [web1, web2], web-servers: [web1, web2]}',
    ]);
    expect(stdout).toMatch(/There already.*\n\s+db1\s+192\.0\.2\.20:2222 here, 192\.0\.2\.21:22 there/u);
    expect(stdout).toContain('The same already: web1');
    expect(stdout).toContain('mcp-pra hosts trust web2 --fingerprint');
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readdirSync(dir)).toEqual(['mcp-pra.yaml']);
  });

  test.each([0o600, 0o640, 0o644])('a file of mode %o keeps its readers', (mode) => {
    chmodSync(path, mode);
    expect(importing(['-i', inventory(INVENTORY)]).status).toBe(0);
    expect(statSync(path).mode & 0o777).toBe(mode);
  });

  test.runIf(process.getuid?.() === 0)('root leaves it to the group it belongs to', () => {
    chownSync(path, 0, 23_456);
    chmodSync(path, 0o640);
    expect(importing(['-i', inventory(INVENTORY)])).toMatchObject({ status: 0, stderr: '' });
    expect(statSync(path)).toMatchObject({ uid: 0, gid: 23_456 });
  });

  test('a second import changes nothing', () => {
    importing(['-i', inventory(INVENTORY)]);
    const once = readFileSync(path, 'utf8');
    expect(importing(['-i', inventory(INVENTORY)]).stdout).toContain('Nothing to change');
    expect(readFileSync(path, 'utf8')).toBe(once);
  });

  test('--dry-run says the same and writes nothing', () => {
    const { status, stdout } = importing(['-i', inventory(INVENTORY), '--dry-run', '--json']);
    expect(status).toBe(0);
    const said: { written: boolean; hosts: { name: string; status: string }[] } = JSON.parse(stdout);
    expect(said.written).toBe(false);
    expect(said.hosts.map(({ name, status: what }) => `${name} ${what}`).toSorted()).toEqual([
      'db1 kept',
      'db2 added',
      'web1 same',
      'web2 added',
    ]);
    expect(readFileSync(path, 'utf8')).toBe(FILE);
  });

  test('--replace takes the new address and keeps tags and comments', () => {
    expect(importing(['-i', inventory(INVENTORY), '--only', 'db1', '--replace', '--no-groups']).status).toBe(
      0,
    );
    expect(added()).toEqual(['  db1: {address: 192.0.2.21, port: 22}   # the old one']);
  });

  test('--only takes hosts and groups of the source, and refuses what it does not have', () => {
    importing(['-i', inventory(INVENTORY), '--only', 'web_servers', '--no-groups']);
    expect(added()).toEqual(['  web2: {address: 192.0.2.11, port: 2222}']);
    const wrong = importing(['-i', inventory(INVENTORY), '--only', 'web3']);
    expect(wrong.status).toBe(2);
    expect(wrong.stderr).toContain('no host and no group web3');
  });

  test.each<[what: string, name: string, vars: Record<string, unknown>, rule: string]>([
    ['a capital letter', 'Web9', {}, 'tickets cannot carry'],
    ['an underscore', 'web_9', {}, 'tickets cannot carry'],
    ['64 characters', 'a'.repeat(64), { ansible_host: '192.0.2.9' }, 'tickets cannot carry'],
    ['a bad name of its own', 'web9', { mcp_pra_host: 'web 9' }, 'mcp_pra_host'],
    ['the name of a group', 'web', {}, 'a group of the configuration'],
    ['another connection', 'web9', { ansible_connection: 'local' }, 'not reach it over SSH'],
    ['a template for an address', 'web9', { ansible_host: '{{ x }}' }, 'no IP address'],
    ['an option for an address', 'web9', { ansible_host: '-oProxyCommand=x' }, 'no IP address'],
    ['port 0', 'web9', { ansible_port: 0 }, 'not between 1 and 65535'],
    ['port 65536', 'web9', { ansible_port: '65536' }, 'not between 1 and 65535'],
    ['a ProxyCommand', 'web9', { ansible_ssh_common_args: '-o ProxyCommand="nc %h %p"' }, 'does not run'],
    ['a quote that does not end', 'web9', { ansible_ssh_extra_args: "-o 'x" }, 'does not end'],
    ['two jump hosts in a row', 'web9', { ansible_ssh_common_args: '-J a,b' }, 'more than one jump host'],
    ['an option for a jump host', 'web9', { ansible_ssh_common_args: '-J -x' }, 'not written'],
    [
      'a jump host without a key',
      'web9',
      { ansible_ssh_common_args: '-o ProxyJump=hop@192.0.2.7' },
      '--jump-key',
    ],
    [
      'another jump host of that name',
      'web9',
      { ansible_ssh_common_args: '-J other@door' },
      'another jump host',
    ],
  ])('%s is refused with its rule, and then nothing is written', (_, name, vars, rule) => {
    const { status, stdout } = importing(['--list', '-', '--json'], listing(name, vars));
    expect(status).toBe(3);
    const said: { refused: { why: string }[]; written: boolean } = JSON.parse(stdout);
    expect(said.refused).toEqual([expect.objectContaining({ why: expect.stringContaining(rule) as string })]);
    expect(said.written).toBe(false);
    expect(readFileSync(path, 'utf8')).toBe(FILE);
  });

  test('63 characters are a name, and 65535 a port', () => {
    const name = 'a'.repeat(63);
    expect(importing(['--list', '-'], listing(name, { ansible_port: 65_535 })).status).toBe(0);
    expect(added()).toEqual([`  ${name}: {address: ${name}, port: 65535}`]);
  });

  test('what is refused is left out when that is asked for', () => {
    const file = inventory(INVENTORY.replace(', mcp_pra_host: db2', ''));
    expect(importing(['-i', file]).status).toBe(3);
    expect(readFileSync(path, 'utf8')).toBe(FILE);
    const { status, stdout } = importing(['-i', file, '--skip-refused', '--no-groups']);
    expect(status).toBe(0);
    expect(stdout).toMatch(/Left out\n\s+DB_2/u);
    expect(added()).toEqual(['  web2: {address: 192.0.2.11, port: 2222}']);
  });

  test('two hosts of one name are both refused', () => {
    const two = INVENTORY.replace('mcp_pra_host: db2', 'mcp_pra_host: db1');
    const { status, stdout } = importing(['-i', inventory(two)]);
    expect(status).toBe(3);
    expect(stdout).toContain('another host would be called db1 too');
  });

  test('groups that would become one, or that a host is called, are left out and said', () => {
    const groups = {
      a_b: { hosts: ['web9'] },
      'a-b': { hosts: ['web9'] },
      db1: { hosts: ['web9'] },
      '-': { hosts: ['web9'] },
    };
    const { stdout } = importing(['--list', '-'], JSON.stringify({ _meta: { hostvars: {} }, ...groups }));
    expect(added()).toEqual(['  web9: {address: web9}']);
    for (const group of Object.keys(groups)) expect(stdout).toMatch(new RegExp(`^  ${group} `, 'mu'));
  });

  test('secrets among the variables are not shown', () => {
    const secret = 'a made-up passphrase';
    const vars = { ansible_become_password: secret, ansible_host: '192.0.2.9' };
    const { stdout, stderr } = importing(['--list', '-', '--json'], listing('web9', vars));
    expect(stdout + stderr + readFileSync(path, 'utf8')).not.toContain(secret);
  });

  test.each([
    ['no JSON', 'web1 ansible_host=192.0.2.1'],
    ['an inventory file, which is not what --list prints', '{"all": {"hosts": {"web1": {}}}}'],
  ])('%s is refused', (_, text) => {
    const { status, stderr } = importing(['--list', '-'], text);
    expect(status).toBe(2);
    expect(stderr).toContain('ansible-inventory --list');
  });

  test('exactly one source', () => {
    for (const argv of [[], ['--list', '-', '--ssh', 'web1']])
      expect(importing(argv).stderr).toContain('one of --inventory, --list and --ssh');
  });
});

describe('from ssh', () => {
  const sshConfig = (text: string): void => {
    // ssh reads the home directory of the account, not HOME: a wrapper gives it this file.
    const bin = join(home, 'bin');
    mkdirSync(bin);
    writeFileSync(join(home, 'ssh_config'), text);
    writeFileSync(join(bin, 'ssh'), `#!/bin/sh\nexec /usr/bin/ssh -F '${join(home, 'ssh_config')}' "$@"\n`, {
      mode: 0o755,
    });
    env = { ...env, PATH: `${bin}:${env['PATH'] ?? ''}` };
  };

  test('address, port and jump host as ssh understands its own files', () => {
    writeFileSync(join(home, 'hop_key'), '');
    sshConfig(
      `Host app*\n  Port 2200\n  ProxyJump gate\nHost app1\n  HostName 192.0.2.50\nHost gate\n  HostName 192.0.2.2\n  User hopper\n  IdentityFile ${join(home, 'hop_key')}\n`,
    );
    expect(importing(['--ssh', 'app1']).stderr).toBe('');
    expect(added()).toEqual([
      '  app1: {address: 192.0.2.50, port: 2200, jump: gate}',
      `  gate: {address: 192.0.2.2, port: 22, user: hopper, key: ${join(home, 'hop_key')}}`,
    ]);
  });

  test('a jump host that is configured is used under its name here', () => {
    sshConfig('Host app1\n  ProxyJump hop@192.0.2.1\n');
    expect(importing(['--ssh', 'app1']).status).toBe(0);
    expect(added()).toEqual(['  app1: {address: app1, jump: door}']);
  });

  test('a ProxyCommand is refused', () => {
    sshConfig('Host app1\n  ProxyCommand nc %h %p\n');
    expect(importing(['--ssh', 'app1'])).toMatchObject({ status: 3 });
  });

  test('a name cannot be an option of ssh', () => {
    const canary = join(home, 'canary');
    const { status, stderr } = importing([`--ssh=-oProxyCommand=touch ${canary}`]);
    expect(status).toBe(2);
    expect(stderr).toContain('letters, digits');
    expect(readdirSync(home)).not.toContain('canary');
  });
});
