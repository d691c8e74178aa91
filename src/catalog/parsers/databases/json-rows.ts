import { outputLines } from '../../output-lines.ts';
import { jsonObject, type JsonObject } from '../json-output.ts';

/** One line of JSON that a query of ours answered; `kind` says which query. */
export type JsonRow = JsonObject;

/** The rows of a kind, in order. Lines that are not an object with that kind are left out. */
export const jsonRows = (text: string): ((kind: string) => readonly JsonRow[]) => {
  const rows = outputLines(text).flatMap((line) => {
    const row = jsonObject(line);
    return row === undefined ? [] : [row];
  });
  return (kind) => rows.filter((row) => row['kind'] === kind);
};

/** A finite number; undefined for anything else. */
export const numberOf = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isFinite(value) ? value : undefined;

/** Text that is not empty; undefined for anything else. */
export const textOf = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' ? value : undefined;

/** How much `b` is behind `a`, never negative: positions are read one after the other, and may overtake each other. */
export const behind = (a: unknown, b: unknown): number | undefined => {
  const [first, second] = [numberOf(a), numberOf(b)];
  return first === undefined || second === undefined ? undefined : Math.max(0, first - second);
};

/** Rounded to milliseconds or thousandths. */
export const thousandths = (value: unknown): number | undefined => {
  const number = numberOf(value);
  return number === undefined ? undefined : Math.round(number * 1_000) / 1_000;
};

/** The largest of those that are numbers; undefined when none is. */
export const largest = (values: readonly (number | undefined)[]): number | undefined =>
  values.reduce(
    (most, value) => (most === undefined || (value ?? -Infinity) > most ? value : most),
    undefined,
  );

/** Rows with the largest of a column first; those without it last. */
export const largestFirst = <Row extends JsonRow>(rows: readonly Row[], column: keyof Row): readonly Row[] =>
  rows.toSorted((a, b) => (numberOf(b[column]) ?? -Infinity) - (numberOf(a[column]) ?? -Infinity) || 0);
