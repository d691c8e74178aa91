import { expect, test } from 'vitest';
import { Page } from '../../../src/cli/page.ts';
import { stopPage } from '../../../src/cli/stop-page.ts';
import { parseTicket, serialiseTicket } from '../../../src/request/ticket.ts';
import { makeSigner, offeredRequest } from '../../support/signed-request.ts';
import { nthId } from '../../support/store-fixture.ts';

test('a stop is read on one screen: what it does, a ticket as it is signed, and of the others what differs', () => {
  const { ticket } = offeredRequest(makeSigner('host'), 1);
  const other = serialiseTicket({ ...parseTicket(ticket), id: nthId(9), host: 'db1' });
  const stop = { effects: 'It \u202Estops.', undo: 'Nothing.' };
  const shown = (...tickets: readonly string[]): string =>
    stopPage(new Page(300, (_, text) => text), { ...stop, tickets }).toString();
  for (const line of ticket.trimEnd().split('\n')) expect(shown(ticket)).toContain(`│ ${line}\n`);
  expect(shown(ticket)).toContain('effects     It ');
  expect(shown(ticket)).not.toContain('\u202E');
  expect(shown(ticket)).not.toContain('The others');
  expect(shown(ticket, other)).toContain(`db1 (${nthId(9)}, ${parseTicket(other).hostKey})`);
  expect(shown(ticket, other).split('mcp-pra ticket v1')).toHaveLength(2);
});
