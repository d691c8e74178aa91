import { parseTicket } from '../request/ticket.ts';
import type { Page } from './page.ts';
import { oneLine } from './plain-text.ts';
import { say } from './say.ts';

/**
 * What a person signs to stop something: what it does, and the ticket as it is. Of several tickets the first, and of the others what is not
 * the same. One screen without a question: the passphrase that follows is the stop button.
 */
export const stopPage = (
  page: Page,
  stop: { readonly effects: string; readonly undo: string; readonly tickets: readonly string[] },
): Page => {
  const [first = '', ...others] = stop.tickets;
  page.title(say('stop.what'));
  page.field(say('catalog.effects'), oneLine(stop.effects)).field(say('catalog.undo'), oneLine(stop.undo));
  page.title(say('ticket.title')).verbatim(first.replace(/\n$/u, ''));
  const hosts = others.map((ticket) => {
    const { id, host, hostKey } = parseTicket(ticket);
    return `${host} (${id}, ${hostKey})`;
  });
  return hosts.length === 0 ? page : page.text(say('stop.same', { hosts: hosts.join(', ') }));
};
