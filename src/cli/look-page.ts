import type { LookReport, ReadResult } from '../request/desk.ts';
import { neutralise } from '../request/neutralise.ts';
import type { Style } from './cli-io.ts';
import { factLines } from './look/fact-lines.ts';
import type { Page } from './page.ts';
import { oneLine } from './plain-text.ts';
import { say } from './say.ts';

/** Lines of a host's text that are shown without --full. */
const SHOWN_LINES = 40;

const STYLE: Readonly<Record<ReadResult['status'], Style>> = {
  ok: 'green',
  not_present: 'dim',
  refused: 'red',
  unreachable: 'red',
  timeout: 'yellow',
  failed: 'red',
};

/** The result of a diagnostic on each host, and the summary. */
export const lookPage = (page: Page, { results, summary, differences }: LookReport, full: boolean): void => {
  for (const result of results) {
    const status = page.paint(STYLE[result.status], result.status);
    page.title(`${result.host}  ${result.diagnostic}`);
    page.line(
      `  ${status}  ${String(Math.round(result.duration_ms))} ms${result.code === null ? '' : `  ${result.code}`}`,
    );
    if (result.hint !== null) page.field('', result.hint);
    factLines(page, result.facts, full);
    if (result.text !== '') textLines(page, result, full);
    if (result.truncated) page.line(`  ${say('look.truncated')}`);
    if (result.redactions > 0) page.line(`  ${say('look.masked', { count: result.redactions })}`);
    if (result.suspicious.length > 0)
      page.line(`  ${page.paint('yellow', say('look.suspicious', { kinds: result.suspicious.join(', ') }))}`);
  }
  page.line().line(summary);
  if (differences.length > 0)
    page.title(say('look.differences')).verbatim(differences.map(oneLine).join('\n'));
};

const textLines = (page: Page, { host, text }: ReadResult, full: boolean): void => {
  const lines = neutralise(text).text.replace(/\n+$/u, '').split('\n');
  const shown = full ? lines : lines.slice(-SHOWN_LINES);
  page.line(`  ${page.paint('dim', say('look.text', { host }))}`).verbatim(shown.join('\n'));
  if (shown.length < lines.length) page.line(`  ${say('look.more', { count: lines.length - shown.length })}`);
};
