/** Edits to get from one word to the other (insert, delete, replace, swap neighbours). */
const distance = (a: string, b: string): number => {
  const row = (i: number): number[] =>
    Array.from({ length: b.length + 1 }, (_, j) => (i === 0 ? j : j === 0 ? i : 0));
  const grid = Array.from({ length: a.length + 1 }, (_, i) => row(i));
  const at = (i: number, j: number): number => grid[i]?.[j] ?? Number.POSITIVE_INFINITY;
  for (let i = 1; i <= a.length; i += 1) {
    for (let j = 1; j <= b.length; j += 1) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const best = Math.min(at(i - 1, j) + 1, at(i, j - 1) + 1, at(i - 1, j - 1) + same);
      (grid[i] as number[])[j] = swapped ? Math.min(best, at(i - 2, j - 2) + 1) : best;
    }
  }
  return at(a.length, b.length);
};

/** The known word that a mistyped one most likely stands for, if any is near enough. */
export const nearest = (typed: string, known: readonly string[]): string | undefined => {
  const word = typed.slice(0, 64).toLowerCase().replaceAll('-', '_');
  const [best] = known
    .map((name) => ({ name, edits: distance(word, name.slice(0, 64).toLowerCase().replaceAll('-', '_')) }))
    .sort((a, b) => a.edits - b.edits);
  return best !== undefined && best.edits <= Math.max(1, Math.floor(best.name.length / 3))
    ? best.name
    : undefined;
};
