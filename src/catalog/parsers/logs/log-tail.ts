import { integerOf, outputLines, words } from '../../output-lines.ts';
import type { FactParser } from '../parser.ts';

/** `tail`, `file` (stat --format='%s %Y %F') and `clock` (date +%s) of one named log. */
export const logTail: FactParser = (sections, codes) => {
  const exists = codes.get('file') === 0;
  if (codes.get('file') === undefined) return {};
  const [size, written] = words((sections.get('file') ?? '').split('\n')[0] ?? '');
  const [now, at] = [integerOf(sections.get('clock')?.trim()), integerOf(written)];
  const readable = codes.get('tail') === 0;
  return {
    exists,
    readable,
    lines: readable ? outputLines(sections.get('tail') ?? '').length : undefined,
    size_bytes: exists ? integerOf(size) : undefined,
    written_seconds_ago: exists && now !== undefined && at !== undefined ? now - at : undefined,
  };
};
