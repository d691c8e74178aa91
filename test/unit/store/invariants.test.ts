import * as fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { PraError } from '../../../src/errors.ts';
import { hasLapsed } from '../../../src/request/ending.ts';
import { isTerminal, next, TRANSITIONS, type LifecycleEvent } from '../../../src/request/lifecycle.ts';
import type { RequestPatch } from '../../../src/request/ports.ts';
import type { State, StoredRequest } from '../../../src/request/types.ts';
import { newRequest, nthId, patchOf, row, TempStore } from '../../support/store-fixture.ts';

// What the store promises of any request, whatever commands come in whatever order at whatever time.

let temp: TempStore;
beforeEach(async () => {
  temp = await TempStore.open();
});
afterEach(() => temp.dispose());

const EVENTS = [
  ...new Set(Object.values(TRANSITIONS).flatMap((events) => Object.keys(events))),
] as LifecycleEvent[];
const NEEDS_TIME: readonly LifecycleEvent[] = ['cosign', 'approve', 'deny', 'auto_approve', 'dispatch'];
const SIGNS: readonly LifecycleEvent[] = ['cosign', 'approve'];

/** What a caller does with the signatures that it has read: adds its own, or what none of ours does. */
const HOW = ['adds', 'adds', 'adds', 'loses one', 'changes one', 'changes the ticket'] as const;

type Step =
  | { readonly kind: 'event'; readonly event: LifecycleEvent; readonly how: (typeof HOW)[number] }
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'close what is due' }
  | { readonly kind: 'reopen' };

// Often what leads somewhere, at times anything.
const event = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.constantFrom<LifecycleEvent>('ask', 'cosign', 'approve', 'dispatch', 'accept', 'unconfirm'),
  },
  { weight: 2, arbitrary: fc.constantFrom(...EVENTS) },
);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({ kind: fc.constant('event' as const), event, how: fc.constantFrom(...HOW) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('wait' as const),
      ms: fc.constantFrom(1, 1_000, 120_000, 299_999, 300_000, 300_001, 480_000, 900_000, 1_200_001),
    }),
  },
  { weight: 1, arbitrary: fc.constantFrom<Step>({ kind: 'close what is due' }, { kind: 'reopen' }) },
);

let signature = 0;
const patchFor = (request: StoredRequest, how: (typeof HOW)[number]): RequestPatch => {
  signature += 1;
  const own = Buffer.from(`signature ${String(signature)}`).toString('base64');
  const approval = { principal: `p${String(signature)}`, key: `k${String(signature)}`, way: 'here' } as const;
  const { signatures, approvals, ticket = 'the ticket\n' } = request;
  const kept = how === 'loses one' ? signatures.slice(1) : signatures;
  return {
    ticket: how === 'changes the ticket' ? `${ticket}\n` : ticket,
    signatures: how === 'changes one' ? [own, ...signatures.slice(1), own] : [...kept, own],
    approvals: [...(how === 'loses one' ? approvals.slice(1) : approvals), approval],
  };
};

/** When its time is over, by the tables of docs/approvals.md. */
const deadlineOf = (request: StoredRequest): number => {
  if (['PROPOSED', 'PENDING'].includes(request.state)) return request.decideBy;
  const hasTime = ['APPROVED', 'AUTO_APPROVED', 'REVOKE_UNCONFIRMED'].includes(request.state);
  return hasTime ? (request.executeBy ?? Infinity) : Infinity;
};

/** A signed ticket that its host takes for 480 s has to be burnt there. */
const lapseOf = (request: StoredRequest): 'unconfirm' | 'expire' =>
  request.signatures.length > 0 &&
  request.state !== 'REVOKE_UNCONFIRMED' &&
  temp.clock.time <= request.offeredAt + 480_000
    ? 'unconfirm'
    : 'expire';

/** What has to come of an event: the next state, or the code of the refusal. */
const verdict = (request: StoredRequest, what: LifecycleEvent, patch: RequestPatch): string => {
  const isLate = hasLapsed(request) || temp.clock.time > deadlineOf(request);
  if (isLate && NEEDS_TIME.includes(what)) return 'REQUEST_EXPIRED';
  const to = next(request.state, what);
  if (to === undefined) return 'STATE_CONFLICT';
  if (['deny', 'withdraw'].includes(what) && request.signatures.length > 0) return 'SIGNED_MEANWHILE';
  if (patch.signatures === undefined) return to;
  const isKept = request.signatures.every((one, index) => one === patch.signatures?.[index]);
  if (!isKept) return 'SIGNED_MEANWHILE';
  return request.ticket === undefined || request.ticket === patch.ticket ? to : 'STORE_BROKEN';
};

const comesTo = (work: () => StoredRequest): string => {
  try {
    return work().state;
  } catch (error) {
    if (error instanceof PraError) return error.code;
    throw error;
  }
};

const file = (id: string): void => {
  const now = temp.clock.time;
  temp.store.create(
    newRequest(id, { createdAt: now, offeredAt: now, decideBy: now + 300_000 }),
    row(id, 'file'),
  );
};

/** Everything that must hold between two looks at the same request. */
const holds = (before: StoredRequest, after: StoredRequest): void => {
  expect(isTerminal(before.state) ? after.state : before.state).toBe(before.state);
  expect(after.signatures.slice(0, before.signatures.length)).toEqual(before.signatures);
  expect(after.approvals.slice(0, before.approvals.length)).toEqual(before.approvals);
  expect(after.ticket).toBe(before.ticket ?? after.ticket);
  const same = [
    'host',
    'action',
    'args',
    'definition',
    'requester',
    'reason',
    'offer',
    'createdAt',
    'offeredAt',
  ] as const;
  for (const key of same) expect(after[key]).toEqual(before[key]);
  // What has ended says why, and a deadline once it has passed does not move.
  const says = ['EXPIRED', 'REVOKE_UNCONFIRMED', 'REVOKED', 'SENT_NO_RETURN'].includes(after.state);
  if (says) expect(after.ending).toBeDefined();
  expect(after.isClaimed).toBe(before.isClaimed || after.state === 'RUNNING');
  // The time to decide moves once, with the first signature, and by 15 minutes from then.
  const isFirst = before.signatures.length === 0 && after.signatures.length > 0 && after.state === 'PENDING';
  expect(after.decideBy).toBe(isFirst ? temp.clock.time + 900_000 : before.decideBy);
};

/** Takes a step; what came of it, what should have, and the rows that it should have written. */
const take = async (
  one: Step,
  before: StoredRequest,
): Promise<{ readonly came: string; readonly expected: string; readonly rows: readonly string[] }> => {
  const { id } = before;
  if (one.kind === 'wait') {
    temp.clock.time += one.ms;
    return { came: '', expected: '', rows: [] };
  }
  if (one.kind !== 'event') {
    const isDue = temp.clock.time > deadlineOf(before);
    if (one.kind === 'reopen') await temp.reopen();
    else temp.store.expireDue();
    const how = lapseOf(before);
    const expected = isDue ? String(next(before.state, how)) : before.state;
    return { came: temp.store.find(id).state, expected, rows: isDue ? [how] : [] };
  }
  const patch = SIGNS.includes(one.event) ? patchFor(before, one.how) : patchOf(one.event);
  const expected = verdict(before, one.event, patch);
  const came = comesTo(() => temp.store.transition(id, one.event, patch, row(id, one.event)));
  const isClosed = expected === 'REQUEST_EXPIRED' && !hasLapsed(before);
  if (isClosed) return { came, expected, rows: [lapseOf(before)] };
  return { came, expected, rows: next(before.state, one.event) === expected ? [one.event] : [] };
};

test(
  'whatever comes, the table, the clock, the signatures and the ledger hold',
  { timeout: 120_000 },
  async () => {
    let n = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
        const id = nthId((n += 1));
        file(id);
        for (const one of steps) {
          const before = temp.store.find(id);
          const last = temp.store.tail(1)[0]?.seq ?? 0;
          const { came, expected, rows } = await take(one, before);
          expect([one, came]).toEqual([one, expected]);
          // One row for each change, in the same transaction, about this request; none for what was refused.
          const told = temp.store.tail(1_000).filter(({ seq, request }) => seq > last && request === id);
          expect(told.map(({ code }) => code)).toEqual(rows);
          holds(before, temp.store.find(id));
        }
        const told = temp.store.tail(1_000).filter(({ request }) => request === id);
        const count = (code: string): number => told.filter((entry) => entry.code === code).length;
        expect(count('dispatch')).toBeLessThanOrEqual(1);
        expect(count('approve') + count('auto_approve')).toBeLessThanOrEqual(1);
        // The rows alone tell the state.
        const state = told.reduce<State>(
          (at, { code }) => next(at, code as LifecycleEvent) ?? at,
          'PROPOSED',
        );
        expect(temp.store.find(id).state).toBe(state);
      }),
      { numRuns: 100 },
    );
    temp.store.verifyLedger();
  },
);

test(
  'until it is dispatched it can always be refused, with nothing but the word',
  { timeout: 60_000 },
  () => {
    let n = 0;
    const early = fc.array(
      fc.constantFrom<LifecycleEvent>('ask', 'cosign', 'cosign', 'approve', 'auto_approve'),
      {
        maxLength: 5,
      },
    );
    fc.assert(
      fc.property(early, fc.nat(299_999), (events, ms) => {
        const id = nthId((n += 1));
        file(id);
        for (const one of events) {
          const patch = SIGNS.includes(one) ? patchFor(temp.store.find(id), 'adds') : {};
          comesTo(() => temp.store.transition(id, one, patch, row(id, one)));
        }
        temp.clock.time += ms;
        const { signatures, state } = temp.store.find(id);
        const isOpen = state === 'PROPOSED' || (state === 'PENDING' && signatures.length === 0);
        // Nothing of a signature, a key or a code is asked for.
        const came = comesTo(() =>
          temp.store.transition(id, isOpen ? 'withdraw' : 'unconfirm', {}, row(id, 'no')),
        );
        expect([state, came]).toEqual([state, isOpen ? 'WITHDRAWN' : 'REVOKE_UNCONFIRMED']);
        expect(comesTo(() => temp.store.transition(id, 'dispatch', {}, row(id, 'dispatch')))).toBe(
          'STATE_CONFLICT',
        );
      }),
      { numRuns: 80 },
    );
  },
);
