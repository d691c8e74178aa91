import { readArgs, writeArgs } from './arg-lines.ts';
import { decodePercent, encodePercent, PERCENT } from './percent.ts';
import { choice, field, hexOf, IMPACT, MODE, word, type StrictLines } from './strict-lines.ts';
import { textForm } from './text-form.ts';
import type { Ticket } from './types.ts';
import { TIME, wireSeconds } from './wire-time.ts';

const KIND = choice('kind', 'action', 'cancel', 'freeze', 'unfreeze', 'review');
const ID = field('id', word.id);
const HOST = field('host', word.host);
const HOST_KEY = field('host-key', word.fingerprint);
const ACTION = field('action', word.name);
const DEFINITION = field('definition', word.digest);
const APPROVAL = field('approval', `(?:normal|break-glass ${word.incident})`);
const OFFER = field('offer', `(?:-|${word.digest})`);
const PLAN = field('plan', `(?:-|${word.digest} [1-9][0-9]?/[1-9][0-9]?)`);
const ISSUED = field('issued', TIME);
const EXPIRES = field('expires', TIME);
const REQUESTER = field('requester', word.actor);
const REASON = field('reason', PERCENT);
const LEDGER = field('ledger', word.digest);

/** Bytes of a reason as written, that is percent-encoded. */
export const REASON_BYTES = 400;
/** Seconds from `issued` to `expires`, at most. */
export const TICKET_SECONDS = 1_500;
/** Bytes of a ticket. */
export const TICKET_BYTES = 8_192;

const form = textForm<Ticket>({
  title: 'mcp-pra ticket v1',
  code: 'TICKET_FORM',
  maxBytes: TICKET_BYTES,
  read: (lines) => {
    const ticket: Ticket = {
      kind: lines.choice(KIND),
      id: lines.one(ID),
      host: lines.one(HOST),
      hostKey: lines.one(HOST_KEY),
      action: lines.one(ACTION),
      args: readArgs(lines),
      definition: lines.digest(DEFINITION),
      impact: lines.choice(IMPACT),
      mode: lines.choice(MODE),
      ...readApproval(lines),
      offer: readOffer(lines),
      plan: readPlan(lines),
      issued: lines.time(ISSUED),
      expires: lines.time(EXPIRES),
      requester: lines.one(REQUESTER),
      reason: readReason(lines),
      ledger: lines.digest(LEDGER),
    };
    const seconds = (wireSeconds(ticket.expires) ?? 0) - (wireSeconds(ticket.issued) ?? 0);
    if (seconds <= 0 || seconds > TICKET_SECONDS) throw lines.error('expires');
    // A freeze must not need a host that answers: it alone goes without an offer, and never has one.
    if ((ticket.kind === 'freeze') !== (ticket.offer === undefined)) throw lines.error('offer');
    return ticket;
  },
  write: (ticket) => [
    `kind ${ticket.kind}`,
    `id ${ticket.id}`,
    `host ${ticket.host}`,
    `host-key ${ticket.hostKey}`,
    `action ${ticket.action}`,
    ...writeArgs(ticket.args),
    `definition sha256:${ticket.definition}`,
    `impact ${ticket.impact}`,
    `mode ${ticket.mode}`,
    ticket.incident === undefined
      ? `approval ${ticket.approval}`
      : `approval ${ticket.approval} ${ticket.incident}`,
    ticket.offer === undefined ? 'offer -' : `offer sha256:${ticket.offer}`,
    ticket.plan === undefined
      ? 'plan -'
      : `plan sha256:${ticket.plan.root} ${String(ticket.plan.step)}/${String(ticket.plan.of)}`,
    `issued ${ticket.issued}`,
    `expires ${ticket.expires}`,
    `requester ${ticket.requester}`,
    `reason ${encodePercent(ticket.reason)}`,
    `ledger sha256:${ticket.ledger}`,
  ],
});

const readApproval = (lines: StrictLines): Pick<Ticket, 'approval' | 'incident'> => {
  const [approval, incident] = lines.one(APPROVAL).split(' ');
  return approval === 'normal'
    ? { approval, incident: undefined }
    : { approval: 'break-glass', incident: String(incident) };
};

const readOffer = (lines: StrictLines): string | undefined => {
  const offer = lines.one(OFFER);
  return offer === '-' ? undefined : hexOf(offer);
};

const readPlan = (lines: StrictLines): Ticket['plan'] => {
  const found = /^sha256:(\w{64}) (\d+)\/(\d+)$/u.exec(lines.one(PLAN));
  if (found === null) return undefined;
  const plan = { root: String(found[1]), step: Number(found[2]), of: Number(found[3]) };
  if (plan.step > plan.of) throw lines.error('plan');
  return plan;
};

const readReason = (lines: StrictLines): string => {
  const written = lines.one(REASON);
  if (written.length > REASON_BYTES) throw lines.error('reason');
  return decodePercent(written);
};

/** The text that approvers sign. Throws TICKET_FORM. */
export const parseTicket = form.parse;
export const serialiseTicket = form.serialise;

/** Whether a reason, percent-encoded, fits into a ticket. */
export const fitsTicket = (reason: string): boolean => {
  if (reason === '' || !reason.isWellFormed()) return false;
  return encodePercent(reason).length <= REASON_BYTES;
};
