// Imports ssh2: load this module lazily.
import { connect as connectTcp } from 'node:net';
import type { Duplex } from 'node:stream';
import ssh2 from 'ssh2';
import { PraError } from '../errors.ts';
import { ALGORITHMS } from './algorithms.ts';
import type { HostAddress } from './host-address.ts';
import type { HostKeyAlgorithm } from './host-key.ts';
import type { Identity } from './identity.ts';
import type { SshLimits } from './limits.ts';
import { causeOf, unreachable } from './unreachable.ts';

/** SSH_DISCONNECT_NO_MORE_AUTH_METHODS_AVAILABLE, RFC 4253 §11.1. */
const NO_MORE_AUTH = 14;

const explain = (host: string, account: string, thrown: unknown): PraError => {
  if (thrown instanceof PraError) return thrown;
  const { level, code } = (thrown ?? {}) as { level?: unknown; code?: unknown };
  if (level === 'client-authentication' || code === NO_MORE_AUTH)
    return new PraError('AUTH_REFUSED', { host, account }, thrown);
  if (level === 'agent') return new PraError('KEY_PASSPHRASE', { account }, thrown);
  return unreachable(host, causeOf(thrown) ?? 'protocol', thrown);
};

/** A TCP stream to the host, with TCP_NODELAY from the first packet; ssh2 would leave Nagle on and cost 40 ms a round trip. */
const directStream = (host: HostAddress): Duplex =>
  connectTcp({ host: host.address, port: host.port, noDelay: true });

/** A stream to the host through a jump host's connection (direct-tcpip). */
const forwardedStream = (via: ssh2.Client, host: HostAddress): Promise<Duplex> =>
  new Promise((resolve, reject) => {
    via.forwardOut('127.0.0.1', 0, host.address, host.port, (error, stream) => {
      if (error === undefined) resolve(stream);
      else reject(unreachable(host.name, 'refused', error));
    });
  });

export interface HandshakeWish {
  readonly host: HostAddress;
  /** Whose key it is, for AUTH_REFUSED. */
  readonly account: string;
  /** The verdict on the presented key; nothing when it may be trusted. There is no way around it. */
  readonly judge: (key: Buffer) => PraError | undefined;
  readonly hostKeyAlgorithms: readonly HostKeyAlgorithm[];
  /** Without one, it stops once the server has proved that it owns its host key. */
  readonly identity: Identity | undefined;
  readonly limits: SshLimits;
  /** Gives up a connection that is being made. Throws `signal.reason` then. */
  readonly signal?: AbortSignal;
}

const handshake = (stream: Duplex, wish: HandshakeWish): Promise<ssh2.Client> =>
  new Promise((resolve, reject) => {
    const { host, account, limits, identity, signal } = wish;
    const client = new ssh2.Client();
    let verdict: PraError | undefined;
    let settled = false;
    const fail = (thrown: unknown): void => {
      if (settled) return;
      settled = true;
      clearTimeout(timer);
      signal?.removeEventListener('abort', aborted);
      stream.destroy();
      reject(verdict ?? explain(host.name, account, thrown));
    };
    const succeed = (): void => {
      if (settled) return;
      settled = true;
      clearTimeout(timer);
      signal?.removeEventListener('abort', aborted);
      resolve(client);
    };
    const aborted = (): void => fail(signal?.reason);
    signal?.addEventListener('abort', aborted, { once: true });
    const timer = setTimeout(() => fail(unreachable(host.name, 'timeout')), limits.connectMs);
    // `error` keeps its listener for good: ssh2 may emit several, and an unheard one ends the process.
    client.on('error', fail);
    client.once('close', () => fail(undefined));
    if (identity === undefined) client.once('handshake', succeed);
    else client.once('ready', succeed);
    if (signal?.aborted === true) return aborted();
    let offered = false;
    client.connect({
      sock: stream,
      username: identity?.username ?? 'none',
      hostVerifier: (key: Buffer): boolean => {
        verdict = wish.judge(key);
        return verdict === undefined;
      },
      // One key, once: no password, no second try that a server could count against us.
      authHandler: ((_left: unknown, _partial: unknown, next: (method: Identity | false) => void) => {
        const again = offered || identity === undefined;
        offered = true;
        next(again ? false : identity);
      }) as ssh2.AuthHandlerMiddleware,
      algorithms: { ...ALGORITHMS, serverHostKey: [...wish.hostKeyAlgorithms] },
      readyTimeout: 0,
      keepaliveInterval: limits.keepaliveMs,
      keepaliveCountMax: limits.keepaliveMisses,
    });
  });

const withinMs = async <T>(work: Promise<T>, ms: number, late: () => PraError): Promise<T> => {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(late()), ms);
  try {
    return await Promise.race([work, promise]);
  } finally {
    clearTimeout(timer);
  }
};

/**
 * Connects, checks the host key and authenticates; `via` is an authenticated connection to the jump host.
 * Throws HOST_KEY_*, AUTH_REFUSED, KEY_PASSPHRASE (agent), UNREACHABLE.
 */
export const connect = async (wish: HandshakeWish, via?: ssh2.Client): Promise<ssh2.Client> => {
  if (via === undefined) return handshake(directStream(wish.host), wish);
  const late = (): PraError => unreachable(wish.host.name, 'timeout');
  return handshake(await withinMs(forwardedStream(via, wish.host), wish.limits.connectMs, late), wish);
};
