/** Edits to get from one word to the other: insert, delete, replace. Row by row (Wagner and Fischer). */
const distance = (a: string, b: string): number => {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i += 1) {
    const above = row;
    row = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const replace = (above[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min((above[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, replace));
    }
  }
  return row.at(-1) ?? 0;
};

/** The known word that a mistyped one most likely stands for, if any is near enough. */
export const nearest = (typed: string, known: readonly string[]): string | undefined => {
  const word = typed.slice(0, 64).toLowerCase().replaceAll('-', '_');
  const [best] = known
    .map((name) => ({ name, edits: distance(word, name.slice(0, 64).toLowerCase().replaceAll('-', '_')) }))
    .sort((a, b) => a.edits - b.edits);
  return best !== undefined && best.edits <= Math.ceil(best.name.length / 3) ? best.name : undefined;
};
