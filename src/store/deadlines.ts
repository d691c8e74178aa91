import type { LifecycleEvent } from '../request/lifecycle.ts';
import type { StoredRequest } from '../request/types.ts';

/** From the approval to the dispatch. Milliseconds. */
export const EXECUTE_MS = 300_000;

/** Until when a request may be dispatched, once this event approved it; undefined for other events. */
export const executeBy = (event: LifecycleEvent, now: number): number | undefined =>
  event === 'approve' || event === 'auto_approve' ? now + EXECUTE_MS : undefined;

/** True from one millisecond after the deadline of its state; states without a deadline never are. */
export const isOverdue = (request: StoredRequest, now: number): boolean => {
  switch (request.state) {
    case 'PROPOSED':
    case 'PENDING':
      return now > request.decideBy;
    case 'APPROVED':
    case 'AUTO_APPROVED':
      return request.executeBy !== undefined && now > request.executeBy;
    default:
      return false;
  }
};
