import { PraError } from '../errors.ts';
import type { LedgerEntry } from './ledger-entry.ts';
import type { OtpProof } from './otp-proof.ts';
import type { RequestId, SignedText } from './types.ts';

/** A person's order on this machine that nothing is approved for or sent to a host any more. It stands until somebody lifts it. */
export interface LocalFreeze {
  /** Of the form of a request's id. */
  readonly id: RequestId;
  /** One host; undefined: every host, also those that are configured later. */
  readonly host: string | undefined;
  /** Milliseconds since the epoch. */
  readonly since: number;
  /** `principal/client`. */
  readonly by: string;
  readonly reason: string;
}

/**
 * What came of a signed freeze. `WAITING`: the host has not been reached, and is asked again. `CONFIRMED`: with its signed receipt.
 * `REFUSED`: it does not take this one. `WITHDRAWN`: lifted here before the host was reached; it is not sent any more.
 */
export type FreezeOrderState = 'WAITING' | 'CONFIRMED' | 'REFUSED' | 'WITHDRAWN';

/** A signed ticket of kind `freeze` for one host. */
export interface FreezeOrder {
  /** Of the ticket. */
  readonly id: RequestId;
  readonly host: string;
  readonly ticket: string;
  readonly signature: string;
  readonly principal: string;
  readonly state: FreezeOrderState;
  /** Why it waits, or was refused: a code. NOT_DURABLE: the host took it, and forgets it when it boots. */
  readonly code: string | undefined;
  readonly receipt: SignedText | undefined;
  /** Milliseconds since the epoch. */
  readonly updatedAt: number;
}

/** Code of an order that was withdrawn because its host has taken, or may take, another one of the same freeze. */
export const SPARE = 'SPARE';

/** Which freezes of this machine are lifted, for which hosts, and which orders are not sent any more. */
export interface Lifting {
  readonly hosts: readonly string[] | 'all';
  readonly freezes: readonly RequestId[];
  readonly orders: readonly RequestId[];
}

/** Local freezes and signed orders of the store: each change one transaction with its ledger row. */
export interface FreezeStore {
  begin(freeze: Omit<LocalFreeze, 'since'>, entry: LedgerEntry): LocalFreeze;
  /** Those that stand, oldest first; hosts that a freeze of every host no longer holds are `released`. */
  standing(): readonly (LocalFreeze & { readonly released: readonly string[] })[];
  /** The oldest that holds this host; undefined when none does. */
  holding(host: string): LocalFreeze | undefined;
  /**
   * Lifts these freezes for these hosts (for all: to their end), withdraws these orders as far as they wait, and nothing else. With a
   * one-time password's proof its code is burnt in the same transaction, or OTP_USED is thrown and nothing lifted.
   */
  lift(what: Lifting, entry: LedgerEntry, otp?: OtpProof): void;
  /** Ends the freezes of every host from which all of these hosts were released; orders stay. No row when there is none. */
  endReleased(hosts: readonly string[], entry: LedgerEntry): void;
  order(order: Omit<FreezeOrder, 'state' | 'code' | 'receipt' | 'updatedAt'>, entry: LedgerEntry): void;
  /**
   * Orders that wait, and the last one of each host, but for those that were not needed (SPARE) and a confirmed one whose freeze was
   * lifted since; oldest first.
   */
  orders(): readonly FreezeOrder[];
  /** What came of an order that waits; of one that does not wait any more nothing is changed. */
  settle(
    id: RequestId,
    patch: Pick<FreezeOrder, 'state' | 'code' | 'receipt'>,
    entry: LedgerEntry | undefined,
  ): void;
}

/** Why somebody froze a host, in their words: the cause of FROZEN, shown to people only. */
export class FreezeReason extends Error {
  override readonly name = 'FreezeReason';
  readonly reason: string;

  constructor(reason: string) {
    super('frozen');
    this.reason = reason;
  }
}

/** The refusal while a freeze holds a host. */
export const frozenError = (host: string, { since, by, reason }: LocalFreeze): PraError =>
  new PraError('FROZEN', { host, by, since: new Date(since).toISOString() }, new FreezeReason(reason));
