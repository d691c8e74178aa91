import type { Policy } from './policy.ts';
import type { Channel, Clock } from './ports.ts';
import { readVersion } from './reader-version.ts';

/** Asked again after this long; a reboot or a stepped clock is noticed then. */
const FRESH_MS = 600_000;

interface Seen {
  readonly at: number;
  readonly offsetMs: number | null;
}

/**
 * How far each host's wall clock is from ours, from the reader verb `version`. Known from the second read on: the first one
 * starts the question and does not wait for it.
 */
export class HostClocks {
  readonly #seen = new Map<string, Seen>();
  readonly #channel: Channel;
  readonly #policy: Policy;
  readonly #clock: Clock;

  constructor(channel: Channel, policy: Policy, clock: Clock) {
    this.#channel = channel;
    this.#policy = policy;
    this.#clock = clock;
  }

  /** As far as it is known; nothing is asked. */
  known(host: string): number | null {
    return this.#seen.get(host)?.offsetMs ?? null;
  }

  /** Milliseconds the host is ahead of us; null when not known (yet). */
  offset(host: string): number | null {
    const seen = this.#seen.get(host);
    const now = this.#clock.now();
    if (seen === undefined || now - seen.at > FRESH_MS) {
      this.#seen.set(host, { at: now, offsetMs: seen?.offsetMs ?? null });
      this.#ask(host).catch(() => {
        // The read itself says what is wrong with the host.
      });
    }
    return seen?.offsetMs ?? null;
  }

  async #ask(host: string): Promise<void> {
    const { clockOffsetMs } = await readVersion(this.#channel, this.#policy, this.#clock, host);
    this.#seen.set(host, { at: this.#clock.now(), offsetMs: clockOffsetMs });
  }
}
