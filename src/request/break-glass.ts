import { PraError } from '../errors.ts';
import { readIncident } from './built-in.ts';
import type { LedgerEntry } from './ledger-entry.ts';
import { mask } from './mask.ts';
import type { Store } from './ports.ts';
import { checkReason } from './reason.ts';
import type { RunnerClient } from './runner-client.ts';
import type { State, StoredRequest } from './types.ts';

/** What makes an approval one of break-glass: one person alone, for an incident, and why in their words. */
export interface BreakGlass {
  readonly incident: string;
  readonly reason: string;
}

/** A break-glass session of a host that nobody has reviewed. */
export interface MissingReview {
  readonly host: string;
  readonly incident: string;
  readonly principal: string;
  /** More may run under it. What this machine knows by itself may be old, and says no. */
  readonly open: boolean;
}

/** How long the host is asked for before a sheet is shown without its word. */
const ASK_MS = 5_000;
/** Requests that are looked through for sessions of this machine, newest first. */
const LOOKED_AT = 1_000;
/** States of a request that its host has never taken. */
const NOT_TAKEN: readonly State[] = [
  'EXPIRED',
  'REVOKED',
  'STALE',
  'REFUSED_BY_TARGET',
  'NEVER_STARTED',
  'APPROVED',
];

/** Reviews that are missing by what this machine has sent itself. */
export const reviewsMissingHere = (store: Store): readonly MissingReview[] => {
  const missing = new Map<string, MissingReview>();
  const reviewed = new Set<string>();
  for (const request of store.list({ limit: LOOKED_AT })) {
    const { host, action, state, incident, args } = request;
    if (action === 'review' && state === 'SUCCEEDED') reviewed.add(`${host} ${args[0]?.[1] ?? ''}`);
    if (incident === undefined || NOT_TAKEN.includes(state)) continue;
    const key = `${host} ${incident}`;
    if (reviewed.has(key) || missing.has(key)) continue;
    missing.set(key, { host, incident, principal: request.decidedBy ?? '?', open: false });
  }
  return [...missing.values()];
};

/** The session of a host that waits for a review, as the host says now; none, or `unknown` when it does not answer. */
export const reviewMissingOn = async (
  runner: RunnerClient,
  host: string,
): Promise<MissingReview | 'none' | 'unknown'> => {
  const session = await runner.version(host, AbortSignal.timeout(ASK_MS)).then(
    (version) => version.break_glass,
    () => undefined,
  );
  if (session === undefined || session === 'unreadable') return 'unknown';
  if (session === null || session.reviewed) return 'none';
  const { incident, principal, open } = session;
  return { host, incident, principal, open };
};

/** Every review that is missing, as far as can be known for a sheet about this host: the host's word goes before this machine's. */
export const missingReviews = async (
  parts: { readonly store: Store; readonly runner: RunnerClient },
  host: string,
): Promise<readonly MissingReview[]> => {
  const there = await reviewMissingOn(parts.runner, host);
  // Somebody may have reviewed it from another machine: what the host says of itself is all there is.
  const here = reviewsMissingHere(parts.store).filter(
    (review) => there === 'unknown' || review.host !== host,
  );
  return typeof there === 'string' ? here : [there, ...here];
};

/**
 * Checks what was typed, and that a session of this incident may go on or begin. Throws INCIDENT_BAD, REASON_BAD, STATE_CONFLICT for
 * what others have signed already, BREAK_GLASS_REVIEW while the session of another incident, or of this one an hour ago, has no review.
 */
export const checkBreakGlass = (
  request: StoredRequest,
  glass: BreakGlass,
  missing: readonly MissingReview[],
): BreakGlass => {
  const { id, host, state } = request;
  if (request.ticket !== undefined) throw new PraError('STATE_CONFLICT', { id, state, event: 'break-glass' });
  const incident = readIncident(glass.incident);
  const other = missing.find(
    (review) => review.host === host && (review.incident !== incident || !review.open),
  );
  if (other !== undefined) throw new PraError('BREAK_GLASS_REVIEW', { host, incident: other.incident });
  return { incident, reason: checkReason(glass.reason) };
};

/** The row of a break-glass approval is an alarm with a code of its own, and says why. */
export const breakGlassRow = (row: LedgerEntry, glass: BreakGlass | undefined): LedgerEntry =>
  glass === undefined
    ? row
    : {
        ...row,
        kind: 'alarm',
        code: 'BREAK_GLASS',
        detail: {
          ...row.detail,
          severity: 'HIGH',
          incident: glass.incident,
          reason: mask(glass.reason).text,
        },
      };
