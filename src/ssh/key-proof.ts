// Imports ssh2: load this module lazily.
import ssh2 from 'ssh2';
import { PraError } from '../errors.ts';
import { connect } from './connect.ts';
import type { Connection } from './connection.ts';
import type { HostAddress } from './host-address.ts';
import { hostKeyOrder, judgeHostKey, knownKeys } from './host-key.ts';
import { openIdentity, type Identity } from './identity.ts';
import { readKnownHosts } from './known-hosts.ts';
import { Lines, type LinesOptions } from './lines.ts';
import { settle, type OpenChannelOptions } from './open-channel.ts';

type Account = 'reader' | 'runner';

/** A connection that was open before something changed, and whether it still is. */
export interface Witness {
  readonly isOpen: boolean;
  /** The connection to the jump host is gone: that this one is closed then says nothing about the host. */
  readonly isCut: boolean;
  /** Resolves when it was closed, from whichever side. */
  readonly closed: Promise<void>;
  end(): void;
}

/**
 * An agent that holds a public key and nothing else. SSH asks the server about a key before it signs (RFC 4252 §7): being asked
 * to sign means that the server would let this key in. It never signs, so nobody is let in.
 */
class PublicKeyOnly extends ssh2.BaseAgent {
  readonly #key: ssh2.ParsedKey;
  isAccepted = false;

  constructor(key: ssh2.ParsedKey) {
    super();
    this.#key = key;
  }

  override getIdentities(done: (error: Error | null | undefined, keys?: ssh2.ParsedKey[]) => void): void {
    done(null, [this.#key]);
  }

  override sign(...args: readonly unknown[]): void {
    this.isAccepted = true;
    const done = args.at(-1) as (error: Error) => void;
    done(new Error('there is no private key here'));
  }
}

/** Asks sshd of each host who may log in, over the same way the channel takes: known_hosts, jump hosts, no agent. */
export class KeyProof {
  readonly #options: LinesOptions;
  readonly #lines: Lines;

  constructor(options: OpenChannelOptions) {
    this.#options = settle(options);
    this.#lines = new Lines(this.#options);
  }

  /** Logs in with the configured key and stays. Throws as `connect` does. */
  async witness(host: string, account: Account, signal: AbortSignal): Promise<Witness> {
    const key = this.#options.accounts[account];
    const { client, jump } = await this.#connect(host, account, await openIdentity(account, key), signal);
    const { promise, resolve } = Promise.withResolvers<void>();
    const state = { isOpen: true };
    const over = (): void => {
      state.isOpen = false;
      resolve();
    };
    client.on('error', over).on('end', over).on('close', over);
    return {
      get isOpen() {
        return state.isOpen;
      },
      get isCut() {
        return jump?.alive === false;
      },
      closed: promise,
      end: () => client.destroy(),
    };
  }

  /** Whether sshd would let an account in with this public key; its private half is not needed. Throws UNREACHABLE, HOST_KEY_*. */
  async accepts(host: string, account: Account, publicKey: Buffer, signal: AbortSignal): Promise<boolean> {
    const length = publicKey.readUInt32BE(0);
    const type = publicKey.subarray(4, 4 + length).toString('latin1');
    const key = ssh2.utils.parseKey(`${type} ${publicKey.toString('base64')}`);
    if (key instanceof Error) throw new PraError('KEY_INVALID', { path: type }, key);
    const agent = new PublicKeyOnly(key);
    const username = this.#options.accounts[account].user;
    try {
      (await this.#connect(host, account, { type: 'agent', username, agent }, signal)).client.destroy();
    } catch (thrown) {
      const isAnswer = thrown instanceof PraError && ['AUTH_REFUSED', 'KEY_PASSPHRASE'].includes(thrown.code);
      if (!isAnswer) throw thrown;
    }
    return agent.isAccepted;
  }

  async close(): Promise<void> {
    await this.#lines.close();
  }

  async #connect(
    name: string,
    account: Account,
    identity: Identity,
    signal: AbortSignal,
  ): Promise<{ readonly client: ssh2.Client; readonly jump: Connection | undefined }> {
    const host = this.#host(name);
    const known = knownKeys(await readKnownHosts(this.#options.knownHosts), host);
    const jump = host.jump === undefined ? undefined : await this.#lines.via(host.jump).connection();
    const wish = {
      host,
      account,
      identity,
      limits: this.#options.limits,
      hostKeyAlgorithms: hostKeyOrder(known),
      judge: (presented: Buffer) => judgeHostKey(host, known, presented),
      signal,
    };
    // As long as ours lives: the jump host's connection would end when nobody has used it for a while, and ours with it.
    const leave = jump?.use();
    try {
      const client = await connect(wish, jump?.client);
      if (leave !== undefined) client.once('close', leave);
      return { client, jump };
    } catch (thrown) {
      leave?.();
      throw thrown;
    }
  }

  #host(name: string): HostAddress {
    const host = this.#options.hosts.get(name);
    if (host === undefined)
      throw new PraError('HOST_UNKNOWN', { hosts: [...this.#options.hosts.keys()].slice(0, 20).join(', ') });
    return host;
  }
}
