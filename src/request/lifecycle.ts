import type { State } from './types.ts';

/** What can happen to a request. */
export type LifecycleEvent =
  | 'ask' // a person has to decide
  | 'auto_approve'
  | 'cosign' // one signature of several
  | 'approve'
  | 'deny'
  | 'withdraw'
  | 'expire'
  | 'revoke' // taken back, and the host's signed receipt says that it can never run
  | 'unconfirm' // taken back, and the host has not said so yet
  | 'dispatch'
  | 'accept' // the target claimed it
  | 'refuse' // the target refused it
  | 'stale' // the target's facts changed since the offer
  | 'lose' // the connection ended before an outcome
  | 'succeed'
  | 'fail'
  | 'verify_fail'
  | 'interrupt'
  | 'burn' // fenced: it never started and never will
  | 'vanish' // sent, and its host never came back, or has no record of it
  | 'close'; // sent, and a person gives up asking

/**
 * The workflow: from → event → to. This table is the code (`next`), the documentation (docs/approvals.md is printed from
 * it) and what the property tests walk. A state without a row is terminal.
 */
export const TRANSITIONS = {
  PROPOSED: {
    ask: 'PENDING',
    auto_approve: 'AUTO_APPROVED',
    refuse: 'REFUSED_BY_TARGET',
    withdraw: 'WITHDRAWN',
    expire: 'EXPIRED',
  },
  // Once it is signed, who denies or withdraws it revokes it: a ticket exists, which only its host can burn.
  PENDING: {
    cosign: 'PENDING',
    approve: 'APPROVED',
    deny: 'DENIED',
    withdraw: 'WITHDRAWN',
    unconfirm: 'REVOKE_UNCONFIRMED',
    expire: 'EXPIRED',
  },
  AUTO_APPROVED: {
    dispatch: 'DISPATCHING',
    unconfirm: 'REVOKE_UNCONFIRMED',
    expire: 'EXPIRED',
  },
  APPROVED: {
    dispatch: 'DISPATCHING',
    unconfirm: 'REVOKE_UNCONFIRMED',
    stale: 'STALE',
    expire: 'EXPIRED',
  },
  // Also what was not executed, or not signed by all, in time. The host may say too that somebody has had it run.
  REVOKE_UNCONFIRMED: { revoke: 'REVOKED', accept: 'RUNNING', expire: 'EXPIRED' },
  DISPATCHING: { accept: 'RUNNING', refuse: 'REFUSED_BY_TARGET', stale: 'STALE', lose: 'UNKNOWN' },
  RUNNING: {
    succeed: 'SUCCEEDED',
    fail: 'FAILED',
    verify_fail: 'VERIFY_FAILED',
    interrupt: 'INTERRUPTED',
    lose: 'UNKNOWN',
  },
  UNKNOWN: {
    accept: 'RUNNING',
    refuse: 'REFUSED_BY_TARGET',
    succeed: 'SUCCEEDED',
    fail: 'FAILED',
    verify_fail: 'VERIFY_FAILED',
    interrupt: 'INTERRUPTED',
    burn: 'NEVER_STARTED',
    vanish: 'SENT_NO_RETURN',
    close: 'SENT_NO_RETURN',
  },
  // Over for whoever waits. What its host still says, signed, is nearer to the truth.
  SENT_NO_RETURN: { accept: 'RUNNING', burn: 'NEVER_STARTED' },
} as const satisfies Partial<Record<State, Partial<Record<LifecycleEvent, State>>>>;

const table: Partial<Record<State, Partial<Record<LifecycleEvent, State>>>> = TRANSITIONS;

/** The state after an event, or undefined when the table has no such edge. */
export const next = (from: State, event: LifecycleEvent): State | undefined => table[from]?.[event];

/** True when nothing can follow. */
export const isTerminal = (state: State): boolean => table[state] === undefined;

/** True when nothing is waited for any more. */
export const isOver = (state: State): boolean => isTerminal(state) || state === 'SENT_NO_RETURN';
