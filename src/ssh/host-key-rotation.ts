import { randomBytes } from 'node:crypto';
import { chmod, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { PraError } from '../errors.ts';
import { FormError } from '../request/form-error.ts';
import { readPublicKeyLine } from '../request/ssh-public-key.ts';
import { SignatureMismatch, verifySshsig } from '../request/sshsig.ts';
import { lookupNames, type HostAddress } from './host-address.ts';
import { fingerprintOf, knownKeys } from './host-key.ts';
import {
  keyTypeOf,
  matchesHost,
  parseKnownHosts,
  readKnownHosts,
  type KnownHostsLine,
} from './known-hosts.ts';
import { settle, type OpenChannelOptions } from './open-channel.ts';

/** The SSHSIG namespace in which a host's key signs the next one (target-scripts/rotate-host-key). */
const NAMESPACE = 'mcp-pra-host-key';
/** In the comment of a line: this key was made to replace that one, and both are trusted. The rotation's state on this machine. */
const REPLACES = /[ \t]mcp-pra-replaces=(SHA256:[A-Za-z0-9+/]{43})[ \t]*$/u;

/** Fingerprints of the keys that known_hosts has for a host, and of a rotation that has begun here and not ended. */
export interface HostKeyState {
  readonly host: string;
  readonly trusted: readonly string[];
  readonly pending: { readonly old: string; readonly new: string } | null;
}

/** What a host said of its next key: `type base64`, and the signature of the key in use over it (base64 SSHSIG). */
export interface NextHostKey {
  readonly line: string;
  readonly signature: string;
}

const refused = (what: string, cause?: unknown): PraError =>
  new PraError('ROTATION_REFUSED', { what }, cause);

/** What the key in use signed. The host builds the same text. */
export const nextKeyStatement = (host: string, old: string, next: string): string =>
  `mcp-pra host-key v1\nhost ${host}\nold ${old}\nnew ${next}\n`;

/** One host of the configuration, and the names by which known_hosts may have the others. */
interface Subject {
  readonly host: HostAddress;
  readonly paths: readonly string[];
  readonly strangers: readonly string[];
}

const subjectOf = (options: OpenChannelOptions, name: string): Subject => {
  const { hosts, jumps, knownHosts } = settle(options);
  const host = hosts.get(name);
  if (host === undefined)
    throw new PraError('HOST_UNKNOWN', { hosts: [...hosts.keys()].slice(0, 20).join(', ') });
  // A jump host at the same address is this very sshd.
  const strangers = [...hosts.values(), ...jumps.values()]
    .filter(({ address, port }) => address !== host.address || port !== host.port)
    .flatMap((other) => lookupNames(other).flat());
  return { host, paths: knownHosts, strangers };
};

/** Patterns of a line that name this host and nobody else: no wildcard, no exclusion, no name of another configured host. */
const ownPatterns = (hosts: string, strangers: readonly string[]): readonly string[] =>
  (hosts.startsWith('|') ? [hosts] : hosts.split(',')).filter(
    (pattern) => !/[!*?]/u.test(pattern) && !strangers.some((name) => matchesHost(pattern, name)),
  );

interface Known extends KnownHostsLine {
  readonly text: string;
}

const linesOf = (content: Buffer, path: string): { texts: string[]; lines: readonly Known[] } => {
  const texts = content.toString('latin1').split('\n');
  const lines = parseKnownHosts(content, path).map((line) => ({
    ...line,
    text: texts[line.number - 1] ?? '',
  }));
  return { texts, lines };
};

const lineText = (hosts: readonly string[] | string, key: Buffer, more = ''): string =>
  `${typeof hosts === 'string' ? hosts : hosts.join(',')} ${String(keyTypeOf(key))} ${key.toString('base64')}${more}`;

/** The text with a line for `next` after each that has `old` for this host. Pure. */
export const withNextKey = (
  content: Buffer,
  path: string,
  subject: Subject,
  old: Buffer,
  next: Buffer,
): string => {
  const { texts, lines } = linesOf(content, path);
  const out = texts.map((text): string[] => [text]);
  for (const line of lines) {
    if (line.marker !== undefined || !line.key.equals(old)) continue;
    const own = ownPatterns(line.hosts, subject.strangers);
    // Of a line of wildcards: the name of this host that it matches, so that it is looked up where the old key is.
    const names =
      own.length > 0
        ? own
        : lookupNames(subject.host)
            .flat()
            .filter((name) => matchesHost(line.hosts, name));
    if (names.length === 0) continue;
    const has = lines.some((other) => other.key.equals(next) && other.hosts === names.join(','));
    if (!has) out[line.number - 1]?.push(lineText(names, next, ` mcp-pra-replaces=${fingerprintOf(old)}`));
  }
  return out.flat().join('\n');
};

/** The text in which `next` is trusted for good and `old` is marked @revoked, wherever `next` stands for it. Pure. */
export const withOldRevoked = (
  content: Buffer,
  path: string,
  subject: Subject,
  old: Buffer,
  next: Buffer,
): string => {
  const { texts, lines } = linesOf(content, path);
  const out = texts.map((text): string[] => [text]);
  for (const line of lines) {
    if (line.marker !== undefined) continue;
    if (line.key.equals(next)) {
      out[line.number - 1] = [line.text.replace(REPLACES, '')];
      const done = lines.some(
        ({ marker, key, hosts }) => marker === 'revoked' && key.equals(old) && hosts === line.hosts,
      );
      if (REPLACES.test(line.text) && !done)
        out[line.number - 1]?.push(`@revoked ${lineText(line.hosts, old)}`);
    } else if (line.key.equals(old)) {
      const own = ownPatterns(line.hosts, subject.strangers);
      const left = line.hosts.split(',').filter((pattern) => !own.includes(pattern));
      if (own.length > 0) out[line.number - 1] = left.length === 0 ? [] : [lineText(left, old)];
    }
  }
  return out.flat().join('\n');
};

/** The text without the lines of a rotation that is given up. Pure. */
export const withoutNextKey = (content: Buffer, path: string, old: string): string => {
  const { texts, lines } = linesOf(content, path);
  const gone = new Set(
    lines
      .filter(({ marker, text }) => marker === undefined && REPLACES.exec(text)?.[1] === old)
      .map(({ number }) => number),
  );
  return texts.filter((_, index) => !gone.has(index + 1)).join('\n');
};

/** Replaces a known_hosts file, whole or not at all; one that is not there has nothing about the host. */
const edit = async (path: string, change: (content: Buffer) => string): Promise<boolean> => {
  let content: Buffer;
  try {
    content = await readFile(path);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw new PraError('KNOWN_HOSTS_BAD', { path, cause: 'cannot be read' }, thrown);
  }
  const after = change(content);
  if (after === content.toString('latin1')) return false;
  const temporary = `${path}.${randomBytes(6).toString('hex')}`;
  await writeFile(temporary, Buffer.from(after, 'latin1'), { mode: 0o600, flag: 'wx', flush: true });
  await chmod(temporary, (await stat(path)).mode & 0o755);
  await rename(temporary, path);
  return true;
};

/** Ours comes last: its line is the state, and says what is still to be done in the others. */
const editAll = async (
  { paths }: Subject,
  more: readonly string[],
  change: (path: string) => (content: Buffer) => string,
): Promise<readonly string[]> => {
  const changed: string[] = [];
  for (const path of [...more.filter((one) => !paths.includes(one)), ...paths])
    if (await edit(path, change(path))) changed.push(path);
  return changed;
};

interface Pending {
  readonly old: string;
  readonly next: Buffer;
}

const pendingOf = async ({ host, paths }: Subject): Promise<Pending | undefined> => {
  const names = lookupNames(host).flat();
  for (const path of paths) {
    const content = await readFile(path).catch(() => Buffer.alloc(0));
    for (const line of linesOf(content, path).lines) {
      const old = REPLACES.exec(line.text)?.[1];
      if (
        line.marker === undefined &&
        old !== undefined &&
        names.some((name) => matchesHost(line.hosts, name))
      )
        return { old, next: line.key };
    }
  }
  return undefined;
};

const trustedKeys = async ({ host, paths }: Subject): Promise<readonly Buffer[]> =>
  knownKeys(await readKnownHosts(paths), host).trusted;

/** Where the rotation of a host's key is on this machine. Throws HOST_UNKNOWN, KNOWN_HOSTS_BAD. */
export const hostKeyState = async (options: OpenChannelOptions, name: string): Promise<HostKeyState> => {
  const subject = subjectOf(options, name);
  const trusted = (await trustedKeys(subject)).map(fingerprintOf);
  const pending = await pendingOf(subject);
  return {
    host: name,
    trusted,
    pending: pending === undefined ? null : { old: pending.old, new: fingerprintOf(pending.next) },
  };
};

/**
 * Trusts the next key of a host beside the one in use, in known_hosts and in `more` files wherever the old one is trusted for it.
 * Only on the word of a key that is trusted for exactly this host: its signature over the next one. Gives the files that changed.
 * Throws ROTATION_REFUSED.
 */
export const trustNextHostKey = async (
  options: OpenChannelOptions,
  name: string,
  next: NextHostKey,
  more: readonly string[],
): Promise<readonly string[]> => {
  const subject = subjectOf(options, name);
  const key = readPublicKeyLine(next.line);
  if (key === undefined) throw refused('The next key of the host is no public key (type base64)');
  const pending = await pendingOf(subject);
  if (pending !== undefined && !pending.next.equals(key))
    throw refused(`Another rotation of the key of ${name} has begun; go on with it, or abandon it first`);
  for (const old of await trustedKeys(subject)) {
    if (old.equals(key)) continue;
    const message = nextKeyStatement(name, fingerprintOf(old), next.line);
    try {
      const { publicKey } = verifySshsig({ message, signatureBase64: next.signature, namespace: NAMESPACE });
      if (!publicKey.equals(old)) continue;
    } catch (error) {
      if (error instanceof FormError || error instanceof SignatureMismatch) continue;
      throw error;
    }
    return editAll(subject, more, (path) => (content) => withNextKey(content, path, subject, old, key));
  }
  throw refused(`No key that known_hosts trusts for ${name} has signed this next key: it is not trusted`);
};

/** Ends a rotation: the new key is the one, the old one is @revoked. The host must use the new one by now. Throws ROTATION_REFUSED. */
export const finishHostKey = async (
  options: OpenChannelOptions,
  name: string,
  more: readonly string[],
): Promise<readonly string[]> => {
  const subject = subjectOf(options, name);
  const pending = await pendingOf(subject);
  if (pending === undefined) return [];
  const old = (await trustedKeys(subject)).find((key) => fingerprintOf(key) === pending.old);
  if (old === undefined) throw refused(`known_hosts does not trust ${pending.old} for ${name} any more`);
  return editAll(
    subject,
    more,
    (path) => (content) => withOldRevoked(content, path, subject, old, pending.next),
  );
};

/** Gives a rotation up: the next key is trusted no more. The host must use the old one. */
export const abandonHostKey = async (
  options: OpenChannelOptions,
  name: string,
  more: readonly string[],
): Promise<readonly string[]> => {
  const subject = subjectOf(options, name);
  const pending = await pendingOf(subject);
  if (pending === undefined) return [];
  return editAll(subject, more, (path) => (content) => withoutNextKey(content, path, pending.old));
};
