import { describe, expect, it } from 'vitest';
import { sshString, sshUint32 } from '../../../src/request/ssh-reader.ts';
import { parseSubmission, serialiseSubmission, type Submission } from '../../../src/request/submission.ts';
import { serialiseOffer } from '../../../src/request/offer.ts';
import { serialiseTicket } from '../../../src/request/ticket.ts';
import { sampleOffer, sampleTicket } from '../../support/sample-texts.ts';

// Well-formed, and signed by nobody.
const blob = (fill: number): string => {
  const key = Buffer.concat([sshString('ssh-ed25519'), sshString(Buffer.alloc(32, fill))]);
  const inner = Buffer.concat([sshString('ssh-ed25519'), sshString(Buffer.alloc(64, fill))]);
  const parts = [key, 'mcp-pra-low', '', 'sha512', inner].map((part) => sshString(part));
  return Buffer.concat([Buffer.from('SSHSIG'), sshUint32(1), ...parts]).toString('base64');
};

const offer = { text: serialiseOffer(sampleOffer), signature: blob(3) };
const good: Submission = {
  ticketText: serialiseTicket(sampleTicket),
  signatures: [blob(1), blob(2)],
  offer,
};
const text = serialiseSubmission(good);

describe('a submission', () => {
  it('comes back with the exact ticket bytes', () => {
    expect(parseSubmission(Buffer.from(text))).toEqual({ ...good, ticket: sampleTicket });
  });

  it.each([
    ['a ticket without its last line end', { ...good, ticketText: good.ticketText.slice(0, -1) }],
    ['a ticket with something after it', { ...good, ticketText: `${good.ticketText}signature ${blob(4)}\n` }],
    ['six signatures', { ...good, signatures: Array.from({ length: 6 }, () => blob(1)) }],
    ['a signature with a line end', { ...good, signatures: [`${blob(1)}\nend`] }],
    ['an offer beyond bytes', { ...good, offer: { ...offer, text: `${offer.text}\u2028` } }],
    ['no signature', { ...good, signatures: [] }],
    ['no offer', { ...good, offer: undefined }],
    ['an offer without text', { ...good, offer: { ...offer, text: '' } }],
  ])('cannot be written with %s', (_, wrong) => {
    expect(() => serialiseSubmission(wrong)).toThrow(/TICKET_FORM|SUBMISSION_FORM|SIGNATURE_MISSING/u);
  });

  it('can have five signatures', () => {
    const five = { ...good, signatures: Array.from({ length: 5 }, (_, at) => blob(at)) };
    expect(parseSubmission(serialiseSubmission(five)).signatures).toHaveLength(5);
  });
});
