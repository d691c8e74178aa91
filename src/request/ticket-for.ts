import { sha256 } from '../catalog/digest.ts';
import type { Impact } from '../catalog/types.ts';
import { ticketKindOf } from './built-in.ts';
import { serialiseTicket } from './ticket.ts';
import type { Offer, SignedText, StoredRequest } from './types.ts';
import { wireTime } from './wire-time.ts';

/** How long an approval may wait to be executed, at most: written into the ticket and kept by the store. The target goes by its own clock. */
export const EXECUTE_MS = 300_000;

/** From the first of several signatures to the last one. DESIGN §7. */
export const COSIGN_MS = 900_000;

const NAMESPACE: Readonly<Record<Impact, string>> = {
  LOW: 'mcp-pra-low',
  MEDIUM: 'mcp-pra-medium',
  HIGH: 'mcp-pra-high',
};

/** SSHSIG namespace that a person's signature needs for an impact. */
export const namespaceOf = (impact: Impact): string => NAMESPACE[impact];

/** The canonical ticket for a request and its offer: every field comes from one of the two. */
export const ticketFor = (given: {
  readonly request: StoredRequest;
  readonly offer: Offer;
  readonly offerText: SignedText;
  readonly reason: string;
  readonly now: number;
  readonly ledger: string;
  /** Of a break-glass approval. */
  readonly incident?: string | undefined;
  /** From the approval to the dispatch. Milliseconds. */
  readonly executeMs: number;
}): string => {
  const { request, offer } = given;
  const lastsMs = given.executeMs + (offer.requires.count > 1 ? COSIGN_MS : 0);
  return serialiseTicket({
    kind: ticketKindOf(request.action),
    id: request.id,
    host: offer.host,
    hostKey: offer.hostKey,
    action: offer.action,
    args: offer.args,
    definition: offer.definition,
    impact: offer.impact,
    mode: offer.mode,
    approval: given.incident === undefined ? 'normal' : 'break-glass',
    incident: given.incident,
    offer: sha256(given.offerText.text),
    plan: undefined,
    issued: wireTime(given.now),
    expires: wireTime(given.now + lastsMs),
    requester: request.requester,
    reason: given.reason,
    ledger: given.ledger,
  });
};
