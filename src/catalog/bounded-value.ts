import { asObject } from './parsers/json-output.ts';
import type { FactRow, FactValue } from './types.ts';

/** Characters of one fact, rows of one table, columns of one row: facts are small, whatever a host sends. */
export const FACT_CHARACTERS = 256;
export const FACT_ROWS = 200;
export const FACT_COLUMNS = 20;

/** Everything that is not meant to be seen: controls, format and bidi characters, private use, unassigned. */
const INVISIBLE = /[\p{C}\p{Zl}\p{Zp}]/gu;
const COLUMN = /^[a-z][a-z0-9_]{0,39}$/u;

/** Host text as a fact: one line of at most 256 characters, with U+FFFD for whatever cannot be seen. */
export const boundedText = (text: string): string =>
  Array.from(text.slice(0, 2 * FACT_CHARACTERS))
    .slice(0, FACT_CHARACTERS)
    .join('')
    .replace(INVISIBLE, '\u{fffd}');

/** A cell: text is bounded, numbers are finite; anything else is no cell. */
const boundedCell = (value: unknown): string | number | boolean | undefined => {
  if (typeof value === 'string') return boundedText(value);
  if (typeof value === 'number') return Number.isFinite(value) ? value : undefined;
  return typeof value === 'boolean' ? value : undefined;
};

/** A row without the members that are no cells or not named like a column. */
const boundedRow = (row: unknown): FactRow => {
  const cells = Object.entries(asObject(row))
    .filter(([name]) => COLUMN.test(name))
    .map(([name, value]) => [name, boundedCell(value)] as const)
    .filter((pair): pair is readonly [string, string | number | boolean] => pair[1] !== undefined);
  return Object.fromEntries(cells.slice(0, FACT_COLUMNS));
};

/** The value of a fact when it is of the declared type, bounded; undefined otherwise: a fact that cannot be read is absent. */
export const boundedValue = (type: string, value: unknown): FactValue | undefined => {
  switch (type) {
    case 'string':
      return typeof value === 'string' && value !== '' ? boundedText(value) : undefined;
    case 'integer':
      return typeof value === 'number' && Number.isSafeInteger(value) ? value : undefined;
    case 'number':
      return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
    case 'boolean':
      return typeof value === 'boolean' ? value : undefined;
    default:
      return Array.isArray(value) ? value.slice(0, FACT_ROWS).map(boundedRow) : undefined;
  }
};
