import { MARK } from './mask-rules.ts';

/** Begin and end of PEM (RFC 7468), OpenSSH and OpenPGP private keys, wherever they stand on a line. */
const BOUNDARY = /-----(?<kind>BEGIN|END) [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----/gu;
/** A full line of a key's body, also behind a log's prefix; its shorter last one; the headers of old PEM and OpenPGP. */
const BODY = /(?:^|\s)[A-Za-z0-9+/]{32,}={0,2}\s*$/u;
const LAST = /^\s*[A-Za-z0-9+/]{1,80}={0,2}\s*$|\s[A-Za-z0-9+/]{2,80}={1,2}\s*$/u;
const HEADER = /^\s*(?:[A-Za-z-]{4,20}: .{0,80})?$/u;

/**
 * Masks, in place, the lines of private keys and returns how many there were. A key whose end is missing (cut output) is
 * masked as far as its lines look like one, and so is one whose beginning is missing. Linear in the text.
 */
export const maskPrivateKeys = (lines: string[]): number => {
  let keys = 0;
  let openedAt: number | undefined;
  for (const [at, line] of lines.entries()) {
    const boundaries = line.includes('-----') ? [...line.matchAll(BOUNDARY)] : [];
    const first = boundaries[0]?.groups?.['kind'];
    if (first === undefined) continue;
    if (first === 'END' && openedAt === undefined) maskBefore(lines, at);
    if (first === 'END' && openedAt !== undefined) lines.fill(MARK, openedAt + 1, at);
    if (first === 'BEGIN' && openedAt !== undefined) maskAfter(lines, openedAt, at);
    const masked = maskWithin(line, boundaries, first === 'END' && openedAt !== undefined);
    lines[at] = masked.text;
    keys += masked.keys;
    openedAt = masked.isOpen ? at : undefined;
  }
  if (openedAt !== undefined) maskAfter(lines, openedAt, lines.length);
  return keys;
};

/** One line: what is inside a key, and what stands before an END that nothing opened, becomes one mark. */
const maskWithin = (
  line: string,
  boundaries: readonly RegExpExecArray[],
  wasOpen: boolean,
): { readonly text: string; readonly keys: number; readonly isOpen: boolean } => {
  let text = wasOpen ? MARK : '';
  let isOpen = wasOpen;
  let keys = 0;
  let from = 0;
  for (const boundary of boundaries) {
    const begins = boundary.groups?.['kind'] === 'BEGIN';
    if (!isOpen) {
      text += begins ? line.slice(from, boundary.index) + MARK : MARK;
      keys += 1;
    }
    isOpen = begins;
    from = boundary.index + boundary[0].length;
  }
  return { text: isOpen ? text : text + line.slice(from), keys, isOpen };
};

/** The lines of a key that begins on line `at` and has no end before line `stop`. */
const maskAfter = (lines: string[], at: number, stop: number): void => {
  let next = at + 1;
  while (next < stop && HEADER.test(lines[next] ?? '')) next += 1;
  while (next < stop && BODY.test(lines[next] ?? '')) next += 1;
  if (next < stop && LAST.test(lines[next] ?? '')) next += 1;
  lines.fill(MARK, at + 1, next);
};

/** The lines of a key that ends on line `at` and whose beginning is not there. */
const maskBefore = (lines: string[], at: number): void => {
  let first = at;
  if (first > 0 && LAST.test(lines[first - 1] ?? '')) first -= 1;
  while (first > 0 && BODY.test(lines[first - 1] ?? '')) first -= 1;
  lines.fill(MARK, first, at);
};
