import { PraError } from '../errors.ts';
import { neutralise } from './neutralise.ts';
import { fitsTicket } from './ticket.ts';

/**
 * A reason as one line of what can be seen: what an approver reads on the screen is what is signed. Throws REASON_BAD for none, and
 * for more than 400 characters as percent-encoded in the ticket (docs/wire-protocol.md).
 */
export const checkReason = (given: string): string => {
  const reason = neutralise(given.normalize('NFC')).text.replaceAll(/\s+/gu, ' ').trim();
  if (!fitsTicket(reason)) throw new PraError('REASON_BAD');
  return reason;
};
