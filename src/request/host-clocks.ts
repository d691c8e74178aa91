import type { Policy } from './policy.ts';
import type { Channel, Clock } from './ports.ts';

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
    const sent = this.#clock.now();
    const said = await this.#channel.run(this.#policy.readVersion(host));
    const received = this.#clock.now();
    const clock = /\n?(\d{9,12})\.(\d{3})\d*\n\n?--[0-9a-f]{32} clock rc=0 /u.exec(
      said.stdout.toString('latin1'),
    );
    if (clock === null) return;
    const remote = Number(clock[1]) * 1_000 + Number(clock[2]);
    this.#seen.set(host, { at: received, offsetMs: remote - Math.round((sent + received) / 2) });
  }
}
