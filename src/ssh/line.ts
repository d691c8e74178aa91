import { setTimeout as sleep } from 'node:timers/promises';
import { PraError, asPraError } from '../errors.ts';
import type { ChannelResult, Clock } from '../request/ports.ts';
import { BackOff } from './back-off.ts';
import type { ExecOutcome, ExecRequest } from './exec.ts';
import type { SshLimits } from './limits.ts';
import type { PooledConnection } from './pooled-connection.ts';
import { Slots } from './slots.ts';
import { unreachable } from './unreachable.ts';

/** Tries to get a session from a server that has none free, 50 ms and more apart. */
const BUSY_TRIES = 8;

/** Rejects with `signal.reason` as soon as the signal aborts; the work itself goes on for others who wait for it. */
const orAborted = async <T>(work: Promise<T>, signal: AbortSignal): Promise<T> => {
  signal.throwIfAborted();
  const { promise, reject } = Promise.withResolvers<never>();
  const aborted = (): void => reject(signal.reason);
  signal.addEventListener('abort', aborted, { once: true });
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener('abort', aborted);
  }
};

/** One account on one host: its connection, opened when needed and again when lost, and the queue for it. */
export class Line<C extends PooledConnection = PooledConnection> {
  readonly #host: string;
  readonly #open: () => Promise<C>;
  readonly #slots: Slots;
  readonly #backOff: BackOff;
  #connection: C | undefined;
  #opening: Promise<C> | undefined;
  #closed = false;

  constructor(host: string, open: () => Promise<C>, limits: SshLimits, clock: Clock) {
    this.#host = host;
    this.#open = open;
    this.#slots = new Slots(limits.execs);
    this.#backOff = new BackOff(clock, limits);
  }

  /**
   * Runs one forced command. It is tried again only while it is certain that it did not start: no session free, or a pooled
   * connection that turned out to be gone.
   */
  async run(request: ExecRequest, signal: AbortSignal): Promise<ChannelResult> {
    let lost = 0;
    for (let tries = 1; ; tries += 1) {
      const outcome = await this.#once(request, signal);
      if (outcome.kind === 'done') return outcome.result;
      if (outcome.why === 'lost') lost += 1;
      if (outcome.why === 'refused' || lost > 1 || tries >= BUSY_TRIES) {
        throw unreachable(this.#host, outcome.why === 'lost' ? 'network' : 'protocol', outcome.cause);
      }
      if (outcome.why === 'busy') await orAborted(sleep(50 * tries), signal);
    }
  }

  /** The open connection, or a new one: callers that come meanwhile share the attempt. */
  async connection(): Promise<C> {
    if (this.#closed) throw new PraError('CANCELLED');
    if (this.#connection?.usable === true) return this.#connection;
    this.#connection?.retire();
    this.#connection = undefined;
    this.#opening ??= this.#reopen().finally(() => (this.#opening = undefined));
    return this.#opening;
  }

  async close(): Promise<void> {
    this.#closed = true;
    const opening = await this.#opening?.catch(() => undefined);
    await Promise.all([opening?.end(), this.#connection?.end()]);
  }

  async #once(request: ExecRequest, signal: AbortSignal): Promise<ExecOutcome> {
    const release = await this.#slots.take(signal);
    let connection: C;
    try {
      connection = await orAborted(this.connection(), signal);
    } catch (thrown) {
      release();
      throw thrown;
    }
    const done = connection.use();
    const freed = (busy: boolean): void => {
      // First one slot less, then this one back: otherwise the next in the queue would be refused as well.
      if (busy) this.#slots.shrink();
      release();
      done();
    };
    const outcome = await connection.exec(request, signal, freed);
    // A server that refuses to execute leaves the channel half open: give the whole connection back.
    if (outcome.kind === 'unsent' && outcome.why === 'refused') connection.retire();
    return outcome;
  }

  async #reopen(): Promise<C> {
    this.#backOff.check(this.#host);
    try {
      this.#connection = await this.#open();
      this.#backOff.succeeded();
      this.#slots.restore();
      return this.#connection;
    } catch (thrown) {
      const error = asPraError(thrown);
      this.#backOff.failed(error);
      throw error;
    }
  }
}
