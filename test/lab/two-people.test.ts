import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { approveHighSteps } from '../support/operator.ts';
import type { Lab, LabHost } from './lab.ts';
import { HOME, Person, settle } from './person.ts';
import { DEMO_UNIT, keyOfPerson, PASSPHRASE, provisionedLab, type LabKeys } from './provisioned.ts';

// What takes a second person: h1 and h2 are targets that ask for two people, alice has a machine (h3), bob another one (h4), which connects
// to nothing until he reviews. The stop button and back, with a host that is away both times; and what alice does alone by breaking glass.

let lab: Lab;
let keys: LabKeys;
let targets: readonly [LabHost, LabHost];
let alice: Person;
let bob: Person;
/** Recovery codes that were not used yet: each stands for one code of their authenticator, which has a new one every half minute only. */
const codes = new Map<Person, string[]>();
const codeOf = (person: Person): string => codes.get(person)?.pop() ?? '';

const passphrase = { expect: '[Pp]assphrase', send: `${PASSPHRASE}\n` };

const enrol = async (person: Person): Promise<void> => {
  const { code, screen } = await person.typed(
    ['approver', 'enrol'],
    [
      passphrase,
      {
        expect: 'code that it shows now',
        secret: 'time-based, 6 digits\\):\\s+((?:[A-Z2-7]{4} ?){8})',
        send: '{code}\n',
      },
      { expect: 'Written down', send: '\n' },
    ],
  );
  expect(code, screen).toBe(0);
  codes.set(person, screen.match(/[a-z2-7]{4}(?:-[a-z2-7]{4}){3}/gu) ?? []);
};

/** Gives their machine the keys of the transport accounts. */
const connect = async (person: Person): Promise<void> => {
  for (const account of ['reader', 'runner'] as const)
    await person.keep(`.config/mcp-pra/${account}`, readFileSync(keys[account], 'utf8'));
};

beforeAll(async () => {
  const policy = {
    quorum: { MEDIUM: 2, HIGH: 2 },
    signer: { MEDIUM: 'software-key', HIGH: 'software-key' },
    break_glass: { principals: ['alice'], actions: ['restart_service'] },
  };
  const made = await provisionedLab(4, policy, undefined, { targets: 2, people: ['bob'] });
  lab = made.lab;
  ({ keys } = made);
  const [first, second, third, fourth] = lab.hosts as [LabHost, LabHost, LabHost, LabHost];
  targets = [first, second];
  [alice, bob] = [new Person(third, 'alice'), new Person(fourth, 'bob')];
  const knownHosts = readFileSync(lab.knownHosts, 'utf8');
  await settle(alice, { targets, knownHosts, key: keys.approver });
  await settle(bob, { targets, knownHosts, key: keyOfPerson(keys, 'bob') });
  await connect(alice);
  await enrol(alice);
  await enrol(bob);
}, 900_000);
afterAll(async () => await lab?.down());

const isFrozen = async (host: LabHost): Promise<boolean> =>
  (await host.run(['test', '-e', '/etc/mcp-pra/frozen'])).code === 0;
const frozen = (): Promise<readonly boolean[]> => Promise.all(targets.map(isFrozen));
const status = async (): Promise<unknown> =>
  JSON.parse((await alice.cli('freeze', '--status', '--json')).stdout);
/** Alice asks, and signs for these hosts; the requests. */
const lift = async (which: readonly string[], signs: readonly LabHost[]) => {
  const steps = signs.flatMap(({ name }) => approveHighSteps(name, PASSPHRASE, codeOf(alice)));
  const done = await alice.typed(['unfreeze', ...which, '-r', 'it was a false alarm'], steps);
  expect(done.missed, done.screen).toBeNull();
  const ids = [...done.screen.matchAll(/Who may signs it with:\s+mcp-pra approve\s+([a-z2-7]{16})/gu)];
  return { ...done, ids: ids.map(([, id = '']) => id) };
};
/** Bob signs on his machine what alice sends him, and alice takes it in: it runs. */
const cosign = async (id: string, host: LabHost): Promise<unknown> => {
  const exported = await alice.cli('ticket', 'export', id);
  expect(exported.code, exported.stderr).toBe(0);
  await bob.keep(`ticket-${id}`, exported.stdout);
  const signed = await bob.typed(
    ['cosign', `${HOME}/ticket-${id}`, '--out', `${HOME}/answer-${id}`],
    approveHighSteps(host.name, PASSPHRASE, codeOf(bob)),
  );
  expect(signed, signed.screen).toMatchObject({ code: 0, missed: null });
  await alice.keep(`answer-${id}`, await bob.host.readFile(`${HOME}/answer-${id}`));
  const done = await alice.cli('ticket', 'import', `${HOME}/answer-${id}`, '--run', '--json');
  expect(done.code, done.stdout + done.stderr).toBe(0);
  return JSON.parse(done.stdout);
};

test('two hosts are frozen by one command, the one that was away by the next round, and freed by two people on two machines', async () => {
  const [first, second] = targets;
  await second.link(false);
  const froze = await alice.typed(['freeze', '--all', '-r', 'somebody is in'], [passphrase]);
  expect(froze, froze.screen).toMatchObject({ code: 5, missed: null });
  expect(froze.screen).toContain(`${first.name}: frozen, signed by the host`);
  expect(froze.screen).toContain(`${second.name}: NOT REACHED`);
  expect(await frozen()).toEqual([true, false]);
  await second.link(true);
  const again = await alice.cli('freeze', '--retry');
  expect(again.code, again.stdout + again.stderr).toBe(0);
  expect(await frozen()).toEqual([true, true]);

  await second.link(false);
  const part = await lift(['--all'], [first]);
  expect(part.code, part.screen).toBe(5);
  expect(part.screen).toContain(`${second.name}: NOT ASKED`);
  expect(part.ids).toHaveLength(1);
  expect(await cosign(String(part.ids[0]), first)).toMatchObject({
    state: 'SUCCEEDED',
    host: first.name,
    requester: 'alice/cli',
    signed_by: ['alice', 'bob'],
  });
  await second.link(true);
  expect(await frozen()).toEqual([false, true]);
  expect(await status()).toMatchObject({ freezes: [{ released: [first.name] }] });

  const rest = await lift(['--host', second.name], [second]);
  expect(rest.code, rest.screen).toBe(4);
  expect(await cosign(String(rest.ids[0]), second)).toMatchObject({ state: 'SUCCEEDED', host: second.name });
  expect(await frozen()).toEqual([false, false]);
  expect(await status()).toEqual({ freezes: [], orders: [] });
  // Bob has never been anywhere.
  const row = expect.objectContaining({ code: 'COSIGNED' });
  const rows = (await bob.cli('audit', 'tail', '--json')).stdout.trim().split('\n');
  expect(rows.map((line): unknown => JSON.parse(line))).toContainEqual(row);
});

test('alice breaks glass alone on a host that asks for two, and only what bob signs lets another incident begin', async () => {
  const [host] = targets;
  const starts = async () => Number(await host.sh(`wc -l </run/${DEMO_UNIT.replace('.service', '.starts')}`));
  const propose = async (): Promise<string> => {
    const argv = ['propose', 'restart_service', `unit=${DEMO_UNIT}`, '-H', host.name, '--impact', 'MEDIUM'];
    const proposed = await alice.cli(...argv, '-r', 'it answers nothing', '--json');
    expect(proposed.code, proposed.stderr).toBe(4);
    return (JSON.parse(proposed.stdout) as { id: string }).id;
  };
  const why = { expect: 'cannot wait', send: 'nobody else answers the phone\n' };
  const high = (person: Person) => approveHighSteps(host.name, PASSPHRASE, codeOf(person));
  const review = (person: Person) =>
    person.typed(['review', 'inc-1', '-H', host.name, '-r', 'seen'], high(person));

  const before = await starts();
  const first = await alice.typed(
    ['approve', await propose(), '--break-glass', 'inc-1'],
    [why, ...high(alice)],
  );
  expect(first, first.screen).toMatchObject({ code: 0, missed: null });
  expect(first.screen).toContain('SUCCEEDED');
  expect(await starts()).toBe(before + 1);
  const records = await host.sh('journalctl --quiet --no-pager --priority=alert --identifier=pra-run');
  expect(records).toContain('incident=inc-1');

  const next = await propose();
  const other = await alice.typed(['approve', next, '--break-glass', 'inc-2'], [why]);
  expect(other, other.screen).toMatchObject({
    code: 3,
    screen: expect.stringContaining('BREAK_GLASS_REVIEW'),
  });
  const own = await review(alice);
  expect(own, own.screen).toMatchObject({ code: 3, screen: expect.stringContaining('REVIEWER_OPENED') });

  await connect(bob);
  const reviewed = await review(bob);
  expect(reviewed, reviewed.screen).toMatchObject({ code: 0, missed: null });
  const second = await alice.typed(['approve', next, '--break-glass', 'inc-2'], [why, ...high(alice)]);
  expect(second, second.screen).toMatchObject({ code: 0, missed: null });
  expect(await starts()).toBe(before + 2);
});
