// Imports ssh2 (through connect.ts): load this module lazily.
import { PraError } from '../errors.ts';
import type { Clock } from '../request/ports.ts';
import type { CertificateOptions } from './certificate-options.ts';
import { connect } from './connect.ts';
import { Connection } from './connection.ts';
import type { HostAddress } from './host-address.ts';
import { hostKeyOrder, judgeHostKey, knownKeys } from './host-key.ts';
import { Identities, type StampedIdentity } from './identities.ts';
import { openIdentity, type AccountKey, type Identity } from './identity.ts';
import { keyStamp } from './key-stamp.ts';
import { readKnownHosts } from './known-hosts.ts';
import type { SshLimits, SshLog } from './limits.ts';
import { Line, type Opened } from './line.ts';

/** A host to go through, and the account used for that; it needs AllowTcpForwarding and nothing else. */
export interface JumpHost extends HostAddress {
  readonly key: AccountKey;
}

export interface LinesOptions {
  readonly hosts: ReadonlyMap<string, HostAddress>;
  readonly jumps: ReadonlyMap<string, JumpHost>;
  readonly accounts: Readonly<Record<'reader' | 'runner', AccountKey>>;
  readonly knownHosts: readonly string[];
  /** For the hosts that want certificates. */
  readonly certificates?: CertificateOptions | undefined;
  readonly limits: SshLimits;
  readonly clock: Clock;
  readonly log: SshLog | undefined;
}

interface Target {
  readonly host: HostAddress;
  readonly account: string;
  readonly key: AccountKey;
}

/** One line for each host and account, and one for each jump host; keys are opened once for all, and again when their files change. */
export class Lines {
  readonly #options: LinesOptions;
  readonly #lines = new Map<string, Line<Connection>>();
  readonly #identities = new Identities(openIdentity);
  readonly #closing = new AbortController();

  constructor(options: LinesOptions) {
    this.#options = options;
  }

  /** Throws HOST_UNKNOWN. */
  to(host: string, account: 'reader' | 'runner'): Line<Connection> {
    const { hosts, accounts } = this.#options;
    const address = hosts.get(host);
    if (address === undefined)
      throw new PraError('HOST_UNKNOWN', { hosts: [...hosts.keys()].slice(0, 20).join(', ') });
    return this.#line({ host: address, account, key: accounts[account] });
  }

  /** The line to a jump host. Throws INTERNAL: openChannel has checked that every `jump` exists. */
  via(name: string): Line<Connection> {
    const jump = this.#options.jumps.get(name);
    if (jump === undefined) throw new PraError('INTERNAL', {}, new Error(`no jump host ${name}`));
    return this.#line({ host: jump, account: 'jump', key: jump.key });
  }

  async close(): Promise<void> {
    // A host that is silent must not hold up the end of this program.
    this.#closing.abort(new PraError('CANCELLED'));
    // Lines that go through a jump host first: their streams end with it.
    const lines = [...this.#lines.entries()];
    const jumps = lines.filter(([id]) => id.startsWith('jump '));
    const others = lines.filter(([id]) => !id.startsWith('jump '));
    await Promise.all(others.map(([, line]) => line.close()));
    await Promise.all(jumps.map(([, line]) => line.close()));
  }

  #line(target: Target): Line<Connection> {
    const id = `${target.account} ${target.host.name}`;
    let line = this.#lines.get(id);
    if (line === undefined) {
      const { limits, clock } = this.#options;
      const ways = { open: () => this.#open(target), key: () => keyStamp(target.key) };
      line = new Line(target.host.name, ways, limits, clock);
      this.#lines.set(id, line);
    }
    return line;
  }

  async #open(target: Target): Promise<Opened<Connection>> {
    const { account, key } = target;
    const first = await this.#identities.open(account, key);
    try {
      return { connection: await this.#login(target, first), key: first.stamp };
    } catch (thrown) {
      // The key was changed while we logged in with the one before, and the host has already forgotten that one.
      const refused = thrown instanceof PraError && thrown.code === 'AUTH_REFUSED';
      if (!refused || keyStamp(key) === first.stamp) throw thrown;
      const second = await this.#identities.open(account, key);
      return { connection: await this.#login(target, second), key: second.stamp };
    }
  }

  async #login({ host, account }: Target, { identity }: StampedIdentity<Identity>): Promise<Connection> {
    const { limits, clock, log, knownHosts } = this.#options;
    const known = knownKeys(await readKnownHosts(knownHosts), host);
    const wish = {
      host,
      account,
      identity,
      limits,
      hostKeyAlgorithms: hostKeyOrder(known),
      judge: (presented: Buffer) => judgeHostKey(host, known, presented),
      signal: this.#closing.signal,
    };
    if (host.jump === undefined) return new Connection(await connect(wish), limits, clock, log);
    const jump = await this.via(host.jump).connection();
    const leave = jump.use();
    try {
      const client = await connect(wish, jump.client);
      client.once('close', leave);
      return new Connection(client, limits, clock, log);
    } catch (thrown) {
      leave();
      throw thrown;
    }
  }
}
