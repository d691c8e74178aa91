import { undoOf } from '../catalog/undo.ts';
import type { Catalog } from '../catalog/types.ts';
import { PraError } from '../errors.ts';
import { actorOf, rowAbout } from './desk-rows.ts';
import type { PersonDesk, RequestView, WaitOptions } from './desk.ts';
import { hostTakesUntil } from './host-window.ts';
import { higher } from './impact.ts';
import { keyThatSigned } from './key-that-signed.ts';
import { mask } from './mask.ts';
import type { Clock, Store } from './ports.ts';
import type { Proposal } from './proposals.ts';
import { checkReason } from './reason.ts';
import type { Runs } from './runs.ts';
import { EXECUTE_MS, namespaceOf } from './ticket-for.ts';
import { parseTicket, serialiseTicket } from './ticket.ts';
import type { Caller, RequestId, State, StoredRequest } from './types.ts';
import { wireTime } from './wire-time.ts';

/** A ticket that stops a run, to be signed. */
export interface CancelDraft {
  readonly id: RequestId;
  readonly ticket: string;
  readonly namespace: string;
}

/** States in which a run may be going on. */
const STOPPABLE: readonly State[] = ['DISPATCHING', 'RUNNING', 'UNKNOWN'];
/** States of a request whose action was run, to its end or not. */
const RAN: readonly State[] = ['SUCCEEDED', 'FAILED', 'VERIFY_FAILED', 'INTERRUPTED'];

const conflict = ({ id, state }: StoredRequest, event: string): PraError =>
  new PraError('STATE_CONFLICT', { id, state, event });

/**
 * The ticket of the run once more, with `kind cancel` and what is new about it. The host asks for one person at MEDIUM, or at the run's
 * impact when that is higher. Throws STATE_CONFLICT, NOT_CANCELLABLE, REASON_BAD.
 */
export const cancelDraft = (
  parts: { readonly catalog: Catalog; readonly store: Store; readonly clock: Clock },
  caller: Caller,
  request: StoredRequest,
  reason: string,
): CancelDraft => {
  const { catalog, store, clock } = parts;
  if (!STOPPABLE.includes(request.state) || request.ticket === undefined) throw conflict(request, 'cancel');
  // The host decides by what it started; this spares the person a passphrase for nothing.
  if (catalog.actions.get(request.action)?.cancellable !== true)
    throw new PraError('NOT_CANCELLABLE', { action: request.action, host: request.host });
  const impact = higher('MEDIUM', request.impact);
  const now = clock.now();
  const ticket = serialiseTicket({
    ...parseTicket(request.ticket),
    kind: 'cancel',
    impact,
    approval: 'normal',
    incident: undefined,
    issued: wireTime(now),
    expires: wireTime(now + EXECUTE_MS),
    requester: actorOf(caller),
    reason: checkReason(reason),
    ledger: store.ledgerHead(),
  });
  return { id: request.id, ticket, namespace: namespaceOf(impact) };
};

/** Writes down who stops a run, and has its host do it. Throws SIGNATURE_INVALID, TARGET_REFUSED and what the channel throws. */
export const cancelRun = async (
  parts: { readonly store: Store; readonly runs: Runs },
  caller: Caller,
  draft: CancelDraft,
  signed: { readonly principal: string; readonly signature: string },
  signal?: AbortSignal,
): Promise<void> => {
  const { store, runs } = parts;
  const request = store.find(draft.id);
  const { ticket, namespace } = draft;
  const key = keyThatSigned(ticket, signed.signature, namespace);
  const { kind, id, reason } = parseTicket(ticket);
  if (kind !== 'cancel' || id !== request.id) throw new PraError('SIGNATURE_INVALID');
  const detail = { approver: signed.principal, key, reason: mask(reason).text };
  store.append(rowAbout(request, { ...caller, principal: signed.principal }, 'decision', 'CANCEL', detail));
  await runs.cancel(request, { ticket, signature: signed.signature }, signal);
};

/** What would take a run back; undefined where the definition that ran declares nothing, or the run has not ended. */
export const undoProposal = (
  catalog: Catalog,
  request: StoredRequest,
): Pick<Proposal, 'action' | 'args'> | undefined => {
  const action = catalog.actions.get(request.action);
  if (action === undefined || action.digest !== request.definition || !RAN.includes(request.state))
    return undefined;
  return undoOf(action, new Map(request.args));
};

/** The same for a person who asks for it. Throws STATE_CONFLICT, DEFINITION_DIFFERS, UNDO_NONE. */
export const requireUndo = (catalog: Catalog, request: StoredRequest): Pick<Proposal, 'action' | 'args'> => {
  const { action: name, host } = request;
  if (!RAN.includes(request.state)) throw conflict(request, 'undo');
  const action = catalog.actions.get(name);
  if (action !== undefined && action.digest !== request.definition)
    throw new PraError('DEFINITION_DIFFERS', { host, definition: name });
  const undo = undoProposal(catalog, request);
  if (undo === undefined) throw new PraError('UNDO_NONE', { action: name });
  return undo;
};

/** What these calls need of the desk. */
export interface StopsParts {
  readonly catalog: Catalog;
  readonly store: Store;
  readonly clock: Clock;
  readonly runs: Runs;
  /** Counts the call and writes its refusal down. */
  guarded<T>(caller: Caller, subject: string, work: () => Promise<T>): Promise<T>;
  guardedNow<T>(caller: Caller, subject: string, work: () => T): T;
  /** A request as it is now, what is overdue being closed first. */
  current(id: string): StoredRequest;
  outcome(id: RequestId, options: WaitOptions): Promise<RequestView>;
  propose(caller: Caller, proposal: Proposal, options: WaitOptions): Promise<RequestView>;
  view(id: RequestId): RequestView;
}

/** The calls of a person's desk that stop, lift, look back or take back. */
export const openStops = (
  parts: StopsParts,
): Pick<PersonDesk, 'ask' | 'undo' | 'cancelDraft' | 'cancel' | 'close'> => ({
  close: (caller, id, reason, options = {}) =>
    parts.guarded(caller, 'close', async () => {
      const decisionNote = checkReason(reason);
      // The host's own word is asked for first, and goes before a person's.
      await parts.runs.settle(parts.current(id).id, options);
      const request = parts.current(id);
      if (request.state !== 'UNKNOWN') throw conflict(request, 'close');
      const left = hostTakesUntil(request) - parts.store.time();
      if (left >= 0) throw new PraError('CLOSE_EARLY', { id: request.id, seconds: Math.ceil(left / 1_000) });
      const row = rowAbout(request, caller, 'decision', 'close', { reason: mask(decisionNote).text });
      parts.store.transition(request.id, 'close', { decisionNote }, row);
      return parts.view(request.id);
    }),
  ask: (caller, { word, ...query }, options = {}) =>
    parts.guarded(caller, word, () =>
      parts.propose(caller, { ...query, action: word, autoApprove: false, isBuiltIn: true }, options),
    ),
  undo: (caller, id, reason, options = {}) =>
    parts.guarded(caller, 'undo', async () => {
      const done = parts.current(id);
      const undo = requireUndo(parts.catalog, done);
      const about = { host: done.host, reason, autoApprove: false, undoOf: done.id };
      return parts.propose(caller, { ...undo, ...about }, options);
    }),
  cancelDraft: (caller, id, reason) =>
    parts.guardedNow(caller, 'cancel', () => cancelDraft(parts, caller, parts.current(id), reason)),
  cancel: (caller, draft, signed, options = {}) =>
    parts.guarded(caller, 'cancel', async () => {
      await cancelRun(parts, caller, draft, signed, options.signal);
      return parts.outcome(draft.id, options);
    }),
});
