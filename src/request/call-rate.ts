import { PraError } from '../errors.ts';
import type { Clock } from './ports.ts';
import type { Caller } from './types.ts';

const WINDOW_MS = 60_000;

/** Calls per minute and client of this process: a looping model is slowed down here, before any host notices. */
export class CallRate {
  readonly #calls = new Map<string, number[]>();
  readonly #perMinute: number;
  readonly #clock: Clock;

  constructor(perMinute: number, clock: Clock) {
    this.#perMinute = perMinute;
    this.#clock = clock;
  }

  /** Counts one call. Throws RATE_LIMITED; a refused call does not count. */
  take(caller: Caller): void {
    const now = this.#clock.now();
    const key = `${caller.principal}/${caller.client}`;
    const recent = (this.#calls.get(key) ?? []).filter((at) => now - at < WINDOW_MS && at <= now);
    const [oldest] = recent;
    if (recent.length >= this.#perMinute && oldest !== undefined) {
      throw new PraError('RATE_LIMITED', { seconds: Math.ceil((oldest + WINDOW_MS - now) / 1_000) });
    }
    recent.push(now);
    this.#calls.set(key, recent);
  }
}
