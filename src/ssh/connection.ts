import type { Client } from 'ssh2';
import type { Clock } from '../request/ports.ts';
import { execOn, type ExecOutcome, type ExecRequest } from './exec.ts';
import type { SshLimits, SshLog } from './limits.ts';
import type { LineConnection } from './line.ts';

/** One authenticated connection and who uses it. It ends by itself when nobody has for a while. */
export class Connection implements LineConnection {
  readonly client: Client;
  readonly #limits: SshLimits;
  readonly #clock: Clock;
  readonly #openedAt: number;
  #uses = 0;
  #idle: NodeJS.Timeout | undefined;
  #alive = true;
  #retired = false;
  readonly #closed = Promise.withResolvers<void>();

  constructor(client: Client, limits: SshLimits, clock: Clock, log: SshLog | undefined) {
    this.client = client;
    this.#limits = limits;
    this.#clock = clock;
    this.#openedAt = clock.now();
    client.on('error', (error) => {
      this.#alive = false;
      log?.debug({ error: error.message }, 'ssh connection error');
    });
    client.on('end', () => (this.#alive = false));
    client.on('close', () => {
      this.#alive = false;
      clearTimeout(this.#idle);
      this.#closed.resolve();
    });
    this.#rest();
  }

  get alive(): boolean {
    return this.#alive;
  }

  /** May get another exec: alive, not retired, not too old (in either direction: clocks are set). */
  get usable(): boolean {
    const age = Math.abs(this.#clock.now() - this.#openedAt);
    return this.#alive && !this.#retired && age < this.#limits.maxAgeMs;
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
      if (this.#uses === 0) this.#rest();
    };
  }

  exec(request: ExecRequest, signal: AbortSignal, freed: (busy: boolean) => void): Promise<ExecOutcome> {
    return execOn(this.client, () => this.#alive, request, signal, freed);
  }

  /** No new users; ends when the last one is done. */
  retire(): void {
    this.#retired = true;
    if (this.#uses === 0) this.client.end();
  }

  /** Ends it now, whoever uses it; resolves when the socket is closed. */
  async end(): Promise<void> {
    this.#retired = true;
    this.client.end();
    const force = setTimeout(() => this.client.destroy(), 500);
    await this.#closed.promise;
    clearTimeout(force);
  }

  #rest(): void {
    if (!this.#alive) return;
    if (!this.usable) return void this.client.end();
    this.#idle = setTimeout(() => this.retire(), this.#limits.idleMs);
    this.#idle.unref();
  }
}
