import type { LifecycleEvent } from '../request/lifecycle.ts';
import { hostTakesUntil } from '../request/host-window.ts';
import { COSIGN_MS } from '../request/ticket-for.ts';
import type { Ending, StoredRequest } from '../request/types.ts';

/** Until when the next decision can be made after this event: the first of several signatures gives time for the others, once. */
export const decideBy = (event: LifecycleEvent, request: StoredRequest, now: number): number =>
  event === 'cosign' && request.signatures.length === 0 ? now + COSIGN_MS : request.decideBy;

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

/** What becomes of an overdue request: a signed ticket that its host could still take has to be burnt there before it is over. */
export const lapse = (request: StoredRequest, now: number): 'unconfirm' | 'expire' =>
  request.state !== 'REVOKE_UNCONFIRMED' && request.signatures.length > 0 && now <= hostTakesUntil(request)
    ? 'unconfirm'
    : 'expire';

/** Why a request in this state ends by its time alone. */
export const lapseEnding = ({ state, signatures, ending }: StoredRequest): Ending => {
  if (ending !== undefined) return ending;
  if (state === 'APPROVED' || state === 'AUTO_APPROVED') return 'unexecuted';
  return signatures.length === 0 ? 'undecided' : 'half_signed';
};

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
