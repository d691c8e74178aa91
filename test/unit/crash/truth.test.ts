import { expect, test } from 'vitest';
import type { State } from '../../../src/request/types.ts';
import { whyRowsAreWrong, type Recorded } from '../../crash/records.ts';
import { whyUntrue } from '../../crash/truth.ts';

// A harness that cannot fail proves nothing: both sides of each rule.

const NONE = { begun: 0, ended: 0 };
const BEGUN = { begun: 1, ended: 0 };
const ENDED = { begun: 1, ended: 1 };
const TWICE = { begun: 2, ended: 1 };

test.each<[State | undefined, { begun: number; ended: number }, string | undefined]>([
  ['SUCCEEDED', ENDED, undefined],
  ['FAILED', BEGUN, undefined],
  ['INTERRUPTED', NONE, undefined],
  ['INTERRUPTED', BEGUN, undefined],
  ['INTERRUPTED', ENDED, undefined],
  ['INTERRUPTED', ENDED, 'yes'],
  ['INTERRUPTED', BEGUN, 'no'],
  ['NEVER_STARTED', NONE, undefined],
  ['REVOKED', NONE, undefined],
  ['EXPIRED', NONE, undefined],
  ['WITHDRAWN', NONE, undefined],
  ['REFUSED_BY_TARGET', NONE, undefined],
  ['SENT_NO_RETURN', NONE, undefined],
  ['SENT_NO_RETURN', ENDED, undefined],
  [undefined, NONE, undefined],
])('%s is true of %o, verified %s', (state, happened, verified) => {
  expect(whyUntrue(state, happened, verified)).toBeUndefined();
});

test.each<[State | undefined, { begun: number; ended: number }, string | undefined, string]>([
  ['SUCCEEDED', TWICE, undefined, 'more than once'],
  ['SENT_NO_RETURN', TWICE, undefined, 'more than once'],
  ['SUCCEEDED', { begun: 1, ended: 2 }, undefined, 'more than once'],
  ['SUCCEEDED', BEGUN, undefined, 'did not end'],
  ['SUCCEEDED', NONE, undefined, 'did not end'],
  ['FAILED', ENDED, undefined, 'ended well'],
  ['VERIFY_FAILED', ENDED, undefined, 'ended well'],
  ['INTERRUPTED', BEGUN, 'yes', 'did not end'],
  ['INTERRUPTED', ENDED, 'no', 'it ended'],
  ['NEVER_STARTED', BEGUN, undefined, 'it ran'],
  ['REVOKED', BEGUN, undefined, 'it ran'],
  ['STALE', ENDED, undefined, 'it ran'],
  ['EXPIRED', ENDED, undefined, 'it ran'],
  ['UNKNOWN', ENDED, undefined, 'not settled'],
  ['RUNNING', BEGUN, undefined, 'not settled'],
  ['DISPATCHING', NONE, undefined, 'not settled'],
  [undefined, BEGUN, undefined, 'without a request'],
])('%s is not true of %o, verified %s', (state, happened, verified, why) => {
  expect(whyUntrue(state, happened, verified)).toContain(why);
});

const row = (seq: number, kind: string, code: string) => ({ seq, kind, code });
const ROWS = [
  row(3, 'proposal', 'PREPARE'),
  row(4, 'proposal', 'PROPOSED'),
  row(5, 'decision', 'ask'),
  row(7, 'decision', 'approve'),
  row(8, 'refusal', 'RATE_LIMITED'),
  row(9, 'dispatch', 'dispatch'),
  row(10, 'outcome', 'accept'),
  row(12, 'outcome', 'succeed'),
];
const request = (over: Partial<Recorded> = {}): Recorded => ({
  id: 'a'.repeat(16),
  state: 'SUCCEEDED',
  action: 'crash_medium',
  ledgerSeq: 12,
  receipt: null,
  ...over,
});

test('rows that lead to the state are right, whatever else was written down in between', () => {
  expect(whyRowsAreWrong(request(), ROWS)).toBeUndefined();
});

test('a row of somebody who takes back what is signed leads to the unconfirmed state', () => {
  const taken = [...ROWS.slice(0, 4), row(9, 'decision', 'withdraw'), row(10, 'outcome', 'revoke')];
  expect(whyRowsAreWrong(request({ state: 'REVOKED', ledgerSeq: 10 }), taken)).toBeUndefined();
});

test.each([
  [
    'a change without its row',
    request(),
    ROWS.filter(({ code }) => code !== 'accept'),
    'says succeed after DISPATCHING',
  ],
  [
    'a dispatch twice',
    request(),
    ROWS.flatMap((one) => (one.code === 'dispatch' ? [one, one] : [one])),
    'says dispatch after',
  ],
  ['no last row', request(), ROWS.slice(0, -1), 'lead to RUNNING'],
  ['a state of its own', request({ state: 'FAILED' }), ROWS, 'the request is FAILED'],
  ['another row than it names', request({ ledgerSeq: 13 }), ROWS, 'names row 13'],
  ['no rows at all', request(), [], 'lead to nothing'],
])('%s is found', (_, of, rows, why) => {
  expect(whyRowsAreWrong(of, rows)).toContain(why);
});
