import { spawn, type ChildProcess } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { PraError } from '../errors.ts';
import type { HostAddress } from './host-address.ts';
import { judgeFingerprint, type KnownKeys } from './host-key.ts';
import type { SshLog } from './limits.ts';
import type { Carrier } from './openssh-carrier.ts';
import { readMasterLine, type MasterEvent } from './openssh-log.ts';
import { opensshEnvironment } from './openssh-program.ts';
import { unreachable } from './unreachable.ts';

export interface MasterStart {
  readonly host: HostAddress;
  /** Whose key it is, for AUTH_REFUSED. */
  readonly account: string;
  /** What known_hosts says: ssh has been given the same, and this names its refusal. */
  readonly known: KnownKeys;
  /** ssh_config of the master, and its control socket. */
  readonly config: string;
  readonly control: string;
  readonly carrier: Carrier;
  /** Gives up. Throws `signal.reason` then. */
  readonly signal: AbortSignal;
  readonly log: SshLog | undefined;
}

/** A master that is authenticated and serves its control socket. */
export interface RunningMaster {
  readonly process: ChildProcess;
  /** Calls with each command that the master sends, just before it does; returns how to stop that. */
  watchCommands(receive: (line: string) => void): () => void;
  /** Resolves when the master is gone and all that it said was read. */
  readonly ended: Promise<void>;
  /** The key exchange that was agreed on. */
  readonly kex: string;
}

const LONGEST_LINE = 4_096;
/** Of ssh's own words, for the log of this program only. */
const KEPT_LINES = 20;

/** Calls `receive` with each line; what is longer than a line of ssh's log can be is cut. */
const onLines = (stream: NodeJS.ReadableStream, receive: (line: string) => void): void => {
  let pending = '';
  stream.on('data', (chunk: Buffer) => {
    const lines = (pending + chunk.toString('latin1')).split('\n');
    pending = (lines.pop() ?? '').slice(0, LONGEST_LINE);
    for (const line of lines) receive(line.replace(/\r+$/u, '').slice(0, LONGEST_LINE));
  });
};

/** Why the master gave up, in our words. */
const explain = async (
  { host, account, known, carrier }: MasterStart,
  events: readonly MasterEvent[],
  last: readonly string[],
): Promise<PraError> => {
  const cause = new Error(last.join('\n'));
  const has = (kind: MasterEvent['kind']): boolean => events.some((event) => event.kind === kind);
  if (has('host-key-refused')) {
    const shown = events.find((event) => event.kind === 'host-key');
    const verdict =
      shown === undefined ? undefined : judgeFingerprint(host, known, shown.type, shown.fingerprint);
    return verdict ?? unreachable(host.name, 'protocol', cause);
  }
  if (has('agent-refused')) return new PraError('KEY_PASSPHRASE', { account }, cause);
  if (has('auth-refused')) return new PraError('AUTH_REFUSED', { host: host.name, account }, cause);
  return unreachable(host.name, (await carrier.why()) ?? 'protocol', cause);
};

/**
 * Starts a master on the carrier and waits until it serves its control socket. The carrier ends with the master, and the master
 * with the carrier. Throws HOST_KEY_*, AUTH_REFUSED, KEY_PASSPHRASE (agent), UNREACHABLE, `signal.reason`.
 */
export const startMaster = (start: MasterStart): Promise<RunningMaster> =>
  new Promise((resolve, reject) => {
    const { host, config, control, carrier, signal, log } = start;
    if (signal.aborted) {
      carrier.close();
      return reject(signal.reason);
    }
    const events: MasterEvent[] = [];
    const last: string[] = [];
    const watchers = new Set<(line: string) => void>();
    const ended = Promise.withResolvers<void>();
    let settled = false;
    // A session of its own: no terminal to ask on, and no Ctrl-C of the terminal that we did not pass on.
    const child = spawn('ssh', ['-F', config, '-N', '-T', '--', host.name], {
      stdio: 'pipe',
      env: opensshEnvironment(),
      detached: true,
      windowsHide: true,
    });
    for (const stream of [child.stdin, child.stdout, child.stderr, carrier.from, carrier.to])
      stream.on('error', () => {});
    carrier.from.pipe(child.stdin);
    child.stdout.pipe(carrier.to);

    const settle = (how: () => void): void => {
      if (settled) return;
      settled = true;
      signal.removeEventListener('abort', aborted);
      how();
    };
    const aborted = (): void =>
      settle(() => {
        child.kill('SIGKILL');
        reject(signal.reason);
      });
    signal.addEventListener('abort', aborted, { once: true });

    /** A server's banner may hold the same words: only the socket counts. */
    const ready = async (): Promise<void> => {
      const serves = await stat(control).then(
        (file) => file.isSocket(),
        () => false,
      );
      if (!serves) return;
      const kex = events.find((event) => event.kind === 'kex')?.name ?? '';
      log?.debug({ host: host.name, kex }, 'ssh master');
      const watchCommands = (receive: (line: string) => void): (() => void) => {
        watchers.add(receive);
        return () => void watchers.delete(receive);
      };
      settle(() => resolve({ process: child, watchCommands, ended: ended.promise, kex }));
    };
    onLines(child.stderr, (line) => {
      const event = readMasterLine(line);
      if (event?.kind === 'command') for (const receive of watchers) receive(event.line);
      if (settled) return;
      last.push(line);
      if (last.length > KEPT_LINES) last.shift();
      if (event === undefined) return;
      events.push(event);
      if (event.kind === 'ready') void ready();
    });
    child.once('error', (thrown) => {
      carrier.close();
      settle(() => reject(new PraError('SSH_TOO_OLD', { version: 'none found' }, thrown)));
    });
    child.once('close', () => {
      carrier.close();
      ended.resolve();
      settle(() => {
        log?.debug({ host: host.name, ssh: last.join('\n') }, 'ssh master ended');
        explain(start, events, last).then(reject, reject);
      });
    });
  });
