import type { Catalog } from '../catalog/types.ts';
import { asPraError, type PraError } from '../errors.ts';
import { CallRate } from './call-rate.ts';
import { refusalRow } from './desk-rows.ts';
import type { Clock, Store } from './ports.ts';
import type { Caller } from './types.ts';
import { within } from './within.ts';

export interface CallGuardParts {
  readonly catalog: Catalog;
  readonly store: Pick<Store, 'append'>;
  readonly clock: Clock;
  readonly callsPerMinute: number;
  /** For the log: what must not reach a caller. */
  readonly onError: (error: unknown) => void;
}

/** Every call of a desk goes through here: it is counted, and its refusal is a row of the ledger before anybody hears of it. */
export interface CallGuard {
  /** Counts the call and lets it happen. Throws RATE_LIMITED, and what the work throws. */
  readonly guarded: <T>(caller: Caller, subject: string, work: () => Promise<T>) => Promise<T>;
  readonly guardedNow: <T>(caller: Caller, subject: string, work: () => T) => T;
  /** Writes a refusal down that no counted call led to; returns it. A loop of refusals is counted, not told one by one. */
  readonly refused: (caller: Caller, subject: string, thrown: unknown) => PraError;
  /** The same for a call that was refused before it reached a method; returns what to show (RATE_LIMITED instead, maybe). */
  readonly refusedCall: (caller: Caller, subject: string, error: PraError) => PraError;
  /** Resolves when no call is under way, or after `ms`. */
  idle(ms: number): Promise<void>;
}

export const openCallGuard = (parts: CallGuardParts): CallGuard => {
  const { catalog, store, clock, onError } = parts;
  const rate = new CallRate(parts.callsPerMinute, clock);
  const underway = new Set<Promise<unknown>>();

  const refused = (caller: Caller, subject: string, thrown: unknown): PraError => {
    const error = asPraError(thrown);
    if (error.code === 'INTERNAL') onError(thrown);
    const times = error.code === 'RATE_LIMITED' ? rate.refused(caller) : 1;
    if (isPowerOfTen(times)) store.append(refusalRow(catalog, caller, subject, error, times));
    return error;
  };

  return {
    refused,
    guarded: async (caller, subject, work) => {
      const call = (async () => {
        try {
          rate.take(caller);
          return await work();
        } catch (thrown) {
          throw refused(caller, subject, thrown);
        }
      })();
      underway.add(call);
      try {
        return await call;
      } finally {
        underway.delete(call);
      }
    },
    guardedNow: (caller, subject, work) => {
      try {
        rate.take(caller);
        return work();
      } catch (thrown) {
        throw refused(caller, subject, thrown);
      }
    },
    refusedCall: (caller, subject, error) => {
      try {
        rate.take(caller);
      } catch (limited) {
        return refused(caller, subject, limited);
      }
      return refused(caller, subject, error);
    },
    idle: async (ms) => {
      await within(Promise.allSettled(underway), ms);
    },
  };
};

const isPowerOfTen = (times: number): boolean => /^10*$/u.test(String(times));
