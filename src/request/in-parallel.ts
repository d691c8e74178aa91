/** At most `width` at a time, results in order. After a failure nothing more is begun, and it is thrown when all have ended. */
export const inParallel = async <T, R>(
  items: readonly T[],
  width: number,
  work: (item: T) => Promise<R>,
): Promise<R[]> => {
  const results: R[] = [];
  let at = 0;
  const worker = async (): Promise<void> => {
    while (at < items.length) {
      const index = at;
      at += 1;
      try {
        results[index] = await work(items[index] as T);
      } catch (error) {
        at = items.length;
        throw error;
      }
    }
  };
  const ended = await Promise.allSettled(Array.from({ length: Math.min(width, items.length) }, worker));
  for (const end of ended) if (end.status === 'rejected') throw end.reason;
  return results;
};
