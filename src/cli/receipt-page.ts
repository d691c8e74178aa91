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
  if (receipt.output !== undefined)
    page.field(say('receipt.output'), say('receipt.output_value', receipt.output));
  page.field(say('receipt.ticket'), `sha256 ${receipt.ticket}`);
  if (receipt.previous !== undefined) page.field(say('receipt.previous'), `sha256 ${receipt.previous}`);
  if (!receipt.durable) page.line(`  ${page.paint('yellow', say('receipt.not_durable'))}`);
};
