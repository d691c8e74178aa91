/** Waits for some work, or no longer: until `ms` are over or the signal aborts. The work goes on, and what it throws is its own. */
export const within = async (work: Promise<unknown>, ms: number, signal?: AbortSignal): Promise<void> => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  const aborted = (): void => resolve();
  signal?.addEventListener('abort', aborted, { once: true });
  if (signal?.aborted === true) resolve();
  work.then(aborted, aborted);
  try {
    await promise;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', aborted);
  }
};
