import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { PROGRAM } from '../support/operator.ts';
import { makeKey } from '../support/ssh-keys.ts';

// Judged by the real ansible-inventory and the real ssh: they say what they understood.

let home: string;
let dir: string;
let env: NodeJS.ProcessEnv;

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'mcp-pra-inventory-'));
  env = {
    PATH: process.env['PATH'],
    HOME: home,
    LANG: 'C.UTF-8',
    NO_COLOR: '1',
    ANSIBLE_HOME: join(home, 'a'),
  };
  dir = join(home, '.config/mcp-pra');
  mkdirSync(dir, { recursive: true, mode: 0o700 });
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

interface Written {
  readonly hosts: Readonly<Record<string, unknown>>;
  readonly more?: Readonly<Record<string, unknown>>;
  readonly knownHosts?: string;
  /** Name of the known_hosts file. */
  readonly file?: string;
}

const configure = ({ hosts, more, knownHosts = '', file = 'known_hosts' }: Written): void => {
  writeFileSync(join(dir, file), knownHosts, { mode: 0o600 });
  const config = { version: 1, hosts, keys: { reader: 'r', runner: 'u' }, known_hosts: file, ...more };
  writeFileSync(join(dir, 'mcp-pra.yaml'), JSON.stringify(config), { mode: 0o600 });
};

const run = (program: string, ...argv: string[]) => {
  const { status, stdout, stderr } = spawnSync(program, argv, { env, encoding: 'utf8' });
  return { status, stdout, stderr };
};
const cli = (...argv: string[]) => run(process.execPath, PROGRAM, ...argv);
const inventory = (...argv: string[]): Record<string, unknown> => {
  const { status, stdout, stderr } = cli('inventory', ...argv);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return JSON.parse(stdout);
};

/** Groups by name, and `_meta`. */
type Listed = Readonly<
  Record<
    string,
    {
      readonly hosts?: readonly string[];
      readonly hostvars?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
    }
  >
>;

/** The two-line script of docs/inventory.md. */
const script = (): string => {
  const path = join(home, 'hosts.mcp-pra');
  writeFileSync(path, `#!/bin/sh\nexec '${process.execPath}' '${PROGRAM}' inventory "$@"\n`);
  chmodSync(path, 0o755);
  return path;
};
const ansible = (source: string): Listed => {
  const { status, stdout, stderr } = run('ansible-inventory', '-i', source, '--list');
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return JSON.parse(stdout);
};

/** What ssh makes of the options of a host, as Ansible hands them over. */
const sshUnderstands = (host: string, sshConfig = 'none'): ReadonlyMap<string, string> => {
  const vars = inventory('--host', host);
  const argv = JSON.parse(
    run(
      'python3',
      '-c',
      'import json,shlex,sys; print(json.dumps(shlex.split(sys.argv[1])))',
      String(vars['ansible_ssh_common_args']),
    ).stdout,
  ) as string[];
  const said = run(
    'ssh',
    '-T',
    '-F',
    sshConfig,
    '-G',
    ...argv,
    '-p',
    String(vars['ansible_port']),
    String(vars['ansible_host']),
  );
  expect(said.stderr).toBe('');
  return new Map(
    said.stdout.split('\n').map((line) => [line.split(' ')[0] ?? '', line.slice(line.indexOf(' ') + 1)]),
  );
};

const HOSTS = {
  web1: { address: '192.0.2.10', tags: ['web', 'eu-west.1'] },
  db1: { address: 'db1.example.net', port: 2222, jump: 'door' },
};
const MORE = {
  jumps: { door: { address: '2001:db8::1', port: 2200, user: 'hop', key: 'keys/hop' } },
  groups: { 'front-end': ['web1'], everything: ['web1', 'db1'], '2nd': ['db1'] },
};

describe('what Ansible reads', () => {
  test('hosts, groups and tags; the script and the file mean the same', () => {
    configure({ hosts: HOSTS, more: MORE });
    const listed = ansible(script());
    expect(listed['front_end']).toEqual({ hosts: ['web1'] });
    expect(listed['everything']).toEqual({ hosts: ['web1', 'db1'] });
    expect(listed['_2nd']).toEqual({ hosts: ['db1'] });
    expect(listed['tag_web']).toEqual({ hosts: ['web1'] });
    expect(listed['tag_eu_west_1']).toEqual({ hosts: ['web1'] });
    expect(listed['mcp_pra']).toEqual({ hosts: ['web1', 'db1'] });
    expect(listed['_meta']?.hostvars?.['db1']).toMatchObject({
      ansible_host: 'db1.example.net',
      ansible_port: 2222,
      ansible_host_key_checking: true,
    });
    expect(listed['_meta']?.hostvars?.['web1']).toEqual(inventory('--host', 'web1'));

    const file = join(home, 'inventory.json');
    writeFileSync(file, cli('inventory').stdout);
    const read = ansible(file);
    expect(read['_meta']).toEqual(listed['_meta']);
    for (const group of ['front_end', 'everything', '_2nd', 'tag_web', 'mcp_pra'])
      expect(new Set(read[group]?.hosts)).toEqual(new Set(listed[group]?.hosts));
  });

  test('no host at all is no error', () => {
    configure({ hosts: {} });
    expect(ansible(script())).toMatchObject({ _meta: { hostvars: {} } });
  });

  test.each<[what: string, groups: Record<string, string[]>]>([
    ['two groups that Ansible would merge', { 'a-b': ['web1'], 'a.b': ['db1'] }],
    ['a group with the name of a tag', { 'tag-web': ['db1'] }],
    ['a group with the name of the one for every host', { 'mcp-pra': ['db1'] }],
    ["a group with a name of Ansible's own", { all: ['db1'] }],
  ])('%s is refused: a playbook would act on more hosts than its name says', (_, groups) => {
    configure({ hosts: HOSTS, more: { ...MORE, groups } });
    const { status, stdout, stderr } = cli('inventory', '--list');
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toMatch(/would both be \w+ in Ansible[^]*Rename one of them/u);
  });

  test('a host that is not configured is refused', () => {
    configure({ hosts: HOSTS, more: MORE });
    expect(cli('inventory', '--host', 'web2')).toMatchObject({ status: 3, stdout: '' });
  });
});

describe('what ssh understands', () => {
  const key = (): string => makeKey(home, `host_key_${String(Math.random()).slice(2)}`).line;

  test('host keys come from one file only, and an unknown one is refused', () => {
    configure({ hosts: HOSTS, more: MORE });
    const options = sshUnderstands('web1');
    expect(options.get('userknownhostsfile')).toBe(join(dir, 'known_hosts'));
    expect(options.get('globalknownhostsfile')).toBe('/dev/null');
    expect(options.get('stricthostkeychecking')).toBe('true');
    expect(options.get('updatehostkeys')).toBe('false');
    expect(options.get('hostkeyalias')).toBe('web1');
    expect(options.get('proxycommand') ?? 'none').toBe('none');
  });

  test.each(['web1', 'db1'])(
    'nothing that ssh_config says of %s is another way to it, or to its host key',
    (host) => {
      configure({ hosts: HOSTS, more: MORE });
      const path = join(home, 'ssh_config');
      const theirs = {
        KnownHostsCommand: '/usr/bin/false %H',
        VerifyHostKeyDNS: 'yes',
        StrictHostKeyChecking: 'no',
        HostKeyAlias: 'elsewhere',
        ProxyJump: 'elsewhere',
        PermitLocalCommand: 'yes',
        CanonicalizeHostname: 'always',
        UpdateHostKeys: 'yes',
      };
      writeFileSync(
        path,
        `Host *\n${Object.entries(theirs)
          .map(([name, value]) => `  ${name} ${value}\n`)
          .join('')}`,
      );
      const [hard, plain] = [sshUnderstands(host, path), sshUnderstands(host)];
      for (const name of Object.keys(theirs)
        .filter((one) => one !== 'ProxyJump')
        .map((one) => one.toLowerCase()))
        expect([name, hard.get(name)]).toEqual([name, plain.get(name)]);
      expect(hard.get('proxyjump')).toBeUndefined();
      expect(hard.get('proxycommand')).toBe(plain.get('proxycommand'));
      expect(hard.get('verifyhostkeydns')).toBe('false');
    },
  );

  test.each<[where: string, name: string, alias: string]>([
    ['by its name', 'db1', 'db1'],
    ['by its name and port', '[db1]:2222', '[db1]:2222'],
    [
      'by its address and port, as ssh looks it up by itself',
      '[db1.example.net]:2222',
      '[db1.example.net]:2222',
    ],
  ])('a key that known_hosts has %s is found there', (_, name, alias) => {
    configure({ hosts: HOSTS, more: MORE, knownHosts: `${name} ${key()}\nweb1 ${key()}\n` });
    expect(sshUnderstands('db1').get('hostkeyalias')).toBe(alias);
  });

  test('the jump host with its own user, key, port and host key, whatever the user has configured', () => {
    configure({ hosts: HOSTS, more: MORE, knownHosts: `door ${key()}\n` });
    expect(sshUnderstands('db1').get('proxycommand')).toBe(
      [
        'ssh -F none -o BatchMode=yes -o IdentitiesOnly=yes',
        `-i ${join(dir, 'keys/hop')} -l hop -p 2200 -o HostKeyAlias=door -o UserKnownHostsFile=${join(dir, 'known_hosts')}`,
        '-o GlobalKnownHostsFile=/dev/null -o IgnoreUnknown=KnownHostsCommand -o KnownHostsCommand=none -o VerifyHostKeyDNS=no',
        '-o StrictHostKeyChecking=yes -o UpdateHostKeys=no -o CanonicalizeHostname=no -o PermitLocalCommand=no',
        "-W '[%h]:%p' -- 2001:db8::1",
      ].join(' '),
    );
  });

  test('spaces and percent signs in paths', () => {
    const more = { ...MORE, jumps: { door: { ...MORE.jumps.door, key: 'my keys/100%h' } } };
    configure({ hosts: HOSTS, more, file: 'known hosts 5%' });
    const options = sshUnderstands('db1');
    expect(options.get('userknownhostsfile')).toBe(join(dir, 'known hosts 5%'));
    // ssh -G prints this one before it replaces %%. What the shell of the user gets after ssh has replaced %%: the inner ssh replaces once more.
    const inner = (options.get('proxycommand') ?? '').replaceAll('%%', '%');
    const words = JSON.parse(
      run('python3', '-c', 'import json,shlex,sys; print(json.dumps(shlex.split(sys.argv[1])))', inner)
        .stdout,
    ) as string[];
    expect(words).toContain(join(dir, 'my keys/100%%h'));
    expect(words).toContain(`UserKnownHostsFile="${join(dir, 'known hosts 5%%')}"`);
  });

  test.each(['known"hosts', "known'hosts", 'known\\hosts', '${HOME}', '{{ x }}'])(
    'the path %s is refused: it would be read as something else',
    (file) => {
      configure({ hosts: HOSTS, more: MORE, file });
      const { status, stdout, stderr } = cli('inventory');
      expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
      expect(stderr).toContain('Rename the file');
    },
  );
});
