import { setTimeout as sleep } from 'node:timers/promises';
import { PraError, asPraError } from '../errors.ts';
import type { ChannelResult, Clock } from '../request/ports.ts';
import { BackOff } from './back-off.ts';
import type { ExecOutcome, ExecRequest } from './exec.ts';
import type { KeyStamp } from './key-stamp.ts';
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

/** A connection and the version of the key file that opened it. */
export interface Opened<C> {
  readonly connection: C;
  readonly key: KeyStamp;
}

/** How a line gets its connection, and what its key file is now (key-stamp.ts). */
export interface LineWays<C> {
  readonly open: () => Promise<Opened<C>>;
  readonly key: () => KeyStamp;
}

/**
 * One account on one host: its connection, opened when needed, again when lost and again when its key file is another one,
 * and the queue for it.
 */
export class Line<C extends PooledConnection = PooledConnection> {
  readonly #host: string;
  readonly #ways: LineWays<C>;
  readonly #slots: Slots;
  readonly #backOff: BackOff;
  #opened: Opened<C> | undefined;
  #triedKey: KeyStamp | undefined;
  #opening: Promise<C> | undefined;
  #closed = false;

  constructor(host: string, ways: LineWays<C>, limits: SshLimits, clock: Clock) {
    this.#host = host;
    this.#ways = ways;
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

  /**
   * The open connection, or a new one: callers that come meanwhile share the attempt. A connection whose key file has changed
   * finishes what it runs and gets nothing new. A file that is gone or unreadable ends the use of its key in the same way.
   */
  async connection(): Promise<C> {
    if (this.#closed) throw new PraError('CANCELLED');
    const key = this.#ways.key();
    const opened = this.#opened;
    if (opened?.connection.usable === true && opened.key === key) return opened.connection;
    opened?.connection.retire();
    this.#opened = undefined;
    this.#opening ??= this.#reopen(key).finally(() => (this.#opening = undefined));
    return this.#opening;
  }

  async close(): Promise<void> {
    this.#closed = true;
    const opening = await this.#opening?.catch(() => undefined);
    await Promise.all([opening?.end(), this.#opened?.connection.end()]);
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

  async #reopen(key: KeyStamp): Promise<C> {
    // The pause after a refused key is for that key.
    if (this.#triedKey !== key) this.#backOff.keyChanged();
    this.#triedKey = key;
    this.#backOff.check(this.#host);
    try {
      this.#opened = await this.#ways.open();
      this.#backOff.succeeded();
      this.#slots.restore();
      return this.#opened.connection;
    } catch (thrown) {
      const error = asPraError(thrown);
      this.#backOff.failed(error);
      throw error;
    }
  }
}
