import type { Facts } from '../catalog/types.ts';
import type { Answer } from '../catalog/wire.ts';
import { mask } from './mask.ts';
import { neutralise } from './neutralise.ts';

/** Bytes of one host's text that are looked at. */
const MOST_BYTES = 524_288;

/** Text of a host that may be shown, all of it, and what was found in it. */
export interface CleanText {
  readonly text: string;
  /** It was longer than what is looked at. */
  readonly isCut: boolean;
  readonly redactions: number;
  /** Some of it hid or reordered text. */
  readonly hidden: boolean;
}

/** An answer's sections as one text: neutralised, then masked. It is cut later, since half a secret would not look like one. */
export const textOf = ({ sections }: Pick<Answer, 'sections'>): CleanText => {
  const many = sections.length > 1;
  const raw = sections
    .map(({ name, output }) => (many ? Buffer.concat([Buffer.from(`# ${name}\n`), output]) : output))
    .flatMap((part, index) => (index === 0 ? [part] : [Buffer.from('\n'), part]));
  const bytes = Buffer.concat(raw);
  const clean = neutralise(wholeLines(bytes, MOST_BYTES));
  const { text, redactions } = mask(clean.text);
  return { text, redactions, isCut: bytes.length > MOST_BYTES, hidden: clean.hidden };
};

/** As many bytes, without a line that is cut: half a secret would not look like one. A line that has no end is cut. */
const wholeLines = (bytes: Buffer, most: number): Buffer => {
  if (bytes.length <= most) return bytes;
  const end = bytes.lastIndexOf(0x0a, most - 1);
  return bytes.subarray(0, end < 0 ? most : end + 1);
};

/**
 * Strings in facts come from the host too. They are masked together, a line each: a private key that became the rows of a
 * table shows only as a whole. `redactions` counts what was masked.
 */
export const cleanFacts = (facts: Facts): { readonly facts: Facts; readonly redactions: number } => {
  const strings: string[] = [];
  const each = <T extends string | number | boolean>(value: T, on: (text: string) => string): T =>
    typeof value === 'string' ? (on(value) as T) : value;
  const through = (on: (text: string) => string): Facts =>
    Object.fromEntries(
      Object.entries(facts).map(([name, value]) => [
        name,
        typeof value === 'object'
          ? value.map((row) =>
              Object.fromEntries(Object.entries(row).map(([column, cell]) => [column, each(cell, on)])),
            )
          : each(value, on),
      ]),
    );
  through((text) => {
    strings.push(neutralise(text).text.replaceAll('\n', ' '));
    return text;
  });
  const { text, redactions } = mask(strings.join('\n'));
  const masked = text.split('\n');
  let at = 0;
  return { facts: through(() => masked[at++] ?? ''), redactions };
};

/** All strings in facts, a line each. */
export const stringsOf = (facts: Facts): string =>
  Object.values(facts)
    .flatMap((value) => (typeof value === 'object' ? value.flatMap((row) => Object.values(row)) : [value]))
    .filter((cell) => typeof cell === 'string')
    .join('\n');
