import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemClock } from '../../../src/app/system-clock.ts';
import { PraError } from '../../../src/errors.ts';
import type { Store } from '../../../src/request/ports.ts';
import { openStore } from '../../../src/store/open.ts';
import { newRequest, nthId, row, START } from '../../support/store-fixture.ts';

// Deadlines go by the time since boot; the wall clock is anybody's to step.

const ID = nthId(1);
let parent: string;
let clock: { wall: number; boot: string; up: number };
let opened: Store[];
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'mcp-pra-steady-'));
  clock = { wall: START, boot: 'boot-1', up: 50_000 };
  opened = [];
});
afterEach(() => {
  for (const store of opened) store.close();
  rmSync(parent, { recursive: true });
});

const open = async (): Promise<Store> => {
  const boot = () => ({ id: clock.boot, ms: clock.up });
  const store = await openStore({ dir: join(parent, 'state'), clock: { now: () => clock.wall, boot } });
  opened.push(store);
  return store;
};
/** A pending request, filed now. */
const pending = (store: Store, id: string): void => {
  const decideBy = store.time() + 300_000;
  store.create(newRequest(id, { createdAt: clock.wall, offeredAt: store.time(), decideBy }), row(id));
  store.transition(id, 'ask', {}, row(id));
};
const approve = (store: Store, id: string) => () => store.transition(id, 'approve', {}, row(id));
/** The state after a change, or the code of its refusal. */
const comesTo = (change: () => { readonly state: string }): string => {
  try {
    return change().state;
  } catch (error) {
    if (error instanceof PraError) return error.code;
    throw error;
  }
};
const expired = expect.objectContaining({ code: 'REQUEST_EXPIRED' });

test('no step of the wall clock, whenever and however often, moves a deadline', async () => {
  const store = await open();
  let n = 10;
  const step = fc.integer({ min: -1e12, max: 1e12 });
  const lives = fc.array(fc.tuple(fc.integer({ min: 0, max: 120_000 }), step), { maxLength: 6 });
  fc.assert(
    fc.property(lives, (lived) => {
      const id = nthId((n += 1));
      pending(store, id);
      let age = 0;
      for (const [ms, by] of lived) {
        clock.up += ms;
        clock.wall = Math.max(0, START + by);
        age += ms;
      }
      expect(comesTo(approve(store, id))).toBe(age <= 300_000 ? 'APPROVED' : 'REQUEST_EXPIRED');
      clock.wall = START;
    }),
    { numRuns: 60 },
  );
});

test('an approval lasts as long as it lasts, to the millisecond, whatever the wall clock says', async () => {
  const store = await open();
  pending(store, ID);
  pending(store, nthId(2));
  approve(store, ID)();
  approve(store, nthId(2))();
  clock.wall -= 86_400_000;
  clock.up += 300_000;
  expect(store.transition(ID, 'dispatch', {}, row(ID)).state).toBe('DISPATCHING');
  clock.up += 1;
  const late = () => store.transition(nthId(2), 'dispatch', {}, row(nthId(2)));
  expect(late).toThrow(expired);
});

test('all processes of one boot have the same time, also one that starts after the clock was stepped', async () => {
  const first = await open();
  clock.wall += 3_600_000;
  const second = await open();
  expect(second.time()).toBe(first.time());
  pending(first, ID);
  expect(approve(second, ID)().state).toBe('APPROVED');
});

test('after a reboot it goes on with the wall clock, and never back', async () => {
  const first = await open();
  pending(first, ID);
  const before = first.time();
  // Down for a minute, up for ten seconds, and the battery of the clock is dead.
  clock = { wall: 0, boot: 'boot-2', up: 10_000 };
  const second = await open();
  expect(second.time()).toBe(before + 10_000);
  expect(second.find(ID).state).toBe('PENDING');
  // With a clock that is right, the minute counts.
  clock = { wall: START + 400_000, boot: 'boot-3', up: 10_000 };
  const third = await open();
  expect(third.find(ID).state).toBe('EXPIRED');
});

test('where the time since boot begins anew within a boot, it goes on with the wall clock, and never back', async () => {
  const first = await open();
  clock.up = 2_000_000;
  clock.wall = START + 1_950_000;
  pending(first, ID);
  const filed = first.time();
  // Another first process, or none that can be seen: the container was restarted a minute ago, two minutes after the request.
  for (const [n, boot] of ['boot-1', 'boot-1 77'].entries()) {
    clock = { wall: START + 1_950_000 + 120_000 + n, boot, up: 60_000 };
    const second = await open();
    expect(second.time()).toBe(filed + 120_000 + n);
    expect(second.find(ID).state).toBe('PENDING');
  }
  // With a dead clock it stays where it was.
  clock = { wall: 0, boot: 'boot-1 78', up: 5_000 };
  expect((await open()).time()).toBe(filed + 120_001);
  clock = { wall: START + 1_950_000 + 301_000, boot: 'boot-1 79', up: 1_000 };
  expect((await open()).find(ID).state).toBe('EXPIRED');
});

test('what nobody decided while no process ran is closed by the next one that opens the database, with its row', async () => {
  const first = await open();
  pending(first, ID);
  first.close();
  opened = [];
  clock.up += 300_001;
  const second = await open();
  expect(second.find(ID).state).toBe('EXPIRED');
  expect(second.tail(1)[0]).toMatchObject({ kind: 'expiry', request: ID, detail: { from: 'PENDING' } });
  second.verifyLedger();
});

test('the first of several signatures gives the others 15 minutes, once', async () => {
  const store = await open();
  pending(store, ID);
  clock.up += 200_000;
  const sign = (signatures: string[]) =>
    store.transition(ID, 'cosign', { ticket: 't', signatures }, row(ID)).decideBy;
  const until = store.time() + 900_000;
  expect(sign(['YQ=='])).toBe(until);
  clock.up += 600_000;
  expect(sign(['YQ==', 'Yg=='])).toBe(until);
  expect(() => sign(['YQ=='])).toThrow(expect.objectContaining({ code: 'SIGNED_MEANWHILE' }));
  clock.up += 300_001;
  expect(() => sign(['YQ==', 'Yg==', 'Yw=='])).toThrow(expired);
});

test('a revocation that the host has not confirmed is open as long as the host could take the ticket', async () => {
  const store = await open();
  for (const [id, count, ms] of [
    [nthId(1), '1', 480_000],
    [nthId(2), '2', 1_200_000],
  ] as const) {
    pending(store, id);
    const offered = store.time();
    const offer = {
      text: `mcp-pra offer v1\nrequires ${count} mcp-pra-high software-key\n`,
      signature: 'c2ln',
    };
    store.transition(id, 'approve', { offer }, row(id));
    expect(store.transition(id, 'unconfirm', {}, row(id)).executeBy).toBe(offered + ms);
  }
  expect(() => store.transition(nthId(1), 'revoke', {}, row(nthId(1)))).toThrow(
    expect.objectContaining({ code: 'STORE_BROKEN' }),
  );
  clock.up += 480_001;
  expect(store.expireDue()).toBe(1);
  expect([nthId(1), nthId(2)].map((id) => store.find(id).state)).toEqual(['EXPIRED', 'REVOKE_UNCONFIRMED']);
});

test('this machine has a time since boot', () => {
  const before = systemClock.boot?.();
  expect(before?.id).toMatch(/^[0-9a-f-]{36} \d+$/u);
  expect(systemClock.boot?.()?.ms).toBeGreaterThanOrEqual(before?.ms ?? Infinity);
});
