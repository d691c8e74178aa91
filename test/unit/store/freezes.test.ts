import { afterEach, beforeEach, expect, test } from 'vitest';
import type { LedgerEntry } from '../../../src/request/ledger-entry.ts';
import type { LifecycleEvent } from '../../../src/request/lifecycle.ts';
import { newRequest, nthId, patchOf, requestIn, row, TempStore } from '../../support/store-fixture.ts';

let temp: TempStore;
beforeEach(async () => {
  temp = await TempStore.open();
});
afterEach(() => temp.dispose());

const FREEZE: LedgerEntry = { kind: 'decision', code: 'FREEZE', actor: 'alice/cli' };
const LIFT: LedgerEntry = { kind: 'decision', code: 'UNFREEZE_LOCAL', actor: 'alice/cli' };
let freezes = 0;
const freeze = (host?: string): string => {
  freezes += 1;
  const id = nthId(30_000 + freezes);
  temp.store.freezes.begin({ id, host, by: 'alice/cli', reason: 'somebody is in' }, FREEZE);
  return id;
};
/** Lifts all that stands, for these hosts or altogether. */
const lift = (...names: string[]): void => {
  const { freezes: table } = temp.store;
  const hosts = names.length === 0 ? ('all' as const) : names;
  const orders = table.orders().filter(({ host }) => hosts === 'all' || hosts.includes(host));
  table.lift(
    { hosts, freezes: table.standing().map(({ id }) => id), orders: orders.map(({ id }) => id) },
    LIFT,
  );
};
const SIGNED = { ticket: 'ticket', signatures: ['signature'] };
const step = (id: string, event: LifecycleEvent): unknown =>
  temp.store.transition(id, event, event === 'cosign' ? SIGNED : patchOf(event), row(id, event));
const FROZEN: unknown = expect.objectContaining({ code: 'FROZEN' });
const codeOf = (work: () => unknown): unknown => {
  try {
    work();
    return undefined;
  } catch (error) {
    return Reflect.get(Object(error), 'code');
  }
};

test.each([
  ['PENDING', 'approve'],
  ['PENDING', 'cosign'],
  ['PROPOSED', 'auto_approve'],
  ['APPROVED', 'dispatch'],
  ['AUTO_APPROVED', 'dispatch'],
] as const)('from %s, nothing of a frozen host may %s', (state, event) => {
  const id = nthId(1);
  requestIn(temp.store, id, state);
  freeze('web1');
  const rows = temp.store.tail(1_000).length;
  expect(() => step(id, event)).toThrow(FROZEN);
  expect([temp.store.find(id).state, temp.store.tail(1_000).length]).toEqual([state, rows]);
  lift('web1');
  expect(codeOf(() => step(id, event))).toBeUndefined();
});

test('saying no, ending and finding out go on while a host is frozen', () => {
  freeze();
  const ways = [
    ['PENDING', 'deny'],
    ['PENDING', 'withdraw'],
    ['APPROVED', 'unconfirm'],
    ['APPROVED', 'expire'],
    ['PROPOSED', 'ask'],
  ] as const;
  lift();
  ways.forEach(([state], at) => requestIn(temp.store, nthId(at), state));
  freeze();
  ways.forEach(([, event], at) => step(nthId(at), event));
  expect(temp.store.freezes.standing()).toHaveLength(1);
});

test('a freeze holds its own host, or every one, until that one is released', () => {
  const one = freeze('web1');
  expect(['web1', 'db1'].map((host) => temp.store.freezes.holding(host)?.id)).toEqual([one, undefined]);
  const all = freeze();
  expect(['web1', 'db1'].map((host) => temp.store.freezes.holding(host)?.id)).toEqual([one, all]);
  lift('web1');
  expect(['web1', 'db1'].map((host) => temp.store.freezes.holding(host)?.id)).toEqual([undefined, all]);
  expect(temp.store.freezes.standing().map(({ id, released }) => [id, released])).toEqual([[all, ['web1']]]);
  lift();
  expect(temp.store.freezes.holding('db1')).toBeUndefined();
  const again = freeze('web1');
  expect(temp.store.freezes.holding('web1')?.id).toBe(again);
});

test('another process sees a freeze at once, and it survives the end of the one that made it', async () => {
  const id = nthId(1);
  requestIn(temp.store, id, 'APPROVED');
  const other = await temp.another();
  other.freezes.begin({ id: nthId(9), host: undefined, by: 'bob/cli', reason: 'stop' }, FREEZE);
  other.close();
  expect(() => step(id, 'dispatch')).toThrow(FROZEN);
  await temp.reopen();
  expect(() => step(id, 'dispatch')).toThrow(FROZEN);
  expect(temp.store.freezes.holding('web1')).toMatchObject({ by: 'bob/cli', reason: 'stop' });
});

test('lifting a freeze, and looking at a break-glass session, are not held by it; the first releases its host', () => {
  freeze('web1');
  freeze();
  for (const [at, action] of (['review', 'unfreeze'] as const).entries()) {
    const id = nthId(at);
    temp.store.create(newRequest(id, { action }), row(id, 'PROPOSED'));
    for (const event of ['ask', 'approve', 'dispatch', 'accept'] as const) step(id, event);
    expect(temp.store.freezes.holding('web1')).toBeDefined();
    step(id, 'succeed');
    expect(temp.store.freezes.holding('web1') === undefined).toBe(action === 'unfreeze');
  }
  expect(temp.store.freezes.holding('db1')).toBeDefined();
});

test('an unfreeze lifts what stood when it was proposed: neither a freeze nor an order that came later', () => {
  const signed = (id: string): void =>
    temp.store.freezes.order(
      { id, host: 'web1', ticket: 't', signature: 's', principal: 'alice' },
      { ...FREEZE, request: id },
    );
  const stateOf = (id: string) => temp.store.freezes.orders().find((one) => one.id === id)?.state;
  freeze('web1');
  signed(nthId(20));
  const id = nthId(1);
  temp.store.create(newRequest(id, { action: 'unfreeze' }), row(id, 'PROPOSED'));
  for (const event of ['ask', 'approve', 'dispatch', 'accept', 'lose'] as const) step(id, event);
  const later = freeze('web1');
  signed(nthId(21));
  step(id, 'succeed');
  expect(temp.store.freezes.holding('web1')?.id).toBe(later);
  expect([stateOf(nthId(20)), stateOf(nthId(21))]).toEqual([undefined, 'WAITING']);
});

test('a freeze of every host ends when each configured one was released from it, and no other freeze with it', () => {
  const all = freeze();
  const { freezes: table } = temp.store;
  const standing = (): readonly string[] => table.standing().map((one) => one.id);
  const end = (...hosts: string[]): void => table.endReleased(hosts, LIFT);
  end('web1', 'db1');
  lift('web1');
  const again = freeze('web1');
  const rows = temp.store.tail(1_000).length;
  end('web1', 'db1');
  end();
  expect([standing(), temp.store.tail(1_000).length]).toEqual([[all, again], rows]);
  lift('db1');
  table.order({ id: nthId(22), host: 'app1', ticket: 't', signature: 's', principal: 'alice' }, FREEZE);
  end('web1', 'db1');
  expect(standing()).toEqual([again]);
  expect(table.orders()[0]?.state).toBe('WAITING');
  expect(table.holding('app1')).toBeUndefined();
});

test('an unfreeze that failed releases nothing', () => {
  freeze('web1');
  const id = nthId(1);
  temp.store.create(newRequest(id, { action: 'unfreeze' }), row(id, 'PROPOSED'));
  for (const event of ['ask', 'approve', 'dispatch', 'accept', 'fail'] as const) step(id, event);
  expect(temp.store.freezes.holding('web1')).toBeDefined();
});

test('with an SQL prompt too, a frozen host gets nothing, and no freeze is taken back', () => {
  const id = nthId(1);
  requestIn(temp.store, id, 'APPROVED');
  freeze('web1');
  const raw = temp.raw();
  const last = temp.store.append(row(id)).seq;
  const update = `UPDATE requests SET state = 'DISPATCHING', ledger_seq = ${String(last)} WHERE id = '${id}'`;
  expect(() => raw.exec(update)).toThrow('frozen on this machine');
  for (const sql of ['DELETE FROM freezes', "UPDATE freezes SET host = 'other'"])
    expect(() => raw.exec(sql)).toThrow(/kept|does not change/u);
  raw.close();
});

test('an order waits until its host has answered, once; releasing the host withdraws it', () => {
  const order = (n: number, host: string): string => {
    const id = nthId(n);
    temp.store.freezes.order({ id, host, ticket: 't', signature: 's', principal: 'alice' }, FREEZE);
    return id;
  };
  const shown = (): unknown =>
    temp.store.freezes.orders().map(({ id, host, state, code }) => [id, host, state, code]);
  const [one, two, three] = [order(1, 'web1'), order(2, 'db1'), order(3, 'app1')];
  const receipt = { text: 'r', signature: 's' };
  temp.store.freezes.settle(one, { state: 'CONFIRMED', code: undefined, receipt }, FREEZE);
  temp.store.freezes.settle(two, { state: 'WAITING', code: 'UNREACHABLE', receipt: undefined }, undefined);
  const rows = temp.store.tail(1_000).length;
  temp.store.freezes.settle(one, { state: 'REFUSED', code: 'X', receipt: undefined }, FREEZE);
  expect(temp.store.tail(1_000)).toHaveLength(rows);
  expect(shown()).toEqual([
    [one, 'web1', 'CONFIRMED', undefined],
    [two, 'db1', 'WAITING', 'UNREACHABLE'],
    [three, 'app1', 'WAITING', undefined],
  ]);
  lift('db1');
  expect(temp.store.freezes.orders().find(({ id }) => id === two)).toMatchObject({ state: 'WITHDRAWN' });
  lift();
  expect(temp.store.freezes.orders().find(({ id }) => id === three)).toMatchObject({ state: 'WITHDRAWN' });
  const raw = temp.raw();
  expect(() => raw.exec(`UPDATE freeze_orders SET state = 'WAITING' WHERE id = '${one}'`)).toThrow(
    'does not change',
  );
  expect(() => raw.exec('DELETE FROM freeze_orders')).toThrow('kept');
  raw.close();
});

test('lifting lifts the freezes and orders that it names, for the hosts that it names, and no other', () => {
  const { freezes: table } = temp.store;
  const order = (n: number, host: string): string => {
    const id = nthId(n);
    table.order({ id, host, ticket: 't', signature: 's', principal: 'alice' }, FREEZE);
    return id;
  };
  const [all, one, later] = [freeze(), freeze('web1'), freeze('web1')];
  const [sent, kept] = [order(1, 'web1'), order(2, 'db1')];
  const held = (): unknown =>
    ['web1', 'db1'].map((host) =>
      table
        .standing()
        .flatMap((each) => ((each.host ?? host) === host && !each.released.includes(host) ? [each.id] : [])),
    );
  table.lift({ hosts: ['web1'], freezes: [all, one], orders: [sent] }, LIFT);
  expect(held()).toEqual([[later], [all]]);
  expect(table.orders().map(({ id, state }) => [id, state])).toEqual([
    [sent, 'WITHDRAWN'],
    [kept, 'WAITING'],
  ]);
  table.lift({ hosts: 'all', freezes: [all], orders: [] }, LIFT);
  expect(held()).toEqual([[later], []]);
  // What is lifted already, or never was, changes nothing.
  table.lift({ hosts: ['web1', 'db1'], freezes: [all, nthId(7)], orders: [nthId(8)] }, LIFT);
  expect(held()).toEqual([[later], []]);
});

test('of a host is shown what its newest order came to, unless it was not needed, or its freeze was lifted since', () => {
  const { freezes: table } = temp.store;
  const signed = (n: number, state: 'CONFIRMED' | 'WITHDRAWN' | 'REFUSED', code?: string): string => {
    const id = nthId(n);
    const entry = { ...FREEZE, request: id };
    table.order({ id, host: 'web1', ticket: 't', signature: 's', principal: 'alice' }, entry);
    const receipt = state === 'CONFIRMED' ? { text: 'r', signature: 's' } : undefined;
    table.settle(id, { state, code, receipt }, entry);
    return id;
  };
  const shown = (): unknown => table.orders().map(({ id }) => id);
  const unfreeze = (n: number, ...events: readonly LifecycleEvent[]): void => {
    temp.store.create(newRequest(nthId(n), { action: 'unfreeze' }), row(nthId(n), 'PROPOSED'));
    for (const event of events) step(nthId(n), event);
  };
  const first = signed(1, 'CONFIRMED');
  signed(2, 'WITHDRAWN', 'SPARE');
  expect(shown()).toEqual([first]);
  unfreeze(40, 'ask', 'approve', 'dispatch', 'accept', 'fail');
  expect(shown()).toEqual([first]);
  unfreeze(41, 'ask', 'approve', 'dispatch', 'accept', 'succeed');
  expect(shown()).toEqual([]);
  expect([signed(3, 'REFUSED', 'SIGNER_REVOKED')]).toEqual(shown());
  expect([signed(4, 'CONFIRMED')]).toEqual(shown());
});
