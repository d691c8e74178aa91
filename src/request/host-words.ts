import type { Facts } from '../catalog/types.ts';
import type { Answer } from '../catalog/wire.ts';
import type { ReadResult } from './desk.ts';
import { mask } from './mask.ts';
import { neutralise } from './neutralise.ts';
import { suspicious } from './suspicious.ts';

/** An answer's sections as one text, in the order and with the stages of DESIGN §4: cap, neutralise, mask. */
export const textOf = (
  answer: Answer,
  limit: number,
): Pick<ReadResult, 'text' | 'truncated' | 'redactions' | 'suspicious'> => {
  const many = answer.sections.length > 1;
  const raw = answer.sections
    .map(({ name, output }) => (many ? Buffer.concat([Buffer.from(`# ${name}\n`), output]) : output))
    .flatMap((part, index) => (index === 0 ? [part] : [Buffer.from('\n'), part]));
  const bytes = Buffer.concat(raw);
  const capped = bytes.subarray(0, limit * 4);
  // Masked before it is cut to length: half a secret would not look like one.
  const masked = mask(neutralise(capped).text);
  return {
    text: masked.text.slice(0, limit).toWellFormed(),
    truncated: masked.text.length > limit || bytes.length > capped.length,
    redactions: masked.redactions,
    suspicious: suspicious(masked.text),
  };
};

/**
 * Strings in facts come from the host too. They are masked together, a line each: a private key that became the rows of a
 * table shows only as a whole.
 */
export const cleanFacts = (facts: Facts): Facts => {
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
  const masked = mask(strings.join('\n')).text.split('\n');
  let at = 0;
  return through(() => masked[at++] ?? '');
};

/** Facts as far as they fit: every single value, and of the tables the first rows. */
export const fitFacts = (facts: Facts, limit: number): { readonly facts: Facts; readonly isCut: boolean } => {
  const sizeOf = (value: unknown): number => JSON.stringify(value).length;
  let left = limit;
  for (const value of Object.values(facts)) if (typeof value !== 'object') left -= sizeOf(value);
  let isCut = false;
  const fitting = Object.entries(facts).map(([name, value]) => {
    if (typeof value !== 'object') return [name, value] as const;
    const rows = value.filter((row) => (left -= sizeOf(row)) >= 0);
    if (rows.length < value.length) isCut = true;
    return [name, rows] as const;
  });
  return { facts: Object.fromEntries(fitting), isCut };
};
