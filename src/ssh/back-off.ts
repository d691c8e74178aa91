import { PraError } from '../errors.ts';
import type { Clock } from '../request/ports.ts';
import type { SshLimits } from './limits.ts';

/**
 * The pause after failed connections to one host: doubled each time up to a limit, each between half and all of it (jitter),
 * so that many clients do not come back together. During the pause a call fails at once instead of knocking again.
 */
export class BackOff {
  readonly #clock: Clock;
  readonly #limits: SshLimits;
  #failures = 0;
  #until = 0;
  #last: PraError | undefined;

  constructor(clock: Clock, limits: SshLimits) {
    this.#clock = clock;
    this.#limits = limits;
  }

  /** Throws during the pause: AUTH_REFUSED again when that was the reason, else UNREACHABLE (backoff). */
  check(host: string): void {
    const left = this.#until - this.#clock.now();
    // A clock that was set back must not shut a host out: never wait longer than the longest pause.
    if (left <= 0 || left > this.#limits.backOffMaxMs) return;
    if (this.#last?.code === 'AUTH_REFUSED') throw this.#last;
    throw new PraError('UNREACHABLE', { host, cause: 'backoff' }, this.#last);
  }

  succeeded(): void {
    this.#failures = 0;
    this.#until = 0;
    this.#last = undefined;
  }

  /** Another key may be accepted where the last one was refused. A host that could not be reached still cannot. */
  keyChanged(): void {
    if (this.#last?.code === 'AUTH_REFUSED') this.succeeded();
  }

  /** Only what another try soon would not mend counts: an unknown host key or a wrong passphrase costs the host nothing. */
  failed(error: PraError): void {
    if (error.code !== 'UNREACHABLE' && error.code !== 'AUTH_REFUSED') return;
    const { backOffMs, backOffMaxMs } = this.#limits;
    const pause = Math.min(backOffMaxMs, backOffMs * 2 ** this.#failures);
    this.#failures = Math.min(this.#failures + 1, 30);
    this.#until = this.#clock.now() + pause * (0.5 + Math.random() / 2);
    this.#last = error;
  }
}
