import { sha256 } from '../catalog/digest.ts';
import { PraError } from '../errors.ts';
import { isBuiltIn, ticketKindOf } from './built-in.ts';
import { keyThatSigned } from './key-that-signed.ts';
import type { RequestPatch } from './ports.ts';
import { decodeSignature, parseSshsig, type Sshsig } from './sshsig.ts';
import { namespaceOf } from './ticket-for.ts';
import { parseTicket } from './ticket.ts';
import type { Approval, Offer, StoredRequest, Ticket } from './types.ts';

/** A signature that somebody made under a ticket, and who says to have made it: which key is whose, only the target knows. */
export interface Signed {
  readonly principal: string;
  /** Base64 SSHSIG blob. */
  readonly signature: string;
  readonly way: Approval['way'];
}

/** How many people have to sign: what the host asks for in its offer; for one incident it takes one. */
export const neededFor = (offer: Offer, { approval }: Pick<Ticket, 'approval'>): number =>
  approval === 'break-glass' ? 1 : offer.requires.count;

/**
 * What one more signature makes of a pending request: `cosign` while more are needed, `approve` with the last one. The first signature
 * fixes the ticket. `offer` is the request's own, verified. Throws SIGNATURE_INVALID, SIGNED_MEANWHILE, REQUESTER_SIGNED, SIGNER_TWICE and
 * what `refuseKey` throws.
 */
export const addSignature = (
  request: StoredRequest,
  offer: Offer,
  ticketText: string,
  signed: Signed,
): { readonly event: 'cosign' | 'approve'; readonly patch: RequestPatch; readonly approval: Approval } => {
  const ticket = ticketAbout(request, offer, ticketText);
  if (ticket === undefined) throw new PraError('SIGNATURE_INVALID');
  if (request.ticket !== undefined && request.ticket !== ticketText)
    throw new PraError('SIGNED_MEANWHILE', { id: request.id });
  const needed = neededFor(offer, ticket);
  const { principal, signature, way } = signed;
  const approval = { principal, key: keyThatSigned(ticketText, signature, namespaceOf(ticket.impact)), way };
  refuseSigner(request, needed, approval);
  refuseKey(offer, parseSshsig(decodeSignature(signature)).securityKey);
  const approvals = [...request.approvals, approval];
  const patch = { ticket: ticketText, signatures: [...request.signatures, signature], approvals };
  if (approvals.length < needed) return { event: 'cosign', patch, approval };
  const decidedBy = approvals.map((one) => one.principal).join(', ');
  return { event: 'approve', patch: { ...patch, decidedBy }, approval };
};

/**
 * Whether a person may sign at all: before anybody reads or types for nothing. Who asked does not count among several, but for what no
 * model can ask for (built-in.ts): there a person asked, and is one of them. Throws REQUESTER_SIGNED, SIGNER_TWICE.
 */
export const refuseSigner = (
  { id, action, requester, approvals }: Pick<StoredRequest, 'id' | 'action' | 'requester' | 'approvals'>,
  needed: number,
  signer: { readonly principal: string; readonly key?: string },
): void => {
  const { principal, key } = signer;
  if (needed > 1 && !isBuiltIn(action) && principal === principalOf(requester))
    throw new PraError('REQUESTER_SIGNED', { id });
  if (approvals.some((one) => one.principal === principal || one.key === key))
    throw new PraError('SIGNER_TWICE', { id });
};

/**
 * Whether the host takes a signature of this key: what it asks for in its offer, and of a security key that its person was there. Undefined
 * is a software key. Throws SECURITY_KEY_REQUIRED, PRESENCE_MISSING, VERIFICATION_MISSING.
 */
export const refuseKey = ({ id, host, requires: { signer } }: Offer, key: Sshsig['securityKey']): void => {
  if (signer !== 'software-key' && key === undefined)
    throw new PraError('SECURITY_KEY_REQUIRED', { id, host, signer });
  if (key?.present === false) throw new PraError('PRESENCE_MISSING', { id });
  if (signer === 'sk-uv' && key?.verified !== true) throw new PraError('VERIFICATION_MISSING', { id, host });
};

/**
 * Checks before the dispatch that what is stored is still what was approved: offer, ticket and signatures agree byte for byte, and there
 * are enough of them. `offer` is the stored one, verified. Throws APPROVAL_BROKEN.
 */
export const requireIntact = (request: StoredRequest, offer: Offer): void => {
  const broken = new PraError('APPROVAL_BROKEN', { id: request.id });
  if (request.state !== 'AUTO_APPROVED') {
    const ticket = requireGenuine(request, offer);
    if (request.approvals.length < neededFor(offer, ticket)) throw broken;
    return;
  }
  const { ticket: text = '', signatures, approvals } = request;
  const ticket = ticketAbout(request, offer, text);
  if (ticket === undefined || !offer.auto || signatures.length !== 1 || approvals.length > 0) throw broken;
  asBroken(request, () => keyThatSigned(text, String(signatures[0]), 'mcp-pra-auto'));
};

/**
 * The request's ticket, if it is about its offer and each of its signatures is that of the person and key beside it, none of them twice.
 * Throws APPROVAL_BROKEN.
 */
export const requireGenuine = (request: StoredRequest, offer: Offer): Ticket =>
  asBroken(request, (broken) => {
    const { ticket: text = '', signatures, approvals } = request;
    const ticket = ticketAbout(request, offer, text);
    if (ticket === undefined || approvals.length !== signatures.length) throw broken;
    for (const [index, approval] of approvals.entries()) {
      refuseSigner({ ...request, approvals: approvals.slice(0, index) }, neededFor(offer, ticket), approval);
      const key = keyThatSigned(text, String(signatures[index]), namespaceOf(ticket.impact));
      if (key !== approval.key) throw broken;
    }
    return ticket;
  });

const asBroken = <T>({ id }: StoredRequest, work: (broken: PraError) => T): T => {
  const broken = new PraError('APPROVAL_BROKEN', { id });
  try {
    return work(broken);
  } catch (error) {
    throw error instanceof PraError ? broken : error;
  }
};

/** The ticket, if it is about exactly this request and this offer; undefined for any other text. */
export const ticketAbout = (
  request: Pick<
    StoredRequest,
    'id' | 'host' | 'action' | 'args' | 'definition' | 'requester' | 'reason' | 'offer'
  >,
  offer: Offer,
  text: string,
): Ticket | undefined => {
  let ticket: Ticket;
  try {
    ticket = parseTicket(text);
  } catch {
    return undefined;
  }
  const shared = ['id', 'host', 'action', 'args', 'definition'] as const;
  const same =
    ticket.kind === ticketKindOf(request.action) &&
    shared.every((key) => isSame(ticket[key], offer[key]) && isSame(ticket[key], request[key])) &&
    (['hostKey', 'impact', 'mode'] as const).every((key) => ticket[key] === offer[key]) &&
    ticket.offer === sha256(request.offer?.text ?? '') &&
    ticket.requester === request.requester &&
    ticket.reason === request.reason;
  return same ? ticket : undefined;
};

const isSame = (one: unknown, other: unknown): boolean => JSON.stringify(one) === JSON.stringify(other);

const principalOf = (requester: string): string => requester.slice(0, requester.indexOf('/'));
