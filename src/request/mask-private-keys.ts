import { CONTINUED, markOf } from './mask-mark.ts';

/** Begin and end of PEM (RFC 7468), OpenSSH and OpenPGP private keys, wherever they stand on a line. */
const BOUNDARY = /-----(?<kind>BEGIN|END) [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----/gu;
/** A full line of a key's body, also behind a log's prefix; its shorter last one; the headers of old PEM and OpenPGP. */
const BODY = /(?:^|\s)[A-Za-z0-9+/]{32,}={0,2}\s*$/u;
const LAST = /^\s*[A-Za-z0-9+/]{1,80}={0,2}\s*$|\s[A-Za-z0-9+/]{2,80}={1,2}\s*$/u;
const HEADER = /^\s*(?:[A-Za-z-]{4,20}: .{0,80})?$/u;

/**
 * Masks, in place, the lines of private keys and returns how many there were. A key whose end is missing (cut output) is
 * masked as far as its lines look like one, and so is one whose beginning is missing. A key's pseudonym is on its first line,
 * or on its last where that is the only boundary it has. Linear in the text.
 */
export const maskPrivateKeys = (lines: string[]): number => {
  let keys = 0;
  let open: OpenKey | undefined;
  for (const [at, line] of lines.entries()) {
    const boundaries = line.includes('-----') ? [...line.matchAll(BOUNDARY)] : [];
    const first = boundaries[0];
    if (first === undefined) continue;
    const ends = first.groups?.['kind'] === 'END';
    let above = '';
    if (open !== undefined) {
      const body = ends ? take(lines, open.at + 1, at) : takeAfter(lines, open.at, at);
      close(lines, open, ends ? `${body}\n${line.slice(0, first.index)}` : body);
    } else if (ends) above = takeBefore(lines, at);
    const masked = maskWithin(line, boundaries, open !== undefined && ends, above);
    lines[at] = masked.text;
    keys += masked.keys;
    open = masked.rest === undefined ? undefined : { at, rest: masked.rest };
  }
  if (open !== undefined) close(lines, open, takeAfter(lines, open.at, lines.length));
  return keys;
};

/** A key that has begun and not ended: its line, which ends in a mark without a name, and what of the key was on that line. */
interface OpenKey {
  readonly at: number;
  readonly rest: string;
}

/** With its last line a key can be named. */
const close = (lines: string[], { at, rest }: OpenKey, body: string): void => {
  lines[at] = (lines[at] ?? '').slice(0, -CONTINUED.length) + markOfKey(`${rest}\n${body}`);
};

/** The same key has the same letters, whatever stands before its lines. */
const markOfKey = (text: string): string => {
  const rows = text
    .split(/\n|\\n/u)
    .map((row) => /(?<![A-Za-z0-9+/=])[A-Za-z0-9+/]+={0,2}\s*$/u.exec(row)?.[0]);
  return markOf('private-key', rows.map((row) => row?.trim() ?? '').join(''));
};

/** One line: what is inside a key, and what stands before an END that nothing opened, becomes one mark. `rest`: of an open key. */
const maskWithin = (
  line: string,
  boundaries: readonly RegExpExecArray[],
  wasOpen: boolean,
  above: string,
): { readonly text: string; readonly keys: number; readonly rest: string | undefined } => {
  let text = wasOpen ? CONTINUED : '';
  let isOpen = wasOpen;
  /** Where the key began, if it did on this line. */
  let begun: number | undefined;
  let keys = 0;
  let from = 0;
  for (const boundary of boundaries) {
    const begins = boundary.groups?.['kind'] === 'BEGIN';
    const between = line.slice(from, boundary.index);
    from = boundary.index + boundary[0].length;
    if (!isOpen) {
      text += begins ? between + CONTINUED : markOfKey(`${above}\n${between}`);
      keys += 1;
    } else if (!begins && begun !== undefined)
      text = text.slice(0, -CONTINUED.length) + markOfKey(line.slice(begun, boundary.index));
    if (begins && !isOpen) begun = from;
    if (!begins) begun = undefined;
    isOpen = begins;
  }
  return {
    text: isOpen ? text : text + line.slice(from),
    keys,
    rest: isOpen ? line.slice(begun ?? from) : undefined,
  };
};

/** Lines that are taken out of the text, a mark in the place of each. */
const take = (lines: string[], from: number, to: number): string => {
  const taken = lines.slice(from, to).join('\n');
  lines.fill(CONTINUED, from, to);
  return taken;
};

/** The lines of a key that begins on line `at` and has no end before line `stop`. */
const takeAfter = (lines: string[], at: number, stop: number): string => {
  let next = at + 1;
  while (next < stop && HEADER.test(lines[next] ?? '')) next += 1;
  while (next < stop && BODY.test(lines[next] ?? '')) next += 1;
  if (next < stop && LAST.test(lines[next] ?? '')) next += 1;
  return take(lines, at + 1, next);
};

/** The lines of a key that ends on line `at` and whose beginning is not there. */
const takeBefore = (lines: string[], at: number): string => {
  let first = at;
  if (first > 0 && LAST.test(lines[first - 1] ?? '')) first -= 1;
  while (first > 0 && BODY.test(lines[first - 1] ?? '')) first -= 1;
  return take(lines, first, at);
};
