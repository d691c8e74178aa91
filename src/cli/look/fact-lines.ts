import type { FactRow, Facts } from '../../catalog/types.ts';
import type { Page } from '../page.ts';
import { say } from '../say.ts';
import { factCell, factLabel } from './fact-cell.ts';
import { factTable } from './fact-table.ts';

/** Rows of a table that are shown without --full. */
const SHOWN_ROWS = 40;
/** Columns for the names of facts, at most; longer ones stand on a line of their own. */
const LONGEST_LABEL = 28;

/** The facts of a diagnostic: single ones as a list, tables below; `full` cuts nothing. */
export const factLines = (page: Page, facts: Facts, full: boolean): void => {
  const singles = Object.entries(facts).filter(
    (entry): entry is [string, string | number | boolean] => typeof entry[1] !== 'object',
  );
  const names = singles.map(([name]) => name);
  const labels = names.map((name) => factLabel(name, names));
  const columns = Math.min(LONGEST_LABEL, Math.max(0, ...labels.map(({ length }) => length))) + 2;
  for (const [index, [name, value]] of singles.entries())
    page.field(labels[index] ?? name, factCell(name, value), columns);
  for (const [name, value] of Object.entries(facts))
    if (typeof value === 'object') rowLines(page, name, value, full);
};

const rowLines = (page: Page, name: string, rows: readonly FactRow[], full: boolean): void => {
  page.line(`  ${page.paint('dim', `${name} (${String(rows.length)})`)}`);
  if (rows.length === 0) return;
  const shown = full ? rows : rows.slice(0, SHOWN_ROWS);
  const [head = '', ...lines] = factTable(shown, full ? Infinity : page.tableWidth - 4);
  page.line(`    ${page.paint('dim', head)}`);
  for (const line of lines) page.line(`    ${line}`);
  if (shown.length < rows.length) page.line(`  ${say('look.more', { count: rows.length - shown.length })}`);
};
