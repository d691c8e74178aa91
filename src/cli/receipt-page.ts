import type { RequestView } from '../request/desk.ts';
import type { Page } from './page.ts';
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
  page.field(say('receipt.ticket'), '');
  hashLine(page, receipt.ticket);
  if (receipt.previous !== undefined) {
    page.field(say('receipt.previous'), '');
    hashLine(page, receipt.previous);
  }
  if (!receipt.durable) page.line(`  ${page.paint('yellow', say('receipt.not_durable'))}`);
};

/** A hash is as long as a line may be: it gets one of its own. */
const hashLine = (page: Page, sha256: string): void => void page.line(`      sha256 ${sha256}`);
