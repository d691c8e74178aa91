import { endingWords, nextStep, renewStep, undoStep } from '../messages/next-en.ts';
import type { RequestView } from './desk.ts';
import type { HostWarning } from './host-warnings.ts';
import { isRenewable } from './ending.ts';
import { FormError } from './form-error.ts';
import { isOver } from './lifecycle.ts';
import { mask } from './mask.ts';
import { neutralise } from './neutralise.ts';
import { parseOffer } from './offer.ts';
import { parseReceipt } from './receipt.ts';
import type { Offer, Receipt, State, StoredRequest } from './types.ts';

/** Output of an action as it may be shown: neutralised and masked. */
export interface ShownOutput {
  readonly text: string;
  readonly truncated: boolean;
}

/** What time it is: for people, and for deadlines (`Store.time()`). Milliseconds. */
export interface Moment {
  readonly wall: number;
  readonly steady: number;
}

/** Seconds until the next deadline of a request that has one. */
const secondsLeft = (request: StoredRequest, { steady }: Moment): number | null => {
  if (request.state === 'PENDING' || request.state === 'PROPOSED')
    return Math.max(0, Math.ceil((request.decideBy - steady) / 1_000));
  if (
    request.executeBy !== undefined &&
    (request.state === 'APPROVED' ||
      request.state === 'AUTO_APPROVED' ||
      request.state === 'REVOKE_UNCONFIRMED')
  ) {
    return Math.max(0, Math.ceil((request.executeBy - steady) / 1_000));
  }
  return null;
};

/** What would take a run back (stops.ts). */
export interface UndoHint {
  readonly action: string;
  readonly args: Readonly<Record<string, unknown>>;
}

/** Words about an ending belong to the states that it can have led to. */
const ENDED: readonly State[] = ['EXPIRED', 'REVOKE_UNCONFIRMED', 'REVOKED', 'SENT_NO_RETURN'];

const nextOf = (request: StoredRequest, undo: UndoHint | undefined): string => {
  const { id, state, ending } = request;
  const why = ending === undefined || !ENDED.includes(state) ? '' : `${endingWords[ending]} `;
  const renew = isRenewable(request) && ending !== 'taken_back' ? ` ${renewStep}` : '';
  const step = `${why}${nextStep[state]}${renew}`.replaceAll('{id}', id);
  if (undo === undefined) return step;
  const args = Object.entries(undo.args).map(([name, value]) => `${name}=${String(value)}`);
  const back = undoStep.replaceAll('{id}', id).replaceAll('{action}', undo.action);
  return `${step} ${back.replaceAll('{args}', args.join(' ')).replaceAll('  ', ' ')}`;
};

/** What others wrote (a host in its offer, a person in a note), fit to be shown on a line. */
const shown = (text: string): string => mask(neutralise(text).text).text;

/** None where the database has another text than the host's: the request can still be shown, and is not approved (OFFER_INVALID). */
const offerOf = ({ offer }: StoredRequest): Offer | undefined => {
  try {
    return offer === undefined ? undefined : parseOffer(offer.text);
  } catch (error) {
    if (error instanceof FormError) return undefined;
    throw error;
  }
};

/** What is known of a request besides what the store has of it. */
export interface ViewExtras {
  readonly output?: ShownOutput | undefined;
  readonly undo?: UndoHint | undefined;
  readonly warnings?: readonly HostWarning[];
  readonly taint?: string | null;
}

/** The request as models and people see it. */
export const viewOf = (
  request: StoredRequest,
  now: Moment,
  { output, undo, warnings = [], taint = null }: ViewExtras = {},
): RequestView => {
  const receipt = request.receipt === undefined ? undefined : parseReceipt(request.receipt.text);
  const offer = offerOf(request);
  return {
    id: request.id,
    state: request.state,
    terminal: isOver(request.state),
    host: request.host,
    action: request.action,
    args: Object.fromEntries(request.args),
    impact: request.impact,
    requester: request.requester,
    reason: request.reason,
    rule: request.rule === undefined ? null : shown(request.rule),
    decided_by: request.decidedBy ?? null,
    signed_by: request.approvals.map(({ principal }) => principal),
    signatures_needed: offer?.requires.count ?? null,
    decision_note: hasWords(request.decisionNote) ? shown(request.decisionNote) : null,
    created_at: new Date(request.createdAt).toISOString(),
    decide_by: new Date(now.wall + request.decideBy - now.steady).toISOString(),
    seconds_left: secondsLeft(request, now),
    argv: (offer?.argv ?? []).map(shown),
    refusal: request.refusal ?? null,
    warnings,
    taint,
    receipt: receipt === undefined ? null : shownReceipt(receipt),
    output: output?.text ?? null,
    output_truncated: output?.truncated ?? false,
    renew_of: request.renewOf ?? null,
    undo_of: request.undoOf ?? null,
    next: nextOf(request, undo),
  };
};

/** Nobody has to say why they deny or take back. */
const hasWords = (note: string | undefined): note is string => note !== undefined && note !== '';

/** The facts in a receipt are the host's words, whoever signed them. */
const shownReceipt = ({ hostKey: _hostKey, evidence, ...rest }: Receipt): RequestView['receipt'] => ({
  ...rest,
  evidence: evidence.map(({ diagnostic, fact, before, after }) => ({
    diagnostic,
    fact,
    before: before === undefined ? undefined : shown(before),
    after: after === undefined ? undefined : shown(after),
  })),
});
