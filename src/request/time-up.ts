/**
 * Whether a signal was aborted because a time was over (AbortSignal.timeout), not because somebody gave up. The channel says
 * CANCELLED for both; a call whose time is over says DEADLINE instead.
 */
export const isTimeUp = (signal: AbortSignal | undefined): boolean =>
  signal?.aborted === true && signal.reason instanceof DOMException && signal.reason.name === 'TimeoutError';
