import type { State } from '../../src/request/types.ts';

/** What really happened on the host, from the files in which the action counts itself. */
export interface Happened {
  readonly begun: number;
  readonly ended: number;
}

/** Of what ended so, nothing may have run. */
const NOTHING_RAN: readonly State[] = [
  'DENIED',
  'WITHDRAWN',
  'EXPIRED',
  'REVOKED',
  'STALE',
  'REFUSED_BY_TARGET',
  'NEVER_STARTED',
];

/**
 * What is not true about an outcome, or undefined. `verified`: what the receipt says that the verification said (`yes` or `no`), where
 * it says anything.
 */
export const whyUntrue = (
  state: State | undefined,
  { begun, ended }: Happened,
  verified?: string,
): string | undefined => {
  const saw = `begun ${String(begun)}, ended ${String(ended)}`;
  if (begun > 1 || ended > begun) return `executed more than once: ${saw}`;
  if (state === undefined) return begun === 0 ? undefined : `executed without a request: ${saw}`;
  if (NOTHING_RAN.includes(state)) return begun === 0 ? undefined : `${state}, but it ran: ${saw}`;
  switch (state) {
    case 'SUCCEEDED':
      return ended === 1 ? undefined : `SUCCEEDED, but it did not end: ${saw}`;
    // The action itself never fails and is verified by its own count: only one that was killed may end like this.
    case 'FAILED':
    case 'VERIFY_FAILED':
      return begun === 1 && ended === 0 ? undefined : `${state}, but it ended well: ${saw}`;
    case 'INTERRUPTED':
      if (verified === 'yes' && ended === 0) return `verified yes, but it did not end: ${saw}`;
      if (verified === 'no' && ended === 1) return `verified no, but it ended: ${saw}`;
      return undefined;
    case 'SENT_NO_RETURN':
      return undefined; // says that nobody knows; whoever caused it judges whether that is right
    default:
      return `not settled: ${state}`;
  }
};
