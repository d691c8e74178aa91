import { PraError } from '../errors.ts';
import { spendGrant, type Grant } from '../request/grant.ts';
import type { Channel, ChannelOptions, ChannelResult, Clock } from '../request/ports.ts';
import type { CertificateOptions } from './certificate-options.ts';
import type { HostAddress } from './host-address.ts';
import { knownKeys } from './host-key.ts';
import type { AccountKey } from './identity.ts';
import { readKnownHosts } from './known-hosts.ts';
import { DEFAULT_LIMITS, type SshLimits, type SshLog } from './limits.ts';
import type { Line } from './line.ts';
import type { JumpHost, Lines, LinesOptions } from './lines.ts';
import type { OpensshLines } from './openssh-lines.ts';

export interface OpenChannelOptions {
  /** By name: the only hosts this channel talks to. */
  readonly hosts: Readonly<Record<string, HostAddress>>;
  /** By name: hosts that `jump` may name; a jump host may itself have a jump. */
  readonly jumps?: Readonly<Record<string, JumpHost>> | undefined;
  readonly accounts: { readonly reader: AccountKey; readonly runner: AccountKey };
  /** Read in this order; `hosts trust` writes to the first. A file that does not exist knows no host. */
  readonly knownHosts: readonly { readonly path: string }[];
  /** How certificates are made, for the hosts that want them. */
  readonly certificates?: CertificateOptions | undefined;
  readonly limits?: Partial<SshLimits> | undefined;
  readonly clock?: Clock | undefined;
  readonly log?: SshLog | undefined;
}

/** Throws CONFIG_INVALID when a jump host is missing or a chain of them comes back to its start. */
const checkJumps = (hosts: ReadonlyMap<string, HostAddress>, jumps: ReadonlyMap<string, JumpHost>): void => {
  for (const host of [...hosts.values(), ...jumps.values()]) {
    const seen = new Set<string>();
    for (let name = host.jump; name !== undefined; name = jumps.get(name)?.jump) {
      if (seen.has(name) || !jumps.has(name)) {
        throw new PraError('CONFIG_INVALID', { count: 1, first: `jump ${name} of host ${host.name}` });
      }
      seen.add(name);
    }
  }
};

/** Throws CONFIG_INVALID for a host that wants certificates which nobody makes or its transport cannot use: never another key instead. */
const checkCertificates = (
  hosts: ReadonlyMap<string, HostAddress>,
  certificates: CertificateOptions | undefined,
): void => {
  const bad = [...hosts.values()].find(
    ({ certificate, transport }) =>
      certificate === true && (certificates === undefined || transport !== 'openssh'),
  );
  if (bad !== undefined)
    throw new PraError('CONFIG_INVALID', { count: 1, first: `certificate of host ${bad.name}` });
};

/** The options with every default filled in. */
export const settle = (options: OpenChannelOptions): LinesOptions => {
  const hosts = new Map(Object.entries(options.hosts));
  const jumps = new Map(Object.entries(options.jumps ?? {}));
  checkJumps(hosts, jumps);
  checkCertificates(hosts, options.certificates);
  return {
    hosts,
    jumps,
    accounts: options.accounts,
    knownHosts: options.knownHosts.map((file) => file.path),
    certificates: options.certificates,
    limits: { ...DEFAULT_LIMITS, ...options.limits },
    clock: options.clock ?? Date,
    log: options.log,
  };
};

/**
 * The SSH channel: connections are opened when first needed, pooled for each host and account, and closed when idle.
 * ssh2 is loaded at the first use, not before. Besides the codes of `Channel`: FILE_MODE, KEY_*, KNOWN_HOSTS_BAD,
 * HOST_UNKNOWN; INTERNAL for a grant that is not real or was used before.
 *
 * UNREACHABLE, AUTH_REFUSED, HOST_KEY_* and the codes about files mean that nothing was sent. After any other error, and
 * when `exit` is undefined, the command may have run.
 */
export const openChannel = (options: OpenChannelOptions): Channel => {
  const settled = settle(options);
  const closing = new AbortController();
  let ssh2: Promise<Lines> | undefined;
  let openssh: Promise<OpensshLines> | undefined;

  /** By the host's own transport; each is loaded when a host first needs it. A host that is not configured is refused by either. */
  const lineTo = async (host: string, account: 'reader' | 'runner'): Promise<Line> => {
    if (settled.hosts.get(host)?.transport === 'openssh') {
      openssh ??= import('./openssh-lines.ts').then((module) => new module.OpensshLines(settled));
      return (await openssh).to(host, account);
    }
    ssh2 ??= import('./lines.ts').then((module) => new module.Lines(settled));
    return (await ssh2).to(host, account);
  };

  const run = async (grant: Grant, { signal, onStdout }: ChannelOptions = {}): Promise<ChannelResult> => {
    if (!spendGrant(grant)) throw new PraError('INTERNAL', {}, new Error('not a grant, or a used one'));
    const stop = new AbortController();
    const cancel = (): void => stop.abort(new PraError('CANCELLED'));
    const deadline = new PraError('DEADLINE', { host: grant.host, seconds: grant.seconds });
    const timer = setTimeout(() => stop.abort(deadline), grant.seconds * 1_000);
    const sources = signal === undefined ? [closing.signal] : [closing.signal, signal];
    for (const source of sources) source.addEventListener('abort', cancel, { once: true });
    if (sources.some((source) => source.aborted)) cancel();
    try {
      stop.signal.throwIfAborted();
      const line = await lineTo(grant.host, grant.account);
      return await line.run({ ...grant, onStdout }, stop.signal);
    } finally {
      clearTimeout(timer);
      for (const source of sources) source.removeEventListener('abort', cancel);
    }
  };

  return {
    run,
    hostKeys: async (host) => {
      const address = settled.hosts.get(host);
      if (address === undefined)
        throw new PraError('HOST_UNKNOWN', { hosts: [...settled.hosts.keys()].slice(0, 20).join(', ') });
      return knownKeys(await readKnownHosts(settled.knownHosts), address).trusted;
    },
    close: async () => {
      closing.abort();
      await Promise.all([ssh2, openssh].map(async (lines) => (await lines)?.close()));
    },
  };
};
