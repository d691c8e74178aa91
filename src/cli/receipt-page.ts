import type { RequestView } from '../request/desk.ts';
import type { Page } from './page.ts';
import { oneLine } from './plain-text.ts';
import { say } from './say.ts';

/** The host's signed account of what it did. */
export const receiptSection = (page: Page, receipt: NonNullable<RequestView['receipt']>): void => {
  const good = receipt.state === 'SUCCEEDED';
  page.title(say('receipt.title'));
  page.field(say('receipt.state'), page.paint(good ? 'green' : 'red', receipt.state));
  page.field(say('receipt.rc'), receipt.rc === undefined ? '-' : String(receipt.rc));
  if (receipt.started !== undefined && receipt.finished !== undefined) {
    const seconds = ((receipt.durationMs ?? 0) / 1_000).toFixed(1);
    page.field(
      say('receipt.times'),
      say('receipt.duration', { started: receipt.started, finished: receipt.finished, seconds }),
    );
  }
  if (receipt.output !== undefined) {
    page.field(say('receipt.output'), say('receipt.bytes', { bytes: receipt.output.bytes }));
    hashLine(page, receipt.output.sha256);
  }
  if (receipt.verified !== undefined) {
    const [colour, verdict] = receipt.verified ? (['green', 'yes'] as const) : (['red', 'no'] as const);
    page.field(say('receipt.verified'), page.paint(colour, say(`receipt.verified_${verdict}`)));
  }
  if (receipt.evidence.length > 0) {
    page.line(`  ${page.paint('dim', say('receipt.evidence'))}`);
    for (const { diagnostic, fact, before, after } of receipt.evidence)
      page.words(`${diagnostic} ${fact}: ${valueOf(before)} → ${valueOf(after)}`);
  }
  page.field(say('receipt.ticket'), '');
  hashLine(page, receipt.ticket);
  if (receipt.previous !== undefined) {
    page.field(say('receipt.previous'), '');
    hashLine(page, receipt.previous);
  }
  if (!receipt.durable) page.line(`  ${page.paint('yellow', say('receipt.not_durable'))}`);
};

/** A fact is the host's text: on one line, without tricks. */
const valueOf = (value: string | undefined): string =>
  value === undefined ? say('receipt.unknown') : oneLine(value);

/** A hash is as long as a line may be: it gets one of its own. */
const hashLine = (page: Page, sha256: string): void => void page.line(`      sha256 ${sha256}`);
