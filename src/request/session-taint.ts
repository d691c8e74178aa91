import type { LedgerEntry } from './ledger-entry.ts';
import type { Clock, Store } from './ports.ts';
import type { Suspicion } from './suspicious.ts';
import type { RequestId } from './types.ts';

/** Text of a host, shown in this session, that seems to address a model. All of it is in our own words. */
export interface Taint {
  readonly host: string;
  /** The diagnostic whose text it was, or the action. */
  readonly subject: string;
  readonly kinds: readonly Suspicion[];
  /** RFC 3339, UTC. */
  readonly at: string;
}

/** The rule that asks for a person; stable. */
export const SUSPICIOUS_OUTPUT = 'suspicious_output';

/** Ledger row of a request that was made while flagged text was in its session. */
const ROW = 'SUSPICIOUS_OUTPUT';

/**
 * What flagged text a session has seen. A session is one process: it ends with it, and nothing else takes the flag back.
 * While there is any, nothing runs by itself; it raises no impact and asks for no password, or whoever can write a log could
 * block a recovery.
 */
export class SessionTaint {
  readonly #clock: Clock;
  #first: Taint | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The first text that was flagged; undefined while none was. */
  get first(): Taint | undefined {
    return this.#first;
  }

  note(host: string, subject: string, kinds: readonly Suspicion[]): void {
    if (kinds.length === 0) return;
    this.#first ??= { host, subject, kinds, at: new Date(this.#clock.now()).toISOString() };
  }
}

/** `suspicious_output (text of h1 unit_journal at …: instructions)`, for the rule of a request. */
export const taintRule = ({ host, subject, kinds, at }: Taint): string =>
  `${SUSPICIOUS_OUTPUT} (text of ${host} ${subject} at ${at}: ${kinds.join(', ')})`;

/** Writes down beside which text a request was made: whoever approves it may do so in another process. */
export const noteTaint = (
  store: Pick<Store, 'append'>,
  row: Pick<LedgerEntry, 'actor' | 'host' | 'subject'> & { readonly request: RequestId },
  { host, subject, kinds, at }: Taint,
): void =>
  void store.append({
    ...row,
    kind: 'note',
    code: ROW,
    detail: { from: host, seen_in: subject, kinds: kinds.join(','), at },
  });

/** What was written down about a request, as a sentence; null for one made in a clean session. */
export const taintOf = (store: Pick<Store, 'rowsAbout'>, id: string): string | null => {
  const detail = store.rowsAbout(id, ROW)[0]?.detail;
  if (detail === undefined) return null;
  const { from = '', seen_in: subject = '', kinds = '', at = '' } = detail;
  return `asked while suspicious text of ${String(from)} ${String(subject)} was in the session (${String(kinds)}, ${String(at)})`;
};
