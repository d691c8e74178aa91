// The one place that writes an ssh_config(5). Every option is set here: files of the user and of the system are not read (-F).
import { PraError } from '../errors.ts';
import { ALGORITHMS } from './algorithms.ts';
import type { HostAddress } from './host-address.ts';
import type { HostKeyAlgorithm, KnownKeys } from './host-key.ts';
import { keyTypeOf } from './known-hosts.ts';
import type { SshLimits } from './limits.ts';
import type { OpensshProgram } from './openssh-program.ts';

type Options = Readonly<Record<string, string | readonly string[] | number>>;

/** What a value may consist of: nothing that ssh_config(5) quotes, expands or takes for a token. */
const PLAIN = /^[A-Za-z0-9@._:+/,-]+$/u;

/** One `Host *` block. Throws INTERNAL for a value that could be read as more than one word, a token or a variable. */
const render = (options: Options): string => {
  const lines = Object.entries(options).map(([name, value]) => {
    const text = typeof value === 'object' ? value.join(',') : String(value);
    if (!PLAIN.test(text)) throw new PraError('INTERNAL', {}, new Error(`${name} is not a plain value`));
    return `  ${name} ${text}\n`;
  });
  return `Host *\n${lines.join('')}`;
};

/** True for a path that may stand in a configuration as it is. */
export const isPlainPath = (path: string): boolean => PLAIN.test(path);

/** What nobody may change: no prompt, no forwarding, no program of its own, no key but the one we name. */
const CLOSED: Options = {
  BatchMode: 'yes',
  NumberOfPasswordPrompts: 0,
  StrictHostKeyChecking: 'yes',
  UpdateHostKeys: 'no',
  VerifyHostKeyDNS: 'no',
  CheckHostIP: 'no',
  CanonicalizeHostname: 'no',
  KnownHostsCommand: 'none',
  PreferredAuthentications: 'publickey',
  PasswordAuthentication: 'no',
  KbdInteractiveAuthentication: 'no',
  HostbasedAuthentication: 'no',
  AddKeysToAgent: 'no',
  IdentitiesOnly: 'yes',
  ForwardAgent: 'no',
  ForwardX11: 'no',
  ForwardX11Trusted: 'no',
  ClearAllForwardings: 'yes',
  ExitOnForwardFailure: 'yes',
  PermitLocalCommand: 'no',
  Tunnel: 'no',
  RequestTTY: 'no',
  EscapeChar: 'none',
  Compression: 'no',
  ConnectionAttempts: 1,
  TCPKeepAlive: 'yes',
};

/** Post-quantum hybrids first, where the client has them; then what ssh2 offers too. */
const KEX = [
  'mlkem768x25519-sha256',
  'sntrup761x25519-sha512',
  'sntrup761x25519-sha512@openssh.com',
  ...(ALGORITHMS.kex as readonly string[]),
];

/** Signatures of ours: no SHA-1. Security keys and certificates are what this transport is for. */
const SIGNATURES = [
  'ssh-ed25519-cert-v01@openssh.com',
  'ssh-ed25519',
  'sk-ssh-ed25519@openssh.com',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp384',
  'ecdsa-sha2-nistp521',
  'sk-ecdsa-sha2-nistp256@openssh.com',
  'rsa-sha2-512',
];

/** True for a key exchange that a quantum computer of the future does not open from a recording of today. */
export const isPostQuantum = (kex: string): boolean => /^(?:mlkem|sntrup)/u.test(kex);

/** Only what this ssh has: an unknown name would be a configuration error. */
const available = (wanted: unknown, has: readonly string[]): readonly string[] => {
  const both = (wanted as readonly string[]).filter((name) => has.includes(name));
  if (both.length === 0) throw new PraError('SSH_TOO_OLD', { version: 'none of our algorithms' });
  return both;
};

/** Files of one connection, all in the private directory. */
export interface ConnectionFiles {
  /** Socket of the master. */
  readonly control: string;
  readonly knownHosts: string;
  /** Has nothing in it. */
  readonly empty: string;
}

/** How ssh gets at the key. */
export interface KeyFiles {
  /** The public half, or for a security key that is not in an agent its key handle. */
  readonly identity: string;
  readonly certificate?: string | undefined;
  /** Socket of the agent that signs; without one ssh reads `identity` itself. */
  readonly agent?: string | undefined;
}

export interface MasterWish {
  readonly program: OpensshProgram;
  readonly host: HostAddress;
  readonly user: string;
  readonly files: ConnectionFiles;
  readonly keys: KeyFiles;
  readonly hostKeyAlgorithms: readonly HostKeyAlgorithm[];
  readonly limits: SshLimits;
}

const seconds = (ms: number): number => Math.max(1, Math.ceil(ms / 1_000));

/**
 * The configuration of a master: it authenticates on the stream that it gets as standard input and output (`ProxyCommand -`),
 * and then only serves its control socket.
 */
export const masterConfig = ({
  program,
  host,
  user,
  files,
  keys,
  hostKeyAlgorithms,
  limits,
}: MasterWish): string =>
  render({
    HostName: host.address,
    Port: host.port,
    HostKeyAlias: host.name,
    User: user,
    ...CLOSED,
    ProxyCommand: '-',
    UserKnownHostsFile: files.knownHosts,
    GlobalKnownHostsFile: files.empty,
    HostKeyAlgorithms: hostKeyAlgorithms,
    KexAlgorithms: available(KEX, program.kex),
    Ciphers: available(ALGORITHMS.cipher, program.cipher),
    MACs: available(ALGORITHMS.hmac, program.mac),
    PubkeyAcceptedAlgorithms: SIGNATURES,
    PubkeyAuthentication: 'yes',
    IdentityFile: keys.identity,
    CertificateFile: keys.certificate ?? 'none',
    IdentityAgent: keys.agent ?? 'none',
    ServerAliveInterval: seconds(limits.keepaliveMs),
    ServerAliveCountMax: limits.keepaliveMisses,
    ControlMaster: 'yes',
    ControlPath: files.control,
    ControlPersist: 'no',
    LogLevel: 'DEBUG1',
  });

/**
 * The configuration of a client of that master. When the master cannot serve it, ssh would open a connection of its own: that
 * cannot succeed, because there is no address, no key and no host key for it.
 */
export const clientConfig = (files: ConnectionFiles): string =>
  render({
    HostName: '0.0.0.0',
    AddressFamily: 'inet6',
    ...CLOSED,
    UserKnownHostsFile: files.empty,
    GlobalKnownHostsFile: files.empty,
    PubkeyAuthentication: 'no',
    IdentityFile: 'none',
    IdentityAgent: 'none',
    ControlMaster: 'no',
    ControlPath: files.control,
    LogLevel: 'DEBUG2',
  });

/**
 * A known_hosts for this host alone, with exactly the keys that our own reading of known_hosts trusts (host-key.ts): ssh judges by
 * the same rules as the other transport, and a line that only one of the two understands trusts nothing.
 */
export const knownHostsFor = (host: HostAddress, known: KnownKeys): string => {
  const line = (key: Buffer): string => `${host.name} ${keyTypeOf(key) ?? ''} ${key.toString('base64')}\n`;
  return [...known.trusted.map(line), ...known.revoked.map((key) => `@revoked ${line(key)}`)].join('');
};
