import { MARK } from './mask-rules.ts';

// PEM (RFC 7468), OpenSSH and OpenPGP private keys, whatever stands before them on their lines (a log's prefix, say).
const BEGIN = /-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----/gu;
const END = /-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----/gu;
/** A full line of a key's body, its shorter last one, and the headers of old PEM and OpenPGP. */
const BODY = /(?:^|\s)[A-Za-z0-9+/]{32,}={0,2}\s*$/u;
const LAST = /(?:^|\s)[A-Za-z0-9+/]{1,80}={0,2}\s*$/u;
const HEADER = /^\s*(?:[A-Za-z-]{4,20}: .{0,80})?$/u;

const find = (pattern: RegExp, line: string, from: number): RegExpExecArray | null => {
  pattern.lastIndex = from;
  return pattern.exec(line);
};

/**
 * Masks, in place, the lines of private keys and returns how many there were. A key whose end is missing (cut output) is
 * masked as far as its lines look like one, and so is one whose beginning is missing. Each line is looked at a bounded
 * number of times.
 */
export const maskPrivateKeys = (lines: string[]): number => {
  let keys = 0;
  for (let at = 0; at < lines.length; at += 1) {
    if (lines[at]?.includes('-----') !== true) continue;
    if (find(BEGIN, lines[at] ?? '', 0) === null) {
      if (find(END, lines[at] ?? '', 0) !== null) keys += maskHeadless(lines, at);
      continue;
    }
    const { text, count, open } = maskWithinLine(lines[at] ?? '');
    lines[at] = text;
    keys += count;
    if (open) at = maskRest(lines, at);
  }
  return keys;
};

/** All keys that begin on this line; `open` when the last of them does not end on it. */
const maskWithinLine = (line: string): { text: string; count: number; open: boolean } => {
  let text = '';
  let from = 0;
  let count = 0;
  for (let begin = find(BEGIN, line, 0); begin !== null; begin = find(BEGIN, line, from)) {
    text += line.slice(from, begin.index) + MARK;
    count += 1;
    const end = find(END, line, BEGIN.lastIndex);
    if (end === null) return { text, count, open: true };
    from = END.lastIndex;
  }
  return { text: text + line.slice(from), count, open: false };
};

/** Masks what follows an open BEGIN on line `at`; returns the last line that is dealt with. */
const maskRest = (lines: string[], at: number): number => {
  let stop = at + 1;
  while (stop < lines.length && !isMarked(lines[stop] ?? '')) stop += 1;
  const end = find(END, lines[stop] ?? '', 0);
  const begin = find(BEGIN, lines[stop] ?? '', 0);
  if (end !== null && (begin === null || end.index < begin.index)) {
    lines.fill(MARK, at + 1, stop);
    lines[stop] = MARK + (lines[stop] ?? '').slice(end.index + end[0].length);
    return stop - 1; // another key may begin on the rest of that line
  }
  let next = at + 1;
  while (next < stop && HEADER.test(lines[next] ?? '')) next += 1;
  while (next < stop && BODY.test(lines[next] ?? '')) next += 1;
  if (next < stop && LAST.test(lines[next] ?? '')) next += 1;
  lines.fill(MARK, at + 1, next);
  return next - 1;
};

const isMarked = (line: string): boolean =>
  line.includes('-----') && (find(BEGIN, line, 0) !== null || find(END, line, 0) !== null);

/** A key whose beginning was cut off: masks the END on line `at` and the body lines before it. */
const maskHeadless = (lines: string[], at: number): number => {
  const end = find(END, lines[at] ?? '', 0);
  if (end === null) return 0;
  let first = at;
  if (first > 0 && LAST.test(lines[first - 1] ?? '') && lines[first - 1] !== MARK) first -= 1;
  while (first > 0 && BODY.test(lines[first - 1] ?? '')) first -= 1;
  lines.fill(MARK, first, at);
  lines[at] = MARK + (lines[at] ?? '').slice(end.index + end[0].length);
  return 1;
};
