import { asPraError, PraError } from '../errors.ts';
import type { HostAddress } from './host-address.ts';
import { algorithmsOf, fingerprintOf, HOST_KEY_TYPES, judgeHostKey, knownKeys } from './host-key.ts';
import { recordHostKey } from './known-hosts-edit.ts';
import { keyTypeOf, readKnownHosts } from './known-hosts.ts';
import type { Lines, LinesOptions } from './lines.ts';
import { settle, type OpenChannelOptions } from './open-channel.ts';

/** What `trustHostKey` wrote. */
export interface TrustedHostKey {
  readonly type: string;
  readonly fingerprint: string;
  /** The known_hosts file that now has the key. */
  readonly path: string;
  /** How many lines for other keys of this host were taken out of that file. */
  readonly replaced: number;
}

/** A server that has no key of the type asked for breaks off the negotiation: that is no answer about its keys. */
const hasNoSuchType = (error: PraError): boolean =>
  error.code === 'UNREACHABLE' && error.values['cause'] === 'protocol';

const isAboutTheKey = (error: PraError): boolean => error.code.startsWith('HOST_KEY_');

/** Asks for each type of host key in turn, without logging in; the server must prove that it owns the key it shows. */
const findKey = async (
  lines: Lines,
  options: LinesOptions,
  host: HostAddress,
  fingerprint: string,
): Promise<Buffer> => {
  const { connect } = await import('./connect.ts');
  const known = knownKeys(await readKnownHosts(options.knownHosts), host);
  const via = host.jump === undefined ? undefined : await lines.via(host.jump).connection();
  let refusal: PraError | undefined;
  for (const type of HOST_KEY_TYPES) {
    let found: Buffer | undefined;
    const judge = (shown: Buffer): PraError | undefined => {
      const verdict = judgeHostKey(host, known, shown);
      if (fingerprintOf(shown) !== fingerprint || verdict?.code === 'HOST_KEY_REVOKED') {
        return verdict ?? judgeHostKey(host, { trusted: [], revoked: [] }, shown);
      }
      found = shown;
      return undefined;
    };
    const wish = { host, account: 'none', judge, hostKeyAlgorithms: algorithmsOf(type), identity: undefined };
    try {
      const client = await connect({ ...wish, limits: options.limits }, via?.client);
      client.end();
      if (found !== undefined) return found;
    } catch (thrown) {
      const error = asPraError(thrown);
      if (error.code === 'HOST_KEY_REVOKED' || (!isAboutTheKey(error) && !hasNoSuchType(error))) throw error;
      if (refusal === undefined || isAboutTheKey(error)) refusal = error;
    }
  }
  throw refusal ?? new PraError('INTERNAL');
};

/**
 * Trusts the key with exactly this fingerprint, which a person has compared on the host's console: connects, has the server
 * prove that it owns that key, and writes it to the first known_hosts file under the name that is looked up. Lines of that
 * file with other keys for this host are taken out; those of other files stay. Throws HOST_UNKNOWN,
 * HOST_KEY_UNKNOWN or HOST_KEY_CHANGED (with what the host really shows), HOST_KEY_REVOKED, UNREACHABLE, KNOWN_HOSTS_BAD.
 */
export const trustHostKey = async (
  options: OpenChannelOptions,
  want: { readonly host: string; readonly fingerprint: string },
): Promise<TrustedHostKey> => {
  const settled = settle(options);
  const host = settled.hosts.get(want.host) ?? settled.jumps.get(want.host);
  if (host === undefined)
    throw new PraError('HOST_UNKNOWN', { hosts: [...settled.hosts.keys()].slice(0, 20).join(', ') });
  const [path] = settled.knownHosts;
  if (path === undefined) throw new PraError('CONFIG_INVALID', { count: 1, first: 'no known_hosts file' });
  const lines = new (await import('./lines.ts')).Lines(settled);
  try {
    const key = await findKey(lines, settled, host, want.fingerprint);
    const { trusted } = knownKeys(await readKnownHosts(settled.knownHosts), host);
    const replaced = trusted.some((known) => known.equals(key)) ? 0 : await recordHostKey(path, host, key);
    return { type: keyTypeOf(key) ?? '', fingerprint: want.fingerprint, path, replaced };
  } finally {
    await lines.close();
  }
};
