import { checkArgs, toArgList } from '../catalog/params.ts';
import type { Action, Catalog, Impact } from '../catalog/types.ts';
import { PraError } from '../errors.ts';
import { mask } from './mask.ts';
import { neutralise } from './neutralise.ts';
import { actorOf } from './desk-rows.ts';
import { builtInAction, builtInArgs, isBuiltIn } from './built-in.ts';
import { namesOf, type Verdict } from './context-rules.ts';
import { higher } from './impact.ts';
import type { Policy } from './policy.ts';
import type { AutoSigner, Clock, Store } from './ports.ts';
import { checkReason } from './reason.ts';
import { newRequestId } from './request-id.ts';
import type { RunnerClient } from './runner-client.ts';
import { noteTaint, taintRule, type SessionTaint } from './session-taint.ts';
import { ticketFor } from './ticket-for.ts';
import type { ArgList, Caller, Draft, Offer, RequestId, SignedText, StoredRequest } from './types.ts';

export interface ProposalParts {
  readonly catalog: Catalog;
  readonly policy: Policy;
  readonly runner: RunnerClient;
  readonly store: Store;
  readonly clock: Clock;
  readonly autoSigner: AutoSigner;
  /** What flagged text this process has shown. */
  readonly taint: SessionTaint;
  /** From the approval to the dispatch. Milliseconds. */
  readonly executeMs: number;
  /** For the log: why the auto key could not sign. */
  readonly onError: (error: unknown) => void;
}

export interface Proposal {
  readonly action: string;
  readonly host: string;
  readonly args: Readonly<Record<string, unknown>>;
  readonly reason: string;
  readonly autoApprove: boolean;
  readonly impact?: Impact;
  readonly renewOf?: RequestId;
  readonly undoOf?: RequestId;
  /** A word of the product's own (built-in.ts) instead of an action of the catalog. Only a person asks for one. */
  readonly isBuiltIn?: boolean;
}

/** From the proposal to the first decision. DESIGN §7. */
export const DECIDE_MS = 300_000;

/**
 * Files a request: catalog → policy → the target's signed offer → store. It then waits for a person, unless the caller
 * asked for `autoApprove`, the impact is LOW, the host's own offer says that it takes the auto key for exactly this, and no
 * flagged text is in the session.
 */
export const propose = async (
  parts: ProposalParts,
  caller: Caller,
  proposal: Proposal,
  signal?: AbortSignal,
): Promise<StoredRequest> => {
  const actor = actorOf(caller);
  const action =
    proposal.isBuiltIn === true ? builtInAction(proposal.action) : parts.catalog.actions.get(proposal.action);
  if (action === undefined)
    throw new PraError('ACTION_UNKNOWN', { names: [...parts.catalog.actions.keys()].join(', ') });
  const host = parts.policy.host(proposal.host).name;
  const verdict = parts.policy.underRules({
    action: action.name,
    host,
    client: caller.client,
    now: parts.clock.now(),
  });
  const asked = higher(parts.policy.impactOf(action), proposal.impact ?? 'LOW');
  const least = higher(asked, verdict.impact);
  const args = isBuiltIn(action.name)
    ? builtInArgs(action.name, proposal.args)
    : toArgList(checkArgs(action, proposal.args));
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
  const begun = parts.store.time();
  parts.store.append({
    ...row,
    kind: 'proposal',
    code: 'PREPARE',
    detail: { args: shown(args), impact: least, ...rulesOf(verdict) },
  });

  const { offer, signed: fetched } = await parts.runner.prepare(draft, signal);
  checkOffer(draft, action, offer);
  const rule = ruleOf(offer, verdict);
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
      offeredAt: parts.store.time(),
      decideBy: begun + DECIDE_MS,
      executeBy: undefined,
      offer: fetched,
      rule,
      decidedBy: undefined,
      decisionNote: undefined,
      ticket: undefined,
      signatures: [],
      approvals: [],
      dispatcher: undefined,
      dispatchedAt: undefined,
      isClaimed: false,
      ending: undefined,
      incident: undefined,
      refusal: undefined,
      receipt: undefined,
      renewOf: proposal.renewOf,
      undoOf: proposal.undoOf,
    },
    {
      ...row,
      kind: 'proposal',
      code: 'PROPOSED',
      detail: { args: shown(offer.args), impact: offer.impact, rule },
    },
  );
  // Of the session as it is now: what was read while the host was asked counts.
  const taint = parts.taint.first;
  if (taint !== undefined) noteTaint(parts.store, row, taint);
  const automatic =
    proposal.autoApprove &&
    parts.policy.autoApprove &&
    offer.impact === 'LOW' &&
    offer.auto &&
    parts.store.freezes.holding(host) === undefined;
  if (automatic && parts.autoSigner !== undefined && taint !== undefined)
    return askPerson(parts, row, `${taintRule(taint)}; of the host: ${rule}`);
  const signed = automatic ? await autoSign(parts, draft.id, offer, fetched, reason) : undefined;
  if (signed === 'failed') return askPerson(parts, row, `${rule}; the auto key could not sign`);
  return signed === undefined ? askPerson(parts, row, rule) : autoApprove(parts, row, signed);
};

/** What every ledger row of a proposal says. */
interface Row {
  readonly actor: string;
  readonly host: string;
  readonly subject: string;
  readonly request: RequestId;
}

interface AutoSigned {
  readonly ticket: string;
  readonly signature: string;
}

const askPerson = (parts: ProposalParts, row: Row, rule: string): StoredRequest =>
  parts.store.transition(
    row.request,
    'ask',
    { rule },
    { ...row, kind: 'decision', code: 'ask', detail: { rule } },
  );

/** Undefined without an auto key. One that does not sign must not lose the request: a person can still decide. */
const autoSign = async (
  parts: ProposalParts,
  id: RequestId,
  offer: Offer,
  offerText: SignedText,
  reason: string,
): Promise<AutoSigned | 'failed' | undefined> => {
  if (parts.autoSigner === undefined) return undefined;
  const ticket = ticketFor({
    request: parts.store.find(id),
    offer,
    offerText,
    reason,
    now: parts.clock.now(),
    ledger: parts.store.ledgerHead(),
    executeMs: parts.executeMs,
  });
  try {
    return { ticket, signature: await parts.autoSigner(Buffer.from(ticket)) };
  } catch (error) {
    parts.onError(error);
    return 'failed';
  }
};

const autoApprove = (parts: ProposalParts, row: Row, { ticket, signature }: AutoSigned): StoredRequest => {
  // The host's own word for it: `auto yes` in the offer that it signed.
  const rule = `LOW, and policy.json of ${row.host} lists ${row.subject} with exactly these arguments under auto`;
  return parts.store.transition(
    row.request,
    'auto_approve',
    { ticket, signatures: [signature], decidedBy: 'auto', rule },
    { ...row, kind: 'decision', code: 'auto_approve', actor: 'mcp-pra/auto', detail: { rule } },
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

/**
 * Which rule asks for whom: those of this machine first, then the host's words, which go into the ledger, so that they are fit for it
 * and short.
 */
const ruleOf = (offer: Offer, { raisedBy }: Verdict): string => {
  const host = mask(neutralise(offer.rule).text.replaceAll(/\s+/gu, ' ')).text.slice(0, 200).toWellFormed();
  return raisedBy.length === 0 ? host : `rules of this machine: ${namesOf(raisedBy)}; of the host: ${host}`;
};

const rulesOf = ({ raisedBy }: Verdict): { readonly rules?: string } =>
  raisedBy.length === 0 ? {} : { rules: namesOf(raisedBy) };

const shown = (args: ArgList): string => mask(args.map(([name, value]) => `${name}=${value}`).join(' ')).text;
