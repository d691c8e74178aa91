import type { RequestId } from './types.ts';

/** Kinds of ledger rows; stable, they are what an auditor filters by. */
export type LedgerKind =
  | 'call' // a diagnostic was asked for
  | 'refusal' // something was refused on this side
  | 'proposal'
  | 'decision'
  | 'dispatch'
  | 'outcome'
  | 'expiry'
  | 'alarm' // somebody has to look at it: a recovery code was used, codes are locked
  | 'note'; // server start, audit verification and the like

/** A row to be written. `detail` holds masked arguments, sizes and hashes: never host output, never a secret. */
export interface LedgerEntry {
  readonly kind: LedgerKind;
  /** Stable code: an event of the lifecycle, an error code, a diagnostic's status. */
  readonly code: string;
  readonly actor: string; // principal/client
  readonly host?: string;
  readonly subject?: string; // diagnostic or action
  readonly request?: RequestId;
  readonly detail?: Readonly<Record<string, string | number | boolean>>;
}

/** A row as written: `hash` = SHA-256 of RFC 8785 JSON of everything else, which includes `previous`. */
export interface LedgerRow extends LedgerEntry {
  readonly seq: number;
  readonly at: string; // RFC 3339 with milliseconds
  readonly previous: string;
  readonly hash: string;
}
