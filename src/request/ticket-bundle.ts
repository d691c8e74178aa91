import { ticketKindOf } from './built-in.ts';
import { FormError } from './form-error.ts';
import { field, word } from './strict-lines.ts';
import { decodeSignature, fingerprint, parseSshsig } from './sshsig.ts';
import { parseSubmission, serialiseSubmission } from './submission.ts';
import { readBlock, writeBlock } from './text-block.ts';
import { textForm } from './text-form.ts';
import type { Approval, SignedText, StoredRequest, Ticket } from './types.ts';
import { wireSeconds } from './wire-time.ts';

/** What a second approver gets: the ticket with the offer that it answers, and who has signed it so far. */
export interface TicketBundle {
  readonly ticketText: string;
  readonly ticket: Ticket;
  readonly offer: SignedText;
  readonly signatures: readonly { readonly principal: string; readonly signature: string }[];
}

const TITLE = 'mcp-pra cosign v1';
const PRINCIPAL = '[A-Za-z0-9@._-]{1,64}';
const SIGNER = new RegExp(`^signer (${PRINCIPAL})$`, 'u');

/** The bundle as a block for a chat or a mail: its signers, then what the host would get (submission.ts). Throws FormError. */
export const writeBundle = (bundle: Omit<TicketBundle, 'ticket'>): string =>
  writeBlock('TICKET', write(bundle));

const write = ({ ticketText, offer, signatures }: Omit<TicketBundle, 'ticket'>): string =>
  [
    TITLE,
    ...signatures.map(({ principal }) => `signer ${principal}`),
    serialiseSubmission({ ticketText, offer, signatures: signatures.map(({ signature }) => signature) }),
  ].join('\n');

/** Reads it. Nothing in it is verified yet, but its form: no signature, no offer. Throws FormError. */
export const readBundle = (input: string): TicketBundle => {
  const lines = readBlock('TICKET', input).split('\n');
  if (lines.shift() !== TITLE) throw new FormError('BLOCK_FORM', 'title');
  const signers: string[] = [];
  for (
    let name = SIGNER.exec(lines[0] ?? '')?.[1];
    name !== undefined;
    name = SIGNER.exec(lines[0] ?? '')?.[1]
  ) {
    signers.push(name);
    lines.shift();
  }
  const { ticketText, ticket, offer, signatures } = parseSubmission(lines.join('\n'));
  // A break-glass approval is one person's alone: no second signature may ever be asked for under it.
  if (offer === undefined || ticket.approval !== 'normal' || ticket.kind !== ticketKindOf(ticket.action))
    throw new FormError('BLOCK_FORM', 'kind');
  if (signers.length !== signatures.length) throw new FormError('BLOCK_FORM', 'signer');
  return {
    ticketText,
    ticket,
    offer,
    signatures: signatures.map((signature, index) => ({ principal: String(signers[index]), signature })),
  };
};

/** The bundle as the request that it is about, on a machine that has none. Its times are those of other clocks: labels only. */
export const requestOf = ({ ticket, ticketText, offer, signatures }: TicketBundle): StoredRequest => {
  const issued = (wireSeconds(ticket.issued) ?? 0) * 1_000;
  return {
    id: ticket.id,
    state: 'PENDING',
    host: ticket.host,
    action: ticket.action,
    args: ticket.args,
    definition: ticket.definition,
    impact: ticket.impact,
    requester: ticket.requester,
    reason: ticket.reason,
    createdAt: issued,
    offeredAt: issued,
    decideBy: issued,
    executeBy: undefined,
    updatedAt: issued,
    offer,
    rule: undefined,
    decidedBy: undefined,
    decisionNote: undefined,
    ticket: ticketText,
    signatures: signatures.map(({ signature }) => signature),
    approvals: signatures.map(({ principal, signature }): Approval => ({
      principal,
      key: fingerprint(parseSshsig(decodeSignature(signature)).publicKey),
      way: 'cosigned',
    })),
    dispatcher: undefined,
    dispatchedAt: undefined,
    isClaimed: false,
    ending: undefined,
    incident: ticket.incident,
    refusal: undefined,
    receipt: undefined,
    renewOf: undefined,
    undoOf: undefined,
  };
};

/** One person's signature on its way back. */
export interface Cosignature {
  readonly id: string;
  /** SHA-256 of the ticket that was signed, hex. */
  readonly ticket: string;
  readonly principal: string;
  /** Base64 SSHSIG blob. */
  readonly signature: string;
}

const ID = field('id', word.id);
const TICKET = field('ticket', word.digest);
const BY = field('signer', PRINCIPAL);
const SIGNATURE = field('signature', '[A-Za-z0-9+/]+={0,2}');

const cosignature = textForm<Cosignature>({
  title: 'mcp-pra cosignature v1',
  code: 'BLOCK_FORM',
  maxBytes: 16_384,
  read: (lines) => {
    const read = {
      id: lines.one(ID),
      ticket: lines.digest(TICKET),
      principal: lines.one(BY),
      signature: lines.one(SIGNATURE),
    };
    parseSshsig(decodeSignature(read.signature));
    return read;
  },
  write: ({ id, ticket, principal, signature }) => [
    `id ${id}`,
    `ticket sha256:${ticket}`,
    `signer ${principal}`,
    `signature ${signature}`,
  ],
});

/** The signature as a block. Throws FormError. */
export const writeCosignature = (value: Cosignature): string =>
  writeBlock('SIGNATURE', cosignature.serialise(value));

/** Reads it; whether it verifies is another question. Throws FormError. */
export const readCosignature = (input: string): Cosignature =>
  cosignature.parse(readBlock('SIGNATURE', input));
