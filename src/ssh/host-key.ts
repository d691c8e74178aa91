import { createHash } from 'node:crypto';
import { PraError } from '../errors.ts';
import { lookupNames, type HostAddress } from './host-address.ts';
import { keyTypeOf, matchesHost, matchHost, type KnownHostsLine } from './known-hosts.ts';

/** Host keys as known_hosts has them for one host, as SSH wire blobs. A revoked key is never among the trusted ones. */
export interface KnownKeys {
  readonly trusted: readonly Buffer[];
  readonly revoked: readonly Buffer[];
}

/** `SHA256:…` as `ssh-keygen -l` prints it. */
export const fingerprintOf = (blob: Buffer): string =>
  `SHA256:${createHash('sha256').update(blob).digest('base64').replace(/=+$/u, '')}`;

/** Key types that can be verified here. A host certificate or a DSA key is never trusted, whatever known_hosts says. */
const HOST_KEY_ALGORITHMS = {
  'ssh-ed25519': ['ssh-ed25519'],
  'ecdsa-sha2-nistp256': ['ecdsa-sha2-nistp256'],
  'ecdsa-sha2-nistp384': ['ecdsa-sha2-nistp384'],
  'ecdsa-sha2-nistp521': ['ecdsa-sha2-nistp521'],
  'ssh-rsa': ['rsa-sha2-512', 'rsa-sha2-256'],
} as const;

type HostKeyType = keyof typeof HOST_KEY_ALGORITHMS;
/** Names of RFC 4253 and RFC 8332; `ssh-rsa` itself (SHA-1) is not among them. */
export type HostKeyAlgorithm = (typeof HOST_KEY_ALGORITHMS)[HostKeyType][number];

export const HOST_KEY_TYPES = Object.keys(HOST_KEY_ALGORITHMS) as readonly HostKeyType[];

export const algorithmsOf = (type: HostKeyType): readonly HostKeyAlgorithm[] => HOST_KEY_ALGORITHMS[type];

/** Lines that may trust: no marker, a type that can be verified, and no name of the host excluded, by whichever it is looked up. */
const mayTrust = (line: KnownHostsLine, names: readonly string[]): boolean =>
  line.marker === undefined &&
  line.type in HOST_KEY_ALGORITHMS &&
  !names.some((name) => matchHost(line.hosts, name) === 'excluded');

/** What known_hosts says about a host. `@cert-authority` lines give nothing: certificates cannot be verified here. */
export const knownKeys = (lines: readonly KnownHostsLine[], host: HostAddress): KnownKeys => {
  const groups = lookupNames(host);
  const about = (names: readonly string[]): readonly KnownHostsLine[] =>
    lines.filter((line) => names.some((name) => matchesHost(line.hosts, name)));
  const revoked = about(groups.flat())
    .filter((line) => line.marker === 'revoked')
    .map((line) => line.key);
  const chosen =
    groups
      .map((names) => about(names).filter((line) => mayTrust(line, groups.flat())))
      .find((found) => found.length > 0) ?? [];
  const keys = new Map(chosen.map((line) => [line.key.toString('base64'), line.key]));
  const trusted = [...keys.values()].filter((key) => !revoked.some((bad) => bad.equals(key)));
  return { trusted, revoked };
};

/** The name under which known_hosts has keys that are trusted for the host; undefined when there are none. */
export const knownName = (lines: readonly KnownHostsLine[], host: HostAddress): string | undefined => {
  const names = lookupNames(host).flat();
  return names.find((name) => lines.some((line) => matchesHost(line.hosts, name) && mayTrust(line, names)));
};

/** Algorithms to offer: first those of keys that are known for the host, so that the server shows one of these. */
export const hostKeyOrder = (known: KnownKeys): HostKeyAlgorithm[] => {
  const types = known.trusted.map((key) => keyTypeOf(key));
  const rank = (type: HostKeyType): number => (types.includes(type) ? 0 : 1);
  return HOST_KEY_TYPES.toSorted((a, b) => rank(a) - rank(b)).flatMap(algorithmsOf);
};

/**
 * The verdict on a presented key by its type and fingerprint: nothing when it is trusted, otherwise the refusal. Any key known
 * for the host makes another one CHANGED, also one of another type: known types are asked for first, so that an honest host
 * shows one.
 */
export const judgeFingerprint = (
  host: HostAddress,
  known: KnownKeys,
  type: string | undefined,
  fingerprint: string,
): PraError | undefined => {
  const values = {
    host: host.name,
    type: type !== undefined && type in HOST_KEY_ALGORITHMS ? type : 'other',
    fingerprint,
    command: `mcp-pra hosts trust ${host.name} --fingerprint ${fingerprint}`,
  };
  const isIt = (key: Buffer): boolean => fingerprintOf(key) === fingerprint;
  if (known.revoked.some(isIt)) return new PraError('HOST_KEY_REVOKED', values);
  if (values.type !== 'other' && known.trusted.some(isIt)) return undefined;
  return new PraError(known.trusted.length > 0 ? 'HOST_KEY_CHANGED' : 'HOST_KEY_UNKNOWN', values);
};

/** The same of the key itself, as an SSH wire blob. */
export const judgeHostKey = (host: HostAddress, known: KnownKeys, presented: Buffer): PraError | undefined =>
  judgeFingerprint(host, known, keyTypeOf(presented), fingerprintOf(presented));
