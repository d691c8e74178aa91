import { expect, test } from 'vitest';
import type { ContextRule } from '../../src/request/context-rules.ts';
import { sessionSource } from '../../src/request/session-source.ts';
import { MODEL, PERSON, type TestDesk, type TestDeskOptions } from '../support/desk-on-target.ts';
import { movableClock, useDesks } from '../support/desks.ts';

// Rules of the operator's side (policy.rules), from the proposal to the run, against a target that would allow it.

const desks = useDesks();

const under = async (
  rules: readonly ContextRule[],
  over: Partial<TestDeskOptions> = {},
): Promise<TestDesk> => {
  const operator = { denyActions: [], raise: {}, autoApprove: true, rules };
  return desks.open({ operator, ...over });
};
const propose = ({ desk }: TestDesk, action = 'restart_demo', caller = MODEL) =>
  desk.propose(caller, { action, host: desks.target.name, args: {}, reason: 'A test.', autoApprove: true });

const raise = (name: string, impact: 'MEDIUM' | 'HIGH', when: ContextRule['when'] = {}): ContextRule => ({
  name,
  when,
  effect: { kind: 'raise', impact },
});
const refuse = (name: string, when: ContextRule['when'] = {}): ContextRule => ({
  name,
  when,
  effect: { kind: 'refuse', sentence: 'Gel: demandez à Zoé.' },
});
const soon = (ms: number): { readonly from: string } => ({ from: new Date(Date.now() + ms).toISOString() });

test('a raised LOW is not automatic, and view, sheet, ticket and ledger say so', async () => {
  const it = await under([
    raise('ops', 'HIGH', { clients: ['cli'] }),
    raise('models', 'MEDIUM', { channels: ['mcp'] }),
  ]);
  const view = await propose(it);
  expect(view).toMatchObject({ state: 'PENDING', impact: 'MEDIUM' });
  expect(view.rule).toMatch(/^rules of this machine: models \(MEDIUM\); of the host: /u);
  const sheet = await it.desk.sheet(view.id);
  expect(sheet.rules).toBe('models (MEDIUM)');
  expect(sheet.namespace).toBe('mcp-pra-medium');
  expect(sheet.ticket).toContain('\nimpact MEDIUM\n');
  const prepared = it.ledger().find(({ code }) => code === 'PREPARE');
  expect(prepared?.detail).toMatchObject({ impact: 'MEDIUM', rules: 'models (MEDIUM)' });
  await it.approve(view.id);
  expect(await it.desk.execute(MODEL, view.id, { waitMs: 20_000 })).toMatchObject({ state: 'SUCCEEDED' });
  // The same rules, and nobody they are about.
  const free = await under([raise('others', 'HIGH', { clients: ['somebody-else'] })]);
  expect(await propose(free)).toMatchObject({ impact: 'LOW', decided_by: 'auto' });
});

test('a refusal names its rule to whoever asks, and asks the host nothing', async () => {
  const it = await under([refuse('freeze'), refuse('freeze-too')]);
  const refusal = await propose(it).catch((error: unknown) => error);
  expect(refusal).toMatchObject({
    code: 'RULE_REFUSED',
    exit: 3,
    message: `A rule of this machine refuses restart_demo on ${desks.target.name} now: freeze, freeze-too.`,
  });
  // The sentence is the operator's: not ours, and not for a model.
  expect(JSON.stringify([String(refusal), it.ledger()])).not.toContain('Zoé');
  expect(it.ledger().map(({ kind, code, detail }) => [kind, code, detail?.['rules']])).toEqual([
    ['refusal', 'RULE_REFUSED', 'freeze, freeze-too'],
  ]);
  expect(it.store.list()).toEqual([]);
});

test('a freeze that begins in between stops the reading, the signature and the run', async () => {
  const clock = movableClock();
  const it = await under([refuse('freeze', { during: soon(60_000) })], { clock });
  const rotations = desks.target.demo.rotations();
  const [unread, read, approved] = [
    await propose(it, 'rotate_demo'),
    await propose(it, 'rotate_demo'),
    await propose(it, 'rotate_demo'),
  ];
  const sheet = await it.desk.sheet(read.id);
  await it.approve(approved.id);
  clock.ahead = 61_000;
  const frozen = { code: 'RULE_REFUSED' };
  await expect(it.desk.sheet(unread.id)).rejects.toMatchObject(frozen);
  expect(() => it.desk.approve(PERSON, sheet, { principal: 'operator', signature: 'AAAA' })).toThrow(
    expect.objectContaining(frozen),
  );
  await expect(it.desk.execute(MODEL, approved.id)).rejects.toMatchObject(frozen);
  expect(it.store.find(read.id).state).toBe('PENDING');
  expect(it.store.find(approved.id).state).toBe('APPROVED');
  expect(desks.target.demo.rotations()).toBe(rotations);
  // What takes power away needs none of the rules.
  expect((await it.desk.deny(PERSON, unread.id, '')).state).toBe('DENIED');
  expect((await it.desk.withdraw(MODEL, approved.id)).state).toBe('REVOKED');
});

test('what would have to be asked for at a higher impact by now is not signed and not run', async () => {
  const clock = movableClock();
  const it = await under([raise('night', 'HIGH', { during: soon(60_000) })], { clock });
  const [pending, approved] = [await propose(it, 'rotate_demo'), await propose(it, 'rotate_demo')];
  await it.approve(approved.id);
  clock.ahead = 61_000;
  const refusal = await it.desk.sheet(pending.id).catch((error: unknown) => error);
  expect(refusal).toMatchObject({
    code: 'RULE_RAISED',
    message: `The request ${pending.id} was made at MEDIUM; rules of this machine ask for HIGH now: night (HIGH).`,
    hint: expect.stringContaining('--impact HIGH'),
  });
  await expect(it.desk.execute(MODEL, approved.id)).rejects.toMatchObject({ code: 'RULE_RAISED' });
  expect(await propose(it, 'rotate_demo')).toMatchObject({ impact: 'HIGH', state: 'PENDING' });
  // So does an impact that the configuration raises for everybody.
  const raised = await under([], {
    operator: { denyActions: [], raise: { rotate_demo: 'HIGH' }, autoApprove: true, rules: [] },
  });
  await expect(raised.desk.sheet(pending.id)).rejects.toMatchObject({
    code: 'RULE_RAISED',
    values: { rules: 'policy.raise' },
  });
});

test('the network that counts is that of who acts now; the client is that of who asked', async () => {
  const rules = [
    refuse('office', { not_from: ['local', '192.0.2.0/24'] }),
    raise('models', 'HIGH', { channels: ['mcp'] }),
  ];
  const at = (connection?: string) => under(rules, { source: sessionSource({ SSH_CONNECTION: connection }) });
  const laptop = await at();
  const office = await at('192.0.2.7 1 192.0.2.1 22');
  const cafe = await at('198.51.100.7 1 192.0.2.1 22');
  await expect(propose(cafe)).rejects.toMatchObject({ code: 'RULE_REFUSED' });
  const asked = await propose(laptop, 'rotate_demo', PERSON);
  expect(asked).toMatchObject({ impact: 'MEDIUM' });
  await expect(cafe.desk.sheet(asked.id)).rejects.toMatchObject({ code: 'RULE_REFUSED' });
  // A person asked: the rule about models does not come in with the model that runs it.
  await office.approve(asked.id);
  await expect(cafe.desk.execute(MODEL, asked.id)).rejects.toMatchObject({ code: 'RULE_REFUSED' });
  expect(await office.desk.execute(MODEL, asked.id, { waitMs: 20_000 })).toMatchObject({
    state: 'SUCCEEDED',
  });
  // A process that was not told where it is from is from nowhere.
  await expect(propose(await under(rules), 'rotate_demo')).rejects.toMatchObject({ code: 'RULE_REFUSED' });
});
