import type { FactRow, FactValue } from '../catalog/types.ts';
import type { LookReport, ReadResult } from '../request/desk.ts';
import { neutralise } from '../request/neutralise.ts';
import type { Style } from './cli-io.ts';
import type { Page } from './page.ts';
import { oneLine } from './plain-text.ts';
import { say } from './say.ts';

/** Lines of a host's text that are shown without --full. */
const SHOWN_LINES = 40;
const SHOWN_ROWS = 40;

const STYLE: Readonly<Record<ReadResult['status'], Style>> = {
  ok: 'green',
  not_present: 'dim',
  refused: 'red',
  unreachable: 'red',
  timeout: 'yellow',
  failed: 'red',
};

/** The result of a diagnostic on each host, and the summary. */
export const lookPage = (page: Page, { results, summary }: LookReport, full: boolean): void => {
  for (const result of results) {
    const status = page.paint(STYLE[result.status], result.status);
    page.title(`${result.host}  ${result.diagnostic}`);
    page.line(
      `  ${status}  ${String(Math.round(result.duration_ms))} ms${result.code === null ? '' : `  ${result.code}`}`,
    );
    if (result.hint !== null) page.field('', result.hint);
    for (const [name, value] of Object.entries(result.facts)) factLines(page, name, value, full);
    if (result.text !== '') textLines(page, result, full);
    if (result.truncated) page.line(`  ${say('look.truncated')}`);
    if (result.redactions > 0) page.line(`  ${say('look.masked', { count: result.redactions })}`);
    if (result.suspicious) page.line(`  ${page.paint('yellow', say('look.suspicious'))}`);
  }
  page.line().line(summary);
};

const factLines = (page: Page, name: string, value: FactValue, full: boolean): void => {
  if (typeof value !== 'object') {
    page.field(name, oneLine(String(value)));
    return;
  }
  const rows: readonly FactRow[] = value;
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  page.field(name, String(rows.length));
  if (rows.length === 0) return;
  const shown = full ? rows : rows.slice(0, SHOWN_ROWS);
  page.table([columns, ...shown.map((row) => columns.map((column) => oneLine(String(row[column] ?? ''))))]);
  if (shown.length < rows.length) page.line(`  ${say('look.more', { count: rows.length - shown.length })}`);
};

const textLines = (page: Page, { host, text }: ReadResult, full: boolean): void => {
  const lines = neutralise(text).text.replace(/\n+$/u, '').split('\n');
  const shown = full ? lines : lines.slice(-SHOWN_LINES);
  page.line(`  ${page.paint('dim', say('look.text', { host }))}`).verbatim(shown.join('\n'));
  if (shown.length < lines.length) page.line(`  ${say('look.more', { count: lines.length - shown.length })}`);
};
