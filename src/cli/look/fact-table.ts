import type { FactRow } from '../../catalog/types.ts';
import { cellsOf, fit, padTo } from '../cells.ts';
import { factCell, factLabel } from './fact-cell.ts';

/** Blanks between two columns. */
const GAP = 2;
/** Columns are not made narrower than this to make room. */
const NARROWEST = 8;

/**
 * Rows of a fact as lines of equal columns, the head first: numbers and sizes to the right, and where the lines would be wider than `width`
 * the widest texts are cut, never a number. `width` Infinity cuts nothing.
 */
export const factTable = (rows: readonly FactRow[], width: number): readonly string[] => {
  const names = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const columns = names.map((name) => {
    const values = rows.map((row) => row[name]);
    const cells = values.map((value) => (value === undefined ? '' : factCell(name, value)));
    return {
      cells: [factLabel(name, names), ...cells],
      toRight: values.every((value) => value === undefined || typeof value === 'number'),
    };
  });
  const widths = narrowed(
    columns.map(({ cells, toRight }) => ({ width: Math.max(...cells.map(cellsOf)), mayCut: !toRight })),
    width,
  );
  return Array.from({ length: rows.length + 1 }, (_, line) =>
    columns
      .map(({ cells, toRight }, column) => aligned(cells[line] ?? '', widths[column] ?? 0, toRight))
      .join(' '.repeat(GAP))
      .trimEnd(),
  );
};

const aligned = (cell: string, width: number, toRight: boolean): string => {
  const left = width - cellsOf(cell);
  return toRight && left > 0
    ? `${' '.repeat(left)}${cell}`
    : left < 0
      ? fit(cell, width)
      : padTo(cell, width);
};

/** Widths that fit together: what is missing is taken from the widest text first. A number that is cut would be another one. */
const narrowed = (
  columns: readonly { readonly width: number; readonly mayCut: boolean }[],
  width: number,
): readonly number[] => {
  const result = columns.map((column) => column.width);
  let over = result.reduce((sum, one) => sum + one, GAP * (result.length - 1)) - width;
  while (over > 0) {
    const widest = columns.reduce(
      (best, { mayCut }, at) => (mayCut && (result[at] ?? 0) > (result[best] ?? NARROWEST) ? at : best),
      -1,
    );
    if (widest < 0) break;
    result[widest] = (result[widest] ?? 0) - 1;
    over -= 1;
  }
  return result;
};
