import { constants } from 'node:os';
import type { Client, ClientChannel } from 'ssh2';
import { PraError } from '../errors.ts';
import type { ChannelResult } from '../request/ports.ts';

export interface ExecRequest {
  readonly host: string;
  readonly line: string;
  readonly input: 'hold' | Buffer;
  /** Standard output and standard error together. */
  readonly bytes: number;
  readonly onStdout?: ((chunk: Buffer) => void) | undefined;
}

/**
 * `unsent`: the command did not start, so that trying again is safe. `busy`: the server has no session free;
 * `lost`: the connection was gone before; `refused`: the server refuses to execute anything.
 */
export type ExecOutcome =
  | { readonly kind: 'done'; readonly result: ChannelResult }
  | { readonly kind: 'unsent'; readonly why: 'busy' | 'lost' | 'refused'; readonly cause: unknown };

/** The exec request itself was out (Client.exec of ssh2 1.17): refused, or the connection broke before the answer. */
const afterRequest = (error: Error): boolean => error.message === 'Unable to exec';

const unsent = (error: Error): ExecOutcome => {
  const why = afterRequest(error) ? 'refused' : 'reason' in error ? 'busy' : 'lost';
  return { kind: 'unsent', why, cause: error };
};

/** 128 + n for a program ended by a signal, as a shell would say. */
const exitOf = (code: number | null, signal: string | undefined): number | undefined => {
  if (code !== null) return code;
  const number = constants.signals[signal as NodeJS.Signals] as number | undefined;
  return number === undefined ? undefined : 128 + number;
};

/**
 * One forced command on an open connection. `freed` is called once, when the channel is closed on both sides: only then is
 * the session free again; `busy` says that the server had none. Rejects with `signal.reason` or OUTPUT_TOO_LARGE; both
 * close the channel, which is what stops the program on the reader channel (it sees the end of its input).
 */
export const execOn = (
  client: Client,
  alive: () => boolean,
  request: ExecRequest,
  signal: AbortSignal,
  freed: (busy: boolean) => void,
): Promise<ExecOutcome> =>
  new Promise((resolve, reject) => {
    const started = performance.now();
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    let received = 0;
    let exit: number | undefined;
    let channel: ClientChannel | undefined;
    let settled = false;

    const settle = (how: () => void): void => {
      if (settled) return;
      settled = true;
      signal.removeEventListener('abort', aborted);
      how();
    };
    const stop = (error: unknown): void =>
      settle(() => {
        channel?.close();
        reject(error);
      });
    const aborted = (): void => stop(signal.reason);
    const finish = (): void =>
      settle(() => {
        const result = {
          stdout: Buffer.concat(stdout),
          stderr: Buffer.concat(stderr),
          exit,
          durationMs: performance.now() - started,
        };
        resolve({ kind: 'done', result });
      });

    const receive = (into: Buffer[], chunk: Buffer): void => {
      // What still comes after a stop is read and dropped, so that the channel can close.
      if (settled) return;
      received += chunk.length;
      if (received > request.bytes)
        return stop(new PraError('OUTPUT_TOO_LARGE', { host: request.host, bytes: request.bytes }));
      into.push(chunk);
      if (into === stdout) request.onStdout?.(chunk);
    };

    const opened = (error: Error | undefined, stream: ClientChannel): void => {
      if (error !== undefined) {
        const outcome = unsent(error);
        freed(outcome.kind === 'unsent' && outcome.why === 'busy');
        // The request was out when the connection broke: it may have started, and nobody saw how it ended.
        if (afterRequest(error) && !alive()) return finish();
        return settle(() => resolve(outcome));
      }
      channel = stream;
      stream.on('error', stop);
      stream.on('exit', (code: number | null, name?: string) => (exit = exitOf(code, name)));
      stream.on('data', (chunk: Buffer) => receive(stdout, chunk));
      stream.stderr.on('data', (chunk: Buffer) => receive(stderr, chunk));
      stream.once('close', () => {
        freed(false);
        finish();
      });
      // Given up while the channel opened: a runner's program gets an empty input; a reader's must be told to stop at its end.
      if (request.input === 'hold') stream.write('hold\n');
      if (settled) return stream.close();
      if (request.input !== 'hold') stream.end(request.input);
    };

    if (signal.aborted) {
      freed(false);
      return stop(signal.reason);
    }
    signal.addEventListener('abort', aborted, { once: true });
    try {
      client.exec(request.line, opened);
    } catch (thrown) {
      freed(false);
      settle(() => resolve({ kind: 'unsent', why: 'lost', cause: thrown }));
    }
  });
