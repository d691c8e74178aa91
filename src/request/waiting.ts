import type { RequestView, WaitOptions } from './desk.ts';
import type { Store } from './ports.ts';
import type { StoredRequest } from './types.ts';

/** Between two words to whoever waits. Milliseconds. */
const EVERY_MS = 5_000;

/**
 * Does some work that waits for a request, and meanwhile tells whoever wants to know how it stands: at once, then every five seconds, never
 * after the end. A call that may not wait is told nothing.
 */
export const tellWhile = async <T>(
  { waitMs = 0, onWaiting }: WaitOptions,
  view: () => RequestView,
  work: () => Promise<T>,
): Promise<T> => {
  if (waitMs === 0 || onWaiting === undefined) return work();
  const tell = (): void => {
    try {
      const now = view();
      if (!now.terminal) onWaiting(now);
    } catch {
      // Whoever cannot be told must not stop the work.
    }
  };
  tell();
  const timer = setInterval(tell, EVERY_MS);
  try {
    return await work();
  } finally {
    clearInterval(timer);
  }
};

/** Waits for a person to decide on a request that needs it: no longer than there is time for that. */
export const waitForDecision = async (
  store: Store,
  { id, state }: StoredRequest,
  signal: AbortSignal | undefined,
  until: number,
): Promise<void> => {
  if (state !== 'PENDING' && state !== 'PROPOSED') return;
  for (;;) {
    store.expireDue();
    const left = until - performance.now();
    // A first signature of several moves the deadline.
    const request = store.find(id);
    if (request.state !== state || left <= 0 || signal?.aborted === true) return;
    await store.changed(Math.min(left, Math.max(0, request.decideBy - store.time()) + 1), signal);
  }
};
