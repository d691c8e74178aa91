import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { readFile, rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { PraError } from '../errors.ts';
import type { ExecOutcome, ExecRequest } from './exec.ts';
import { readExecLog, type ExecLog } from './openssh-log.ts';
import { opensshEnvironment } from './openssh-program.ts';

/** The master that an exec goes through. */
export interface ExecMaster {
  /** ssh_config of a client of the master. */
  readonly config: string;
  /** Name of the host, for ssh's own messages. */
  readonly host: string;
  watchCommands(receive: (line: string) => void): () => void;
  readonly ended: Promise<void>;
}

/** ssh's own failures; a program may end with it too, which the log tells apart. */
const SSH_FAILED = 255;
/** So long a program may take to see that its call was given up; then the channel is closed without it. */
const STOP_MS = 500;
/** A master whose connection broke needs no longer to end. */
const ENDING_MS = 2_000;

/** True when the log line may be about this command: ssh writes only plain characters as they are. */
const maySay = (logged: string, line: string): boolean =>
  logged === line || !/^[ -[\]-~]{1,900}$/u.test(line);

/** One client of the master: the ssh process and what its log says. */
class MasterClient {
  readonly process: ChildProcessWithoutNullStreams;
  readonly #log: string;
  #running = true;

  constructor(master: ExecMaster, line: string, log: string) {
    this.#log = log;
    // A session of its own: no terminal to ask on, and no Ctrl-C of the terminal that we did not pass on.
    this.process = spawn('ssh', ['-F', master.config, '-E', log, '-T', '--', master.host, line], {
      stdio: 'pipe',
      env: opensshEnvironment(),
      detached: true,
      windowsHide: true,
    });
    const { stdin, stdout, stderr } = this.process;
    for (const stream of [stdin, stdout, stderr]) stream.on('error', () => {});
  }

  /** The exit code, null for a signal; or what kept the process from starting. */
  async ended(): Promise<{ readonly code: number | null } | { readonly failure: unknown }> {
    const { promise, resolve } = Promise.withResolvers<Awaited<ReturnType<MasterClient['ended']>>>();
    this.process.once('error', (failure) => resolve({ failure }));
    this.process.once('close', (code) => resolve({ code }));
    const how = await promise;
    this.#running = false;
    return how;
  }

  async readLog(): Promise<ExecLog> {
    return readExecLog(await readFile(this.#log, 'latin1').catch(() => ''));
  }

  /** Resolves when the session is open (true), or when the process ended without that. */
  async opened(): Promise<boolean> {
    for (let pause = 2; this.#running; pause = Math.min(pause * 2, 50)) {
      if ((await this.readLog()).opened) return true;
      await sleep(pause);
    }
    return false;
  }

  /** A ticket is handed over only once its session is open: a call given up before that sends none. */
  async give(input: Buffer, wanted: () => boolean): Promise<void> {
    if ((await this.opened()) && wanted()) this.process.stdin.end(input);
  }

  /**
   * Ends the input, which is what stops a program on the reader channel, and takes no output any more. The process is ended only
   * once its session is open: a master that finds its client gone when the answer comes ends itself (mux_session_confirm
   * in OpenSSH's mux.c), and every other exec on the connection with it.
   */
  async giveUp(): Promise<void> {
    const { stdin, stdout, stderr } = this.process;
    stdin.end();
    stdout.destroy();
    stderr.destroy();
    if (!(await this.opened())) return;
    await sleep(STOP_MS, undefined, { ref: false });
    if (this.#running) this.process.kill('SIGTERM');
  }
}

/**
 * One forced command through the master, with the semantics of `execOn` of exec.ts: one ssh process each, whose standard streams
 * the master takes over. `log` is a file of this exec alone, and is removed at its end.
 */
export const execThroughMaster = async (
  master: ExecMaster,
  log: string,
  request: ExecRequest,
  signal: AbortSignal,
  freed: (busy: boolean) => void,
): Promise<ExecOutcome> => {
  if (signal.aborted) {
    freed(false);
    throw signal.reason;
  }
  const started = performance.now();
  const given = Promise.withResolvers<never>();
  let settled = false;
  let sent = false;
  const forget = master.watchCommands((line) => (sent ||= maySay(line, request.line)));
  const client = new MasterClient(master, request.line, log);
  const stop = (error: unknown): void => {
    if (settled) return;
    settled = true;
    void client.giveUp();
    given.reject(error);
  };
  const aborted = (): void => stop(signal.reason);
  signal.addEventListener('abort', aborted, { once: true });

  const output = takeOutput(client.process, request, () => settled, stop);
  if (request.input === 'hold') client.process.stdin.write('hold\n');
  else void client.give(request.input, () => !settled);

  const finish = async (): Promise<ExecOutcome> => {
    const how = await client.ended();
    const said = await client.readLog();
    await rm(log, { force: true });
    const outcome = await outcomeOf(how, said, master, () => sent);
    forget();
    freed(outcome === 'busy');
    if (outcome === 'busy' || outcome === 'lost')
      return { kind: 'unsent', why: outcome, cause: 'failure' in how ? how.failure : new Error('ssh') };
    return {
      kind: 'done',
      result: { ...output(), exit: outcome.exit, durationMs: performance.now() - started },
    };
  };
  try {
    return await Promise.race([finish(), given.promise]);
  } finally {
    settled = true;
    signal.removeEventListener('abort', aborted);
  }
};

/** Collects both streams up to the limit, which they share. */
const takeOutput = (
  { stdout, stderr }: ChildProcessWithoutNullStreams,
  request: ExecRequest,
  isOver: () => boolean,
  stop: (error: unknown) => void,
): (() => { readonly stdout: Buffer; readonly stderr: Buffer }) => {
  const chunks = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
  let received = 0;
  const receive = (into: keyof typeof chunks, chunk: Buffer): void => {
    // What still comes after a stop is read and dropped, so that the channel can close.
    if (isOver()) return;
    received += chunk.length;
    if (received > request.bytes)
      return stop(new PraError('OUTPUT_TOO_LARGE', { host: request.host, bytes: request.bytes }));
    chunks[into].push(chunk);
    if (into === 'stdout') request.onStdout?.(chunk);
  };
  stdout.on('data', (chunk: Buffer) => receive('stdout', chunk));
  stderr.on('data', (chunk: Buffer) => receive('stderr', chunk));
  return () => ({ stdout: Buffer.concat(chunks.stdout), stderr: Buffer.concat(chunks.stderr) });
};

/** What became of it. `exit` undefined: it may have run, and nobody saw how it ended. */
const outcomeOf = async (
  how: Awaited<ReturnType<MasterClient['ended']>>,
  said: ExecLog,
  master: ExecMaster,
  wasSent: () => boolean,
): Promise<'busy' | 'lost' | { readonly exit: number | undefined }> => {
  if ('failure' in how) return 'lost';
  if (how.code !== null && how.code !== SSH_FAILED) return { exit: how.code };
  if (said.opened) return { exit: said.exit };
  if (said.unsent !== undefined) return said.unsent;
  // Gone while it was asked: what a dead master did not announce it did not send.
  const dead = await Promise.race([master.ended.then(() => true), sleep(ENDING_MS, false, { ref: false })]);
  return dead && !wasSent() ? 'lost' : { exit: undefined };
};
