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

/** For comparing: small letters, one kind of hyphen, no more of it than a name can have. */
const plain = (text: string): string => text.slice(0, 64).toLowerCase().replaceAll('-', '_');

/** Words that say something by themselves. */
const wordsOf = (name: string): readonly string[] => name.split('_').filter((word) => word.length > 2);

const isNear = (edits: number, name: string): boolean => edits <= Math.ceil(name.length / 3);

/** The known word that a mistyped one most likely stands for, if any is near enough. */
export const nearest = (typed: string, known: readonly string[]): string | undefined => {
  const said = plain(typed);
  const [best] = known
    .map((name) => ({ name, edits: distance(said, plain(name)) }))
    .sort((a, b) => a.edits - b.edits);
  return best !== undefined && isNear(best.edits, best.name) ? best.name : undefined;
};

/**
 * Up to `most` known names that somebody may have meant: those that share a whole word with it first (`disk` for
 * `disk_usage`), then those that are a few edits away. Empty when none is near.
 */
export const nearestNames = (typed: string, known: readonly string[], most: number): readonly string[] => {
  const said = plain(typed);
  const words = wordsOf(said);
  return known
    .map((name) => ({
      name,
      shared: wordsOf(plain(name)).filter((word) => words.includes(word)).length,
      edits: distance(said, plain(name)),
    }))
    .filter(({ name, shared, edits }) => shared > 0 || isNear(edits, name))
    .sort((a, b) => b.shared - a.shared || a.edits - b.edits || (a.name < b.name ? -1 : 1))
    .slice(0, most)
    .map(({ name }) => name);
};
