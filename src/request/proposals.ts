import { checkArgs, toArgList } from '../catalog/params.ts';
import type { Action, Catalog, Impact } from '../catalog/types.ts';
import { PraError } from '../errors.ts';
import { higher, type Policy } from './policy.ts';
import type { AutoSigner, Clock, Store } from './ports.ts';
import { newRequestId } from './request-id.ts';
import type { RunnerClient } from './runner-client.ts';
import { fitsTicket } from './ticket.ts';
import { ticketFor } from './ticket-for.ts';
import type { ArgList, Caller, Draft, Offer, RequestId, SignedText, StoredRequest } from './types.ts';

export interface ProposalParts {
  readonly catalog: Catalog;
  readonly policy: Policy;
  readonly runner: RunnerClient;
  readonly store: Store;
  readonly clock: Clock;
  readonly autoSigner: AutoSigner;
}

export interface Proposal {
  readonly action: string;
  readonly host: string;
  readonly args: Readonly<Record<string, unknown>>;
  readonly reason: string;
  readonly autoApprove: boolean;
  readonly impact?: Impact;
  readonly renewOf?: RequestId;
}

/** From the proposal to the first decision. DESIGN §7. */
export const DECIDE_MS = 300_000;

/**
 * Files a request: catalog → policy → the target's signed offer → store. It then waits for a person, unless the caller
 * asked for `autoApprove`, the impact is LOW and the host's own offer says that it takes the auto key for exactly this.
 */
export const propose = async (
  parts: ProposalParts,
  caller: Caller,
  proposal: Proposal,
  signal?: AbortSignal,
): Promise<StoredRequest> => {
  const actor = `${caller.principal}/${caller.client}`;
  const action = parts.catalog.actions.get(proposal.action);
  if (action === undefined)
    throw new PraError('ACTION_UNKNOWN', { names: [...parts.catalog.actions.keys()].join(', ') });
  const host = parts.policy.host(proposal.host).name;
  const least = higher(parts.policy.impactOf(action), proposal.impact ?? 'LOW');
  const args = toArgList(checkArgs(action, proposal.args));
  const reason = checkReason(proposal.reason);
  const draft: Draft = {
    id: newRequestId(),
    host,
    action: action.name,
    args,
    impact: least,
    mode: 'run',
    requester: actor,
  };
  const row = { actor, host, subject: action.name, request: draft.id } as const;
  const createdAt = parts.clock.now();
  parts.store.append({
    ...row,
    kind: 'proposal',
    code: 'PREPARE',
    detail: { args: shown(args), impact: least },
  });

  const { offer, signed } = await parts.runner.prepare(draft, signal);
  checkOffer(draft, action, offer);
  parts.store.create(
    {
      id: draft.id,
      host,
      action: action.name,
      args: offer.args,
      definition: action.digest,
      impact: offer.impact,
      requester: actor,
      reason,
      createdAt,
      decideBy: createdAt + DECIDE_MS,
      executeBy: undefined,
      offer: signed,
      rule: offer.rule,
      decidedBy: undefined,
      decisionNote: undefined,
      ticket: undefined,
      signatures: [],
      refusal: undefined,
      receipt: undefined,
      renewOf: proposal.renewOf,
    },
    {
      ...row,
      kind: 'proposal',
      code: 'PROPOSED',
      detail: { args: shown(offer.args), impact: offer.impact, rule: offer.rule },
    },
  );
  const automatic = proposal.autoApprove && parts.policy.autoApprove && offer.impact === 'LOW' && offer.auto;
  return automatic && parts.autoSigner !== undefined
    ? autoApprove(parts, parts.autoSigner, draft.id, offer, signed, reason)
    : parts.store.transition(
        draft.id,
        'ask',
        {},
        { ...row, kind: 'decision', code: 'ask', detail: { rule: offer.rule } },
      );
};

const autoApprove = async (
  parts: ProposalParts,
  sign: NonNullable<AutoSigner>,
  id: RequestId,
  offer: Offer,
  signed: SignedText,
  reason: string,
): Promise<StoredRequest> => {
  const request = parts.store.find(id);
  const ticket = ticketFor({
    request,
    offer,
    offerText: signed,
    reason,
    now: parts.clock.now(),
    ledger: parts.store.ledgerHead(),
  });
  const signature = await sign(Buffer.from(ticket));
  // The host's own word for it: `auto yes` in the offer that it signed.
  const rule = `LOW, and policy.json of ${request.host} lists ${request.action} with exactly these arguments under auto`;
  return parts.store.transition(
    id,
    'auto_approve',
    { ticket, signatures: [signature], decidedBy: 'auto', rule },
    {
      kind: 'decision',
      code: 'auto_approve',
      actor: 'mcp-pra/auto',
      host: request.host,
      subject: request.action,
      request: id,
      detail: { rule },
    },
  );
};

/** The offer must be about the draft and about the definition this catalog has; it may only raise the impact. */
const checkOffer = (draft: Draft, action: Action, offer: Offer): void => {
  const wrong = (code: string): PraError => new PraError('OFFER_INVALID', { host: draft.host, code });
  if (offer.id !== draft.id || offer.host !== draft.host || offer.action !== draft.action)
    throw wrong('OFFER_OTHER');
  if (JSON.stringify(offer.args) !== JSON.stringify(draft.args)) throw wrong('OFFER_ARGS');
  if (offer.definition !== action.digest) {
    throw new PraError('DEFINITION_DIFFERS', { host: draft.host, definition: action.name });
  }
  if (higher(offer.impact, draft.impact) !== offer.impact) throw wrong('OFFER_IMPACT');
  if (offer.mode !== draft.mode) throw wrong('OFFER_MODE');
};

const checkReason = (reason: string): string => {
  const trimmed = reason.normalize('NFC').trim();
  // 400 characters as percent-encoded in the ticket (docs/wire-protocol.md): what an approver reads on one screen.
  if (trimmed === '' || !fitsTicket(trimmed)) throw new PraError('REASON_BAD');
  return trimmed;
};

const shown = (args: ArgList): string => args.map(([name, value]) => `${name}=${value}`).join(' ');
