import { spawn } from 'node:child_process';
import { readFile, rm } from 'node:fs/promises';
import { connect as connectTcp } from 'node:net';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { HostAddress } from './host-address.ts';
import { readExecLog } from './openssh-log.ts';
import { opensshEnvironment } from './openssh-program.ts';
import { causeOf, unreachable, type UnreachableCause } from './unreachable.ts';

/**
 * What carries a connection of the system's ssh. This process relays it: a master gets its bytes from us and ends when we are
 * gone, however we went. It also keeps ssh from resolving names, from running a proxy command, and with that from any shell.
 */
export interface Carrier {
  readonly from: Readable;
  readonly to: Writable;
  /** Why it broke, as far as that is known. Call it once it ended. */
  why(): Promise<UnreachableCause | undefined>;
  close(): void;
}

/** A connected TCP socket without Nagle's delay. Throws UNREACHABLE, or `signal.reason`. */
export const tcpCarrier = (host: HostAddress, signal: AbortSignal): Promise<Carrier> =>
  new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const socket = connectTcp({ host: host.address, port: host.port, noDelay: true });
    let broke: UnreachableCause | undefined;
    const aborted = (): void => {
      socket.destroy();
      reject(signal.reason);
    };
    signal.addEventListener('abort', aborted, { once: true });
    socket.on('error', (thrown) => {
      broke = causeOf(thrown) ?? 'network';
      signal.removeEventListener('abort', aborted);
      reject(unreachable(host.name, broke, thrown));
    });
    socket.once('connect', () => {
      signal.removeEventListener('abort', aborted);
      resolve({
        from: socket,
        to: socket,
        why: () => Promise.resolve(broke),
        close: () => socket.destroy(),
      });
    });
  });

/** A client of a jump host's master. */
export interface JumpFiles {
  readonly config: string;
  /** Written by this client alone. */
  readonly log: string;
  /** Name of the jump host. */
  readonly host: string;
}

/** After its output ended, ssh needs no longer than this to be gone. */
const GONE_MS = 2_000;

/**
 * A stream to the host through the jump host's master (`ssh -W`): direct-tcpip, as with ssh2. It is never killed, only left
 * without streams: a master whose client goes away while its channel opens ends itself, and with it all that goes through it.
 */
export const jumpCarrier = (jump: JumpFiles, host: HostAddress): Carrier => {
  const address = host.address.includes(':') ? `[${host.address}]` : host.address;
  const child = spawn(
    'ssh',
    ['-F', jump.config, '-E', jump.log, '-W', `${address}:${host.port}`, '--', jump.host],
    { stdio: ['pipe', 'pipe', 'ignore'], env: opensshEnvironment(), detached: true, windowsHide: true },
  );
  let log = '';
  const ended = new Promise<void>((resolve) => {
    child.once('error', () => resolve());
    child.once('close', () => {
      void (async () => {
        log = await readFile(jump.log, 'latin1').catch(() => '');
        await rm(jump.log, { force: true });
        resolve();
      })();
    });
  });
  return {
    from: child.stdout,
    to: child.stdin,
    why: async () => {
      await Promise.race([ended, sleep(GONE_MS, undefined, { ref: false })]);
      return readExecLog(log).unsent === undefined ? undefined : 'refused';
    },
    close: () => {
      child.stdin.end();
      child.stdout.destroy();
    },
  };
};
