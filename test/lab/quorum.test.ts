import { cpSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { approveSteps } from '../support/operator.ts';
import type { Lab, LabHost } from './lab.ts';
import { DEMO_UNIT, keyOfPerson, PASSPHRASE, provisionedLab, type LabKeys } from './provisioned.ts';

// Two approvers with a machine each: alice on h2, bob on h3, and h1 is the target, which asks for two. Between the machines goes
// what people would paste into a chat. Bob's machine has no key of the transport accounts and connects to nothing.

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const PTY = readFileSync(join(ROOT, 'test/support/pty.py'), 'utf8');
const PARTS = ['dist', 'catalog', 'target-scripts', 'ansible', 'package.json', 'node_modules/better-sqlite3'];
const COUNT = `/run/${DEMO_UNIT.replace('.service', '.starts')}`;

let lab: Lab;
let keys: LabKeys;
let target: LabHost;
let alice: Person;
let bob: Person;

/** The unix account on both machines: who asks there, without being one of the approvers. */
const ACCOUNT = 'ops';
const HOME = `/home/${ACCOUNT}`;

/** Somebody with an account, a configuration and a database on a machine of the lab. */
class Person {
  readonly host: LabHost;
  readonly principal: string;

  constructor(host: LabHost, principal: string) {
    this.host = host;
    this.principal = principal;
  }

  /** Puts a file of theirs there. */
  async keep(path: string, content: string, mode = 0o600): Promise<void> {
    await this.host.writeFile(`${HOME}/${path}`, content, mode);
    await this.host.sh(`chown -R ${ACCOUNT}: ${HOME}`);
  }

  /** Runs mcp-pra without a terminal. */
  cli(...argv: readonly string[]): Promise<{ code: number; stdout: string; stderr: string }> {
    return this.host.run([...this.#as(), 'node', '/opt/mcp-pra/dist/main.js', ...argv]);
  }

  /** Runs it at a terminal of that machine: says yes and types the passphrase, or only waits for the end. */
  async typed(
    argv: readonly string[],
    isYes = true,
  ): Promise<{ code: number; screen: string; missed: string | null }> {
    const steps = isYes ? approveSteps(PASSPHRASE) : [];
    const job = {
      argv: ['node', '/opt/mcp-pra/dist/main.js', ...argv],
      env: this.#env(),
      seconds: 120,
      steps,
    };
    const said = await this.host.run(['runuser', '-u', ACCOUNT, '--', 'python3', '-c', PTY], {
      input: JSON.stringify(job),
      timeoutMs: 150_000,
    });
    if (said.code !== 0) throw new Error(said.stderr);
    return JSON.parse(said.stdout) as { code: number; screen: string; missed: string | null };
  }

  #env(): Record<string, string> {
    return { HOME, PATH: '/usr/bin:/bin', LANG: 'C.UTF-8', TERM: 'xterm', NO_COLOR: '1' };
  }

  #as(): readonly string[] {
    const env = Object.entries(this.#env()).map(([key, value]) => `${key}=${value}`);
    return ['runuser', '-u', ACCOUNT, '--', 'env', '-i', ...env];
  }
}

const settle = async (person: Person, knownHosts: string, key: string): Promise<void> => {
  const { host, principal } = person;
  const opt = join(host.rootDir, 'opt/mcp-pra');
  mkdirSync(opt, { recursive: true });
  for (const part of PARTS) cpSync(join(ROOT, part), join(opt, part), { recursive: true });
  cpSync(join(ROOT, 'node_modules/node/bin/node'), join(host.rootDir, 'usr/bin/node'));
  await host.sh(
    `useradd --create-home --shell /bin/sh ${ACCOUNT}; install -d -o ${ACCOUNT} -m 700 ${HOME}/.config/mcp-pra`,
  );
  const config = {
    version: 1,
    hosts: { [target.name]: { address: target.address } },
    keys: { reader: 'reader', runner: 'runner' },
    known_hosts: 'known_hosts',
    approver: { principal, key: 'approver' },
  };
  const { approver: _, ...server } = config;
  const dir = '.config/mcp-pra';
  await person.keep(`${dir}/mcp-pra.yaml`, JSON.stringify(config));
  await person.keep(`${dir}/server.yaml`, JSON.stringify(server));
  await person.keep(`${dir}/known_hosts`, knownHosts);
  await person.keep(`${dir}/approver`, readFileSync(key, 'utf8'));
  await person.keep(`${dir}/approver.pub`, readFileSync(`${key}.pub`, 'utf8'));
};

beforeAll(async () => {
  const policy = { quorum: { MEDIUM: 2, HIGH: 2 }, signer: { MEDIUM: 'software-key', HIGH: 'software-key' } };
  ({ lab, keys } = await provisionedLab(3, policy, undefined, { targets: 1, people: ['bob'] }));
  const [first, second, third] = lab.hosts as [LabHost, LabHost, LabHost];
  target = first;
  [alice, bob] = [new Person(second, 'alice'), new Person(third, 'bob')];
  const known = readFileSync(lab.knownHosts, 'utf8');
  await settle(alice, known, keys.approver);
  await settle(bob, known, keyOfPerson(keys, 'bob'));
  for (const account of ['reader', 'runner'] as const)
    await alice.keep(`.config/mcp-pra/${account}`, readFileSync(keys[account], 'utf8'));
}, 900_000);
afterAll(async () => await lab?.down());

/** The account asks, on alice's machine: neither of the approvers. */
const propose = async (): Promise<string> => {
  const proposed = await alice.cli(
    'propose',
    'restart_service',
    `unit=${DEMO_UNIT}`,
    '-H',
    target.name,
    '--impact',
    'MEDIUM',
    '-r',
    'it answers nothing',
    '--json',
    '--config',
    `${HOME}/.config/mcp-pra/server.yaml`,
  );
  expect(proposed.code, proposed.stderr).toBe(4);
  return (JSON.parse(proposed.stdout) as { id: string }).id;
};
const starts = async (): Promise<number> => Number(await target.sh(`wc -l <${COUNT}`));
/** What alice pastes: her block as a file of bob's machine. */
const handOver = async (id: string, change = (block: string): string => block): Promise<string> => {
  const exported = await alice.cli('ticket', 'export', id);
  expect(exported.code, exported.stderr).toBe(0);
  await bob.keep('ticket', `Bob, please look at this.\r\n${change(exported.stdout)}-- \nAlice\n`);
  return `${HOME}/ticket`;
};

test('two people on two machines: one approves, the other cosigns, and the host runs it with a receipt', async () => {
  const before = await starts();
  const id = await propose();
  const first = await alice.typed(['approve', id]);
  expect(first, first.screen).toMatchObject({ code: 4, missed: null });
  expect(first.screen).toContain('1 of 2 signatures, by alice');
  expect(await alice.cli('execute', id)).toMatchObject({
    code: 3,
    stderr: expect.stringContaining('NOT_APPROVED'),
  });

  const signed = await bob.typed(['cosign', await handOver(id), '--out', `${HOME}/answer`]);
  expect(signed, signed.screen).toMatchObject({ code: 0, missed: null });
  expect(signed.screen).toContain(DEMO_UNIT);
  expect(await starts()).toBe(before);

  await alice.keep('answer', await bob.host.readFile(`${HOME}/answer`));
  const done = await alice.cli('ticket', 'import', `${HOME}/answer`, '--run', '--json');
  expect(done.code, done.stdout + done.stderr).toBe(0);
  expect(JSON.parse(done.stdout)).toMatchObject({
    id,
    state: 'SUCCEEDED',
    signed_by: ['alice', 'bob'],
    receipt: { state: 'SUCCEEDED', host: target.name },
  });
  expect(await starts()).toBe(before + 1);
  const tail = await bob.cli('audit', 'tail', '--json');
  expect(tail.stdout).toContain('"code":"COSIGNED"');
  expect(await bob.cli('pending', '--all', '--json')).toMatchObject({
    code: 0,
    stdout: expect.not.stringContaining(id),
  });
});

test('bob signs nothing with another key of the host in his known_hosts, nor a changed byte; alice signs once, who asked never', async () => {
  const before = await starts();
  const id = await propose();
  expect((await alice.typed(['approve', id])).code).toBe(4);
  const twice = await alice.typed(['approve', id], false);
  expect(twice, twice.screen).toMatchObject({ code: 3, screen: expect.stringContaining('SIGNER_TWICE') });

  const file = await handOver(id);
  const known = `${HOME}/.config/mcp-pra/known_hosts`;
  const kept = await bob.host.readFile(known);
  const other = readFileSync(`${keys.stranger}.pub`, 'utf8').split(' ').slice(0, 2).join(' ');
  await bob.keep('.config/mcp-pra/known_hosts', `${target.name},${target.address} ${other}\n`);
  const strange = await bob.typed(['cosign', file], false);
  expect(strange, strange.screen).toMatchObject({
    code: 3,
    screen: expect.stringContaining('OFFER_INVALID'),
  });
  await bob.keep('.config/mcp-pra/known_hosts', kept);

  const spoilt = await handOver(id, (block) => {
    const lines = block.split('\n');
    // A letter in the middle becomes another one of the alphabet.
    const middle = Math.floor(lines.length / 2);
    return lines
      .map((line, n) => (n === middle ? line.replace(/^./u, (c) => (c === 'A' ? 'B' : 'A')) : line))
      .join('\n');
  });
  const changed = await bob.typed(['cosign', spoilt], false);
  expect([2, 3], changed.screen).toContain(changed.code);
  expect(changed.screen).not.toContain('assphrase');

  // Whoever asked, with any key: that name does not count where two are asked for.
  const yaml = JSON.parse(await bob.host.readFile(`${HOME}/.config/mcp-pra/mcp-pra.yaml`)) as object;
  const posing = { ...yaml, approver: { principal: ACCOUNT, key: 'approver' } };
  await bob.keep('.config/mcp-pra/posing.yaml', JSON.stringify(posing));
  const argv = ['cosign', await handOver(id), '--config', `${HOME}/.config/mcp-pra/posing.yaml`];
  const asked = await bob.typed(argv, false);
  expect(asked, asked.screen).toMatchObject({ code: 3, screen: expect.stringContaining('REQUESTER_SIGNED') });

  const denied = await alice.cli('deny', id, '--reason', 'not now', '--json');
  expect(JSON.parse(denied.stdout)).toMatchObject({ state: 'REVOKED', receipt: { state: 'NEVER_STARTED' } });
  expect(await starts()).toBe(before);
});
