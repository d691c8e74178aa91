import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeOperator, PROGRAM } from '../support/operator.ts';
import { capture } from './capture.ts';
import { labUp, type Lab } from './lab.ts';
import { NODE } from './lab-life.ts';

// A playbook over the inventory of mcp-pra, with the real Ansible and the real ssh: h2 can be reached through h1 only as the
// configuration says, and neither without its host key.

let lab: Lab;
let dir: string;
let script: string;

/** An operator whose mcp-pra.yaml has h2 behind h1; the inventory script of docs/inventory.md. */
const operatorWith = (name: string, knownHosts: string): string => {
  const [h1, h2] = lab.hosts;
  const operator = makeOperator({
    home: join(dir, name),
    hosts: { h1: { address: h1?.address ?? '' }, h2: { address: h2?.address ?? '', jump: 'door' } },
    keys: { reader: 'keys/reader', runner: 'keys/runner' },
    knownHosts,
    more: {
      groups: { 'behind-it': ['h2'] },
      jumps: { door: { address: h1?.address ?? '', user: 'admin', key: lab.adminKey } },
    },
  });
  const path = join(dir, `${name}.sh`);
  writeFileSync(
    path,
    `#!/bin/sh\nexec env HOME=${operator.home} ${NODE} ${PROGRAM} inventory --config ${operator.config} "$@"\n`,
  );
  chmodSync(path, 0o755);
  return path;
};

/** ansible.cfg of somebody who has switched host keys off, which must not matter. */
const CARELESS = '[defaults]\nhost_key_checking = False\n';
const PLAYBOOK = `- hosts: behind_it
  gather_facts: false
  tasks:
    - ansible.builtin.command: hostname
      register: said
    - ansible.builtin.raw: echo "$SSH_CONNECTION"
      register: client
    - ansible.builtin.debug:
        msg: "{{ said.stdout }} was asked from {{ client.stdout.split()[0] }}"
`;

beforeAll(async () => {
  lab = await labUp({ hosts: 2 });
  dir = mkdtempSync(join(tmpdir(), 'mcp-pra-lab-inventory-'));
  writeFileSync(join(dir, 'ansible.cfg'), CARELESS);
  writeFileSync(join(dir, 'play.yml'), PLAYBOOK);
  script = operatorWith('operator', lab.knownHosts);
});
afterAll(async () => {
  await lab?.down();
  if (dir !== undefined) rmSync(dir, { recursive: true, force: true });
});

const play = (inventory: string) =>
  capture(
    'ansible-playbook',
    ['-i', inventory, '-u', 'admin', '--private-key', lab.adminKey, join(dir, 'play.yml')],
    {
      cwd: dir,
      env: {
        PATH: '/usr/bin:/bin',
        HOME: dir,
        LANG: 'C.UTF-8',
        ANSIBLE_HOME: join(dir, 'a'),
        ANSIBLE_NOCOLOR: '1',
        // No connection of an earlier run, which was made under other rules.
        ANSIBLE_SSH_ARGS: '-o ControlMaster=no -o IdentityAgent=none',
        ANSIBLE_PYTHON_INTERPRETER: '/usr/bin/python3',
      },
      timeoutMs: 100_000,
    },
  );

test('a playbook reaches a host through its jump host', async () => {
  const { code, stdout, stderr } = await play(script);
  expect(code, stdout + stderr).toBe(0);
  expect(stdout).toContain(`h2 was asked from ${lab.hosts[0]?.address ?? '?'}`);
});

test('the file says the same', async () => {
  const { stdout } = await capture(script, []);
  const file = join(dir, 'inventory.json');
  writeFileSync(file, stdout);
  const { code, stdout: said, stderr } = await play(file);
  expect(code, said + stderr).toBe(0);
  expect(said).toContain(`h2 was asked from ${lab.hosts[0]?.address ?? '?'}`);
});

test('without its host key no host is reached, whatever ansible.cfg says', async () => {
  const empty = join(dir, 'no_known_hosts');
  writeFileSync(empty, '', { mode: 0o600 });
  const { code, stdout } = await play(operatorWith('stranger', empty));
  expect(code).not.toBe(0);
  expect(stdout).toMatch(/UNREACHABLE!/u);
});
