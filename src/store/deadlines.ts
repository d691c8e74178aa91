import type { LifecycleEvent } from '../request/lifecycle.ts';
import { COSIGN_MS } from '../request/ticket-for.ts';
import type { StoredRequest } from '../request/types.ts';

/** Until when the next decision can be made after this event: the first of several signatures gives time for the others, once. */
export const decideBy = (event: LifecycleEvent, request: StoredRequest, now: number): number =>
  event === 'cosign' && request.signatures.length === 0 ? now + COSIGN_MS : request.decideBy;

/** How long a host takes an offer after it made it, at most: with one signature, and where it asks for more (docs/wire-protocol.md). */
const OFFER_MS = { one: 480_000, several: 1_200_000 } as const;

/**
 * The second deadline once this event has set it, undefined for other events: until when an approved request may be dispatched;
 * for a revocation, until when the host could still take the ticket.
 */
export const executeBy = (
  event: LifecycleEvent,
  request: StoredRequest,
  now: number,
  executeMs: number,
): number | undefined => {
  switch (event) {
    case 'approve':
    case 'auto_approve':
      // No longer than the host takes its offer: a late approval has less time.
      return Math.min(now + executeMs, hostTakesUntil(request));
    case 'unconfirm':
      return hostTakesUntil(request);
    default:
      return undefined;
  }
};

const hostTakesUntil = (request: StoredRequest): number =>
  request.offeredAt + (needsSeveral(request) ? OFFER_MS.several : OFFER_MS.one);

const needsSeveral = ({ offer }: StoredRequest): boolean => /^requires [2-9] /mu.test(offer?.text ?? '');

/** True from one millisecond after the deadline of its state; states without a deadline never are. */
export const isOverdue = (request: StoredRequest, now: number): boolean => {
  switch (request.state) {
    case 'PROPOSED':
    case 'PENDING':
      return now > request.decideBy;
    case 'APPROVED':
    case 'AUTO_APPROVED':
    case 'REVOKE_UNCONFIRMED':
      return request.executeBy !== undefined && now > request.executeBy;
    default:
      return false;
  }
};
