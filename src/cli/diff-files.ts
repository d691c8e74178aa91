/** How one file differs; unchanged files have none of these. */
export interface FileDifference {
  readonly path: string;
  readonly change: 'added' | 'removed' | 'changed';
  readonly lines: readonly { readonly sign: '+' | '-' | ' '; readonly text: string }[];
}

/** Differences between two sets of small files, in the order of their paths. */
export const diffFiles = (
  before: ReadonlyMap<string, string>,
  after: ReadonlyMap<string, string>,
): readonly FileDifference[] =>
  [...new Set([...before.keys(), ...after.keys()])].sort().flatMap((path) => {
    const [old, now] = [before.get(path), after.get(path)];
    if (old === now) return [];
    const change = old === undefined ? 'added' : now === undefined ? 'removed' : 'changed';
    return [{ path, change, lines: diffLines(linesOf(old), linesOf(now)) }];
  });

const linesOf = (text = ''): readonly string[] => (text === '' ? [] : text.replace(/\n$/u, '').split('\n'));

/** The longest common subsequence of lines; the tables are small, so that squares of their lengths are too. */
const diffLines = (old: readonly string[], now: readonly string[]): FileDifference['lines'] => {
  const common: number[][] = Array.from({ length: old.length + 1 }, () => []);
  const at = (i: number, j: number): number => common[i]?.[j] ?? 0;
  for (const i of backwards(old.length)) {
    const row = common[i] ?? [];
    for (const j of backwards(now.length)) {
      row[j] = old[i] === now[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  }
  const lines: { sign: '+' | '-' | ' '; text: string }[] = [];
  let [i, j] = [0, 0];
  while (i < old.length || j < now.length) {
    if (i < old.length && j < now.length && old[i] === now[j]) {
      lines.push({ sign: ' ', text: old[i] ?? '' });
      i += 1;
      j += 1;
    } else if (j >= now.length || (i < old.length && at(i + 1, j) >= at(i, j + 1))) {
      lines.push({ sign: '-', text: old[i] ?? '' });
      i += 1;
    } else {
      lines.push({ sign: '+', text: now[j] ?? '' });
      j += 1;
    }
  }
  return lines;
};

const backwards = (length: number): readonly number[] => Array.from({ length }, (_, i) => length - 1 - i);
