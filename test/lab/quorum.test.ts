import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { approveSteps } from '../support/operator.ts';
import type { Lab, LabHost } from './lab.ts';
import { ACCOUNT, HOME, Person, settle } from './person.ts';
import { DEMO_UNIT, keyOfPerson, PASSPHRASE, provisionedLab, type LabKeys } from './provisioned.ts';

// Two approvers with a machine each: alice on h2, bob on h3, and h1 is the target, which asks for two. Between the machines goes
// what people would paste into a chat. Bob's machine has no key of the transport accounts and connects to nothing.

const COUNT = `/run/${DEMO_UNIT.replace('.service', '.starts')}`;
const YES = approveSteps(PASSPHRASE);

let lab: Lab;
let keys: LabKeys;
let target: LabHost;
let alice: Person;
let bob: Person;

beforeAll(async () => {
  const policy = { quorum: { MEDIUM: 2, HIGH: 2 }, signer: { MEDIUM: 'software-key', HIGH: 'software-key' } };
  ({ lab, keys } = await provisionedLab(3, policy, undefined, { targets: 1, people: ['bob'] }));
  const [first, second, third] = lab.hosts as [LabHost, LabHost, LabHost];
  target = first;
  [alice, bob] = [new Person(second, 'alice'), new Person(third, 'bob')];
  const knownHosts = readFileSync(lab.knownHosts, 'utf8');
  await settle(alice, { targets: [target], knownHosts, key: keys.approver });
  await settle(bob, { targets: [target], knownHosts, key: keyOfPerson(keys, 'bob') });
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
  const first = await alice.typed(['approve', id], YES);
  expect(first, first.screen).toMatchObject({ code: 4, missed: null });
  expect(first.screen).toContain('1 of 2 signatures, by alice');
  expect(await alice.cli('execute', id)).toMatchObject({
    code: 3,
    stderr: expect.stringContaining('NOT_APPROVED'),
  });

  const signed = await bob.typed(['cosign', await handOver(id), '--out', `${HOME}/answer`], YES);
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
  expect((await alice.typed(['approve', id], YES)).code).toBe(4);
  const twice = await alice.typed(['approve', id], []);
  expect(twice, twice.screen).toMatchObject({ code: 3, screen: expect.stringContaining('SIGNER_TWICE') });

  const file = await handOver(id);
  const known = `${HOME}/.config/mcp-pra/known_hosts`;
  const kept = await bob.host.readFile(known);
  const other = readFileSync(`${keys.stranger}.pub`, 'utf8').split(' ').slice(0, 2).join(' ');
  await bob.keep('.config/mcp-pra/known_hosts', `${target.name},${target.address} ${other}\n`);
  const strange = await bob.typed(['cosign', file], []);
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
  const changed = await bob.typed(['cosign', spoilt], []);
  expect([2, 3], changed.screen).toContain(changed.code);
  expect(changed.screen).not.toContain('assphrase');

  // Whoever asked, with any key: that name does not count where two are asked for.
  const yaml = JSON.parse(await bob.host.readFile(`${HOME}/.config/mcp-pra/mcp-pra.yaml`)) as object;
  const posing = { ...yaml, approver: { principal: ACCOUNT, key: 'approver' } };
  await bob.keep('.config/mcp-pra/posing.yaml', JSON.stringify(posing));
  const argv = ['cosign', await handOver(id), '--config', `${HOME}/.config/mcp-pra/posing.yaml`];
  const asked = await bob.typed(argv, []);
  expect(asked, asked.screen).toMatchObject({ code: 3, screen: expect.stringContaining('REQUESTER_SIGNED') });

  const denied = await alice.cli('deny', id, '--reason', 'not now', '--json');
  expect(JSON.parse(denied.stdout)).toMatchObject({ state: 'REVOKED', receipt: { state: 'NEVER_STARTED' } });
  expect(await starts()).toBe(before);
});
