import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { fingerprint } from '../../src/request/sshsig.ts';
import { makeOperator, type Operator } from '../support/operator.ts';
import { makeKey } from '../support/ssh-keys.ts';

// What `mcp-pra keys revoke` leaves for --retry, what it says of files, and how it ends: with the real Ansible, on hosts that are this
// machine. test/lab/revocation.test.ts has real hosts.

let home: string;
let operator: Operator;
let lost: ReturnType<typeof makeKey>;
let folder: string;

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'mcp-pra-revoke-'));
  lost = makeKey(home, 'lost');
  writeFileSync(join(home, 'known_hosts'), '');
  operator = makeOperator({
    home,
    hosts: { other: { address: '127.0.0.1', port: 1 } },
    keys: { reader: makeKey(home, 'reader').path, runner: makeKey(home, 'runner').path },
    knownHosts: join(home, 'known_hosts'),
  });
  folder = join(operator.stateDir, 'revocations');
  writeFileSync(join(home, 'good.sh'), "echo 'done 1 ms'\n");
  writeFileSync(join(home, 'bad.sh'), 'echo revoke-keys: a file is damaged >&2; exit 1\n');
  const hosts = {
    web1: { ansible_connection: 'local', script: 'good' },
    web2: { ansible_connection: 'local', script: 'bad' },
  };
  writeFileSync(join(home, 'inventory.json'), JSON.stringify({ all: { hosts } }));
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

const revoke = (...argv: string[]): ReturnType<Operator['cli']> =>
  operator.cli(
    'keys',
    'revoke',
    ...argv,
    ...(argv.includes('--') ? [] : ['--']),
    '--extra-vars',
    JSON.stringify({
      ansible_become: false,
      mcp_pra_revoke_argv: ['/bin/sh', `${home}/{{ script }}.sh`],
    }),
  );
const inventory = (): string => relative(process.cwd(), join(home, 'inventory.json'));
const left = (): readonly string[] => readdirSync(folder);

/** A revocation that an earlier command left. */
const leave = (name: string, hosts: readonly string[], inventories: readonly string[]): void => {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const order = {
    v: 1,
    keys: [fingerprint(lost.blob)],
    publicKeys: [],
    approvers: [],
    serials: [],
    ca: null,
    switch: 'lift',
  };
  const text = JSON.stringify({ order, began: '2026-01-01T00:00:00.000Z', inventories, hosts });
  writeFileSync(join(folder, `${name}.json`), text, { mode: 0o600 });
};

test.each(['--check', '-C', '-KC', '--list-hosts'])(
  '%s after -- is refused: nothing is taken for revoked',
  async (word) => {
    const name = fingerprint(lost.blob);
    const where = ['--fingerprint', name, '--host', 'web1', '-i', inventory()];
    const said = await operator.cli('keys', 'revoke', ...where, '--', word);
    expect(said.code).toBe(2);
    expect(said.stderr).toContain(`there is ${word}`);
    expect(existsSync(folder)).toBe(false);
  },
);

test.each(['-vv', '-uC'])('%s after -- is handed on: it is no check', async (word) => {
  const where = ['--fingerprint', fingerprint(lost.blob), '--host', 'web1', '-i', inventory()];
  const said = await revoke(...where, '--', word);
  expect([said.code, left()], said.stderr).toEqual([0, []]);
});

test('a check that Ansible makes all the same revokes nothing, and is left', async () => {
  writeFileSync(join(home, 'good.sh'), "echo 'checked 1 ms'\n");
  const said = await revoke('--fingerprint', fingerprint(lost.blob), '--host', 'web1', '-i', inventory());
  expect([said.code, left().length]).toEqual([1, 1]);
  expect(said.stdout).toContain('web1: NOT REVOKED: Ansible was told to change nothing');
});

test('a host that is mistyped, or options that Ansible refuses: nothing is left for --retry', async () => {
  const name = fingerprint(lost.blob);
  const typo = await revoke('--fingerprint', name, '--host', 'wbe1', '-i', inventory());
  expect([typo.code, left()]).toEqual([1, []]);
  expect(typo.stdout).toContain('wbe1: NOT REVOKED: the inventory has no host of that name');
  const wrong = await operator.cli(
    'keys',
    'revoke',
    '--fingerprint',
    name,
    '--all-hosts',
    '-i',
    inventory(),
    '--',
    '--no-such',
  );
  expect([wrong.code, left()]).toEqual([2, []]);
}, 60_000);

test('a host that failed is left with the whole path of its inventory', async () => {
  const { code } = await revoke('--fingerprint', fingerprint(lost.blob), '--host', 'web2', '-i', inventory());
  expect(code).toBe(1);
  const [file = ''] = left();
  expect(JSON.parse(readFileSync(join(folder, file), 'utf8'))).toMatchObject({
    hosts: ['web2'],
    inventories: [join(home, 'inventory.json')],
  });
}, 60_000);

test('--retry: what cannot be continued is named and holds up nothing; a host that failed decides the exit code', async () => {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  writeFileSync(join(folder, '1.json'), 'garbage');
  leave('2', ['web1'], [join(home, 'gone.json')]);
  writeFileSync(join(home, 'gone.json'), 'garbage: [');
  leave('3', ['web1'], [join(home, 'inventory.json')]);
  const first = await revoke('--retry');
  expect(first.code, first.stderr).toBe(1);
  expect(first.stderr).toContain(join(folder, '1.json'));
  expect(first.stdout).toContain('web1: NOT REVOKED: the inventory has no host of that name');
  expect(left()).toEqual(['1.json', '2.json']);
  rmSync(join(folder, '2.json'));
  expect((await revoke('--retry')).code, 'only the file that is none').toBe(2);
}, 90_000);

test('a key named by its fingerprint: the files that still list it are named', async () => {
  const dir = join(home, '.config/mcp-pra');
  writeFileSync(join(dir, 'provision-vars.yml'), `mcp_pra_reader_keys: ["${lost.line} lost"]\n`);
  writeFileSync(join(dir, 'transport-keys.yml'), `mcp_pra_reader_keys: ["${makeKey(home, 'new').line}"]\n`);
  const { stdout } = await revoke(
    '--fingerprint',
    fingerprint(lost.blob),
    '--host',
    'web1',
    '-i',
    inventory(),
  );
  expect(stdout).toContain(`It is still named in ${join(dir, 'provision-vars.yml')}`);
  expect(stdout).not.toContain('transport-keys.yml');
}, 60_000);
