import { integerOf, outputLines } from '../../output-lines.ts';
import type { FactParser } from '../parser.ts';

const KEPT = 40;

/** `bytes`: du --block-size=1, `files`: du --inodes (du(1)): `size<TAB>directory`, each tree after what is in it. */
export const bigDirectories: FactParser = (sections, codes) => {
  const bytes = sizesOf(sections.get('bytes'));
  const files = new Map(sizesOf(sections.get('files')).map(({ directory, size }) => [directory, size]));
  const isWhole = (section: string): boolean => (codes.get(section) ?? 124) < 124;
  const root = isWhole('bytes') ? bytes.at(-1) : undefined;
  const below = bytes.filter((row) => row !== root).toSorted((a, b) => b.size - a.size);
  const [fullest] = below
    .map(({ directory }) => ({ directory, count: files.get(directory) ?? 0 }))
    .toSorted((a, b) => b.count - a.count);
  const isCounted = fullest !== undefined && fullest.count > 0;
  return {
    total_bytes: root?.size,
    total_files: root === undefined ? undefined : files.get(root.directory),
    complete: codes.get('bytes') === 0 && codes.get('files') === 0,
    biggest: below[0]?.directory,
    biggest_bytes: below[0]?.size,
    most_files: isCounted ? fullest.directory : undefined,
    most_files_count: isCounted ? fullest.count : undefined,
    directories: below
      .slice(0, KEPT)
      .map(({ directory, size }) => ({ directory, bytes: size, files: files.get(directory) })),
  };
};

const sizesOf = (
  text: string | undefined,
): readonly { readonly directory: string; readonly size: number }[] =>
  outputLines(text ?? '').flatMap((line) => {
    const tab = line.indexOf('\t');
    const size = integerOf(line.slice(0, Math.max(0, tab)));
    return size === undefined ? [] : [{ directory: line.slice(tab + 1), size }];
  });
