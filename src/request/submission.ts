import { FormError } from './form-error.ts';
import { decodeSignature, parseSshsig } from './sshsig.ts';
import { parseTicket } from './ticket.ts';
import type { SignedText, Ticket } from './types.ts';

/** Bytes of a submission. */
export const SUBMISSION_BYTES = 65_536;
const MAX_SIGNATURES = 5;
const END = '\nend\n';

/** A ticket with what vouches for it: SSHSIG blobs in base64, and the offer that it answers (a freeze answers none). */
export interface Submission {
  /** The exact bytes that were signed. */
  readonly ticketText: string;
  readonly signatures: readonly string[];
  /** Its text as bytes, one character each: what the host signed is ASCII, what somebody else sends may not be. */
  readonly offer: SignedText | undefined;
}

/** Standard input of an action word, `cancel`, `freeze`, `unfreeze`, `review` and `fence`. Throws like `parseSubmission` rather than write what no target accepts. */
export const serialiseSubmission = (submission: Submission): string => {
  const text = write(submission);
  const read = parseSubmission(text);
  const same = read.ticketText === submission.ticketText && read.offer?.text === submission.offer?.text;
  if (!same) throw new FormError('SUBMISSION_FORM', 'round trip');
  return text;
};

const write = ({ ticketText, signatures, offer }: Submission): string =>
  [
    ticketText.slice(0, -1),
    ...signatures.map((signature) => `signature ${signature}`),
    `offer ${offer === undefined ? '-' : Buffer.from(offer.text, 'latin1').toString('base64')}`,
    `offer-signature ${offer === undefined ? '-' : offer.signature}`,
    'end',
    '',
  ].join('\n');

/**
 * The frame first, then the ticket, then the blobs, in the order of docs/wire-protocol.md (steps 1 and 3). The offer's text
 * is not parsed here: it means nothing before its signature was verified.
 * Throws SIZE, SUBMISSION_FORM, TICKET_FORM, SIGNATURE_FORM, SIGNATURE_MISSING.
 */
export const parseSubmission = (bytes: Buffer | string): Submission & { readonly ticket: Ticket } => {
  if (Buffer.byteLength(bytes) > SUBMISSION_BYTES) throw new FormError('SIZE', 'submission');
  const text = typeof bytes === 'string' ? bytes : bytes.toString('latin1');
  if (!text.endsWith(END)) throw new FormError('SUBMISSION_FORM', 'end');
  const lines = text.slice(0, -END.length).split('\n');
  const offer = takeOffer(lines);
  const signatures: string[] = [];
  while (lines.at(-1)?.startsWith('signature ') === true) signatures.unshift(takeLast(lines, 'signature'));
  if (signatures.length > MAX_SIGNATURES) throw new FormError('SUBMISSION_FORM', 'signature');
  const ticketText = `${lines.join('\n')}\n`;
  const ticket = parseTicket(ticketText);
  if ((ticket.offer === undefined) !== (offer === undefined)) throw new FormError('SUBMISSION_FORM', 'offer');
  const blobs = offer === undefined ? signatures : [...signatures, offer.signature];
  for (const signature of blobs) parseSshsig(decodeSignature(signature));
  if (signatures.length === 0) throw new FormError('SIGNATURE_MISSING', 'signature');
  return { ticketText, ticket, signatures, offer };
};

/** Takes the two lines of the offer off the end; undefined when both say `-`. */
const takeOffer = (lines: string[]): SignedText | undefined => {
  if (lines.at(-1) === 'offer-signature -' && lines.at(-2) === 'offer -') {
    lines.splice(-2);
    return undefined;
  }
  const signature = takeLast(lines, 'offer-signature');
  const base64 = takeLast(lines, 'offer');
  const bytes = Buffer.from(base64, 'base64');
  if (bytes.length === 0 || bytes.toString('base64') !== base64)
    throw new FormError('SUBMISSION_FORM', 'offer');
  return { text: bytes.toString('latin1'), signature };
};

/** Takes the last line off, which must be `key <base64>`; its base64. */
const takeLast = (lines: string[], key: string): string => {
  const found = new RegExp(`^${key} ([A-Za-z0-9+/]+={0,2})$`, 'u').exec(lines.pop() ?? '');
  if (found === null) throw new FormError('SUBMISSION_FORM', key);
  return String(found[1]);
};
