import type { Clock } from '../request/ports.ts';
import type { ExecOutcome, ExecRequest } from './exec.ts';
import type { SshLimits } from './limits.ts';

/**
 * An authenticated connection, whichever program made it: ssh2 (connection.ts) or the system's ssh (openssh-connection.ts).
 * It counts who uses it and ends by itself when nobody has for a while.
 */
export abstract class PooledConnection {
  readonly #limits: SshLimits;
  readonly #clock: Clock;
  readonly #openedAt: number;
  readonly #maxAgeMs: number;
  readonly #closed = Promise.withResolvers<void>();
  #uses = 0;
  #idle: NodeJS.Timeout | undefined;
  #alive = true;
  #retired = false;

  /** `maxAgeMs` may shorten the age that the limits allow: that of a certificate. */
  constructor(limits: SshLimits, clock: Clock, maxAgeMs = limits.maxAgeMs) {
    this.#limits = limits;
    this.#clock = clock;
    this.#openedAt = clock.now();
    this.#maxAgeMs = Math.min(maxAgeMs, limits.maxAgeMs);
    this.rest();
  }

  /** One forced command, as `execOn` of exec.ts describes it. */
  abstract exec(
    request: ExecRequest,
    signal: AbortSignal,
    freed: (busy: boolean) => void,
  ): Promise<ExecOutcome>;

  /** Asks the connection to end; `closed` follows. */
  protected abstract hangUp(): void;
  /** Ends it without asking. */
  protected abstract destroy(): void;

  get alive(): boolean {
    return this.#alive;
  }

  /** May get another exec: alive, not retired, not too old (in either direction: clocks are set). */
  get usable(): boolean {
    const age = Math.abs(this.#clock.now() - this.#openedAt);
    return this.#alive && !this.#retired && age < this.#maxAgeMs;
  }

  /** Counts a user; the returned function ends the use. */
  use(): () => void {
    this.#uses += 1;
    clearTimeout(this.#idle);
    let using = true;
    return () => {
      if (!using) return;
      using = false;
      this.#uses -= 1;
      if (this.#uses === 0) this.rest();
    };
  }

  /** No new users; ends when the last one is done. */
  retire(): void {
    this.#retired = true;
    if (this.#uses === 0) this.hangUp();
  }

  /** Ends it now, whoever uses it; resolves when it is closed. */
  async end(): Promise<void> {
    this.#retired = true;
    this.hangUp();
    const force = setTimeout(() => this.destroy(), 500);
    await this.#closed.promise;
    clearTimeout(force);
  }

  /** It gets no new exec any more. */
  protected died(): void {
    this.#alive = false;
  }

  /** It is gone. */
  protected gone(): void {
    this.#alive = false;
    clearTimeout(this.#idle);
    this.#closed.resolve();
  }

  private rest(): void {
    if (!this.#alive) return;
    if (!this.usable) return this.hangUp();
    this.#idle = setTimeout(() => this.retire(), this.#limits.idleMs);
    this.#idle.unref();
  }
}
