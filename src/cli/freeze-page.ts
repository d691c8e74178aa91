import type { FreezeStatus } from '../request/freeze-desk.ts';
import type { Style } from './cli-io.ts';
import type { Page } from './page.ts';
import { oneLine } from './plain-text.ts';
import { say } from './say.ts';

const STYLE: Readonly<Record<FreezeStatus['orders'][number]['state'], Style>> = {
  CONFIRMED: 'green',
  WAITING: 'yellow',
  REFUSED: 'red',
  WITHDRAWN: 'dim',
};

/** What is frozen on this machine, by whom and why, and what each host has said to its order. */
export const freezePage = (page: Page, { freezes, orders }: FreezeStatus): Page => {
  if (freezes.length === 0) page.line(say('freeze.none'));
  freezeLines(page, freezes);
  if (orders.length > 0) page.title(say('freeze.orders'));
  for (const { host, state, principal, code } of orders) {
    const isVolatile = code === 'NOT_DURABLE';
    const key = isVolatile ? 'volatile' : (state.toLowerCase() as Lowercase<typeof state>);
    const text = say(`freeze.${key}`, { host, principal, code: code ?? '-' });
    page.line(`  ${page.paint(isVolatile ? 'yellow' : STYLE[state], text)}`);
  }
  if (orders.some(({ state }) => state === 'WAITING')) page.line(say('freeze.retry'));
  return page;
};

/** Each freeze of this machine, by whom and why; also above other screens. Nothing when there is none. */
export const freezeLines = (page: Page, freezes: FreezeStatus['freezes']): Page => {
  for (const { host, since, by, reason, released } of freezes) {
    const where = host ?? say('freeze.every');
    page.line(
      page.paint('red', say('freeze.line', { host: where, since: new Date(since).toISOString(), by })),
    );
    page.words(oneLine(reason));
    if (released.length > 0) page.line(`  ${say('freeze.released', { hosts: released.join(', ') })}`);
  }
  return page;
};
