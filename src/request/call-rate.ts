import { PraError } from '../errors.ts';
import type { Clock } from './ports.ts';
import type { Caller } from './types.ts';

const WINDOW_MS = 60_000;

interface Calls {
  at: number[];
  refused: number;
}

/**
 * Calls per minute of a principal on a channel of this process: a looping model is slowed down here, before any host notices.
 * The client's name does not count: whoever may choose it could have a new budget with each.
 */
export class CallRate {
  readonly #calls = new Map<string, Calls>();
  readonly #perMinute: number;
  readonly #clock: Clock;

  constructor(perMinute: number, clock: Clock) {
    this.#perMinute = perMinute;
    this.#clock = clock;
  }

  /** Counts one call. Throws RATE_LIMITED; a refused call does not count. */
  take(caller: Caller): void {
    const now = this.#clock.now();
    const calls = this.#of(caller);
    calls.at = calls.at.filter((at) => now - at < WINDOW_MS && at <= now);
    const [oldest] = calls.at;
    if (calls.at.length >= this.#perMinute && oldest !== undefined) {
      calls.refused += 1;
      throw new PraError('RATE_LIMITED', { seconds: Math.ceil((oldest + WINDOW_MS - now) / 1_000) });
    }
    calls.at.push(now);
    calls.refused = 0;
  }

  /** Calls refused in a row so far. A loop of refusals shall not fill the ledger: rows are for the 1st, 10th, 100th … */
  refused(caller: Caller): number {
    return this.#of(caller).refused;
  }

  #of({ principal, channel }: Caller): Calls {
    const key = `${channel} ${principal}`;
    const calls = this.#calls.get(key) ?? { at: [], refused: 0 };
    this.#calls.set(key, calls);
    return calls;
  }
}
