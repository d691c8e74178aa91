import { createHmac, timingSafeEqual } from 'node:crypto';
import { open } from 'node:fs/promises';
import { PraError } from '../errors.ts';

/** One line of a known_hosts file, as sshd(8) describes it under SSH_KNOWN_HOSTS FILE FORMAT. */
export interface KnownHostsLine {
  readonly marker: 'revoked' | 'cert-authority' | undefined;
  /** The first field: comma-separated patterns, or one hashed name. */
  readonly hosts: string;
  readonly type: string;
  /** SSH wire blob. */
  readonly key: Buffer;
  /** Where it stands, counted from 1. */
  readonly file: string;
  readonly number: number;
}

/** More than any real file or line; what is larger is refused, because a line left out could be a revocation. */
const MAX_FILE = 8 * 1024 * 1024;
const MAX_LINE = 32 * 1024;

const bad = (path: string, cause: string, thrown?: unknown): PraError =>
  new PraError('KNOWN_HOSTS_BAD', { path, cause }, thrown);

/** The type named inside a key blob, when the blob starts with a plausible one. */
export const keyTypeOf = (blob: Buffer): string | undefined => {
  if (blob.length < 4) return undefined;
  const length = blob.readUInt32BE(0);
  const type = blob.subarray(4, 4 + length).toString('latin1');
  return length <= 64 && type.length === length && /^[a-z0-9@.-]+$/u.test(type) ? type : undefined;
};

const parseKey = (type: string, text: string): Buffer | undefined => {
  if (!/^[A-Za-z0-9+/]+={0,2}$/u.test(text)) return undefined;
  const key = Buffer.from(text, 'base64');
  return keyTypeOf(key) === type && key.length > 4 + type.length ? key : undefined;
};

const MARKERS = { '@revoked': 'revoked', '@cert-authority': 'cert-authority' } as const;

/**
 * Reads one line. `undefined`: empty, a comment, or malformed without a marker (it then trusts nothing, as in OpenSSH).
 * Throws when a line with a marker is malformed: it may have been meant to revoke a key.
 */
const parseLine = (text: string, file: string, number: number): KnownHostsLine | undefined => {
  const fields = text.split(/[ \t\r]+/u).filter((field) => field !== '');
  const [first] = fields;
  if (first === undefined || first.startsWith('#')) return undefined;
  const marked = first.startsWith('@');
  const marker = marked ? MARKERS[first.toLowerCase() as keyof typeof MARKERS] : undefined;
  const [hosts, type, encoded] = marked ? fields.slice(1) : fields;
  const key = type === undefined || encoded === undefined ? undefined : parseKey(type, encoded);
  if (marked && (marker === undefined || key === undefined)) throw bad(file, `line ${number} is malformed`);
  if (hosts === undefined || type === undefined || key === undefined) return undefined;
  return { marker, hosts, type, key, file, number };
};

/** Parses the whole text. Throws KNOWN_HOSTS_BAD for what must not be skipped: an oversized line, a broken marker line. */
export const parseKnownHosts = (content: Buffer, file: string): readonly KnownHostsLine[] => {
  if (content.length > MAX_FILE) throw bad(file, 'too large');
  const lines: KnownHostsLine[] = [];
  for (const [index, text] of content.toString('latin1').split('\n').entries()) {
    if (text.length > MAX_LINE) throw bad(file, `line ${index + 1} is too long`);
    const line = parseLine(text, file, index + 1);
    if (line !== undefined) lines.push(line);
  }
  return lines;
};

/** `*` and `?` as in sshd(8), linear in the worst case that matters (one star is remembered at a time). */
const matchesPattern = (pattern: string, name: string): boolean => {
  let [p, n, star, mark] = [0, 0, -1, 0];
  while (n < name.length) {
    if (pattern[p] === '*') [star, mark, p] = [p, n, p + 1];
    else if (p < pattern.length && (pattern[p] === '?' || pattern[p] === name[n])) [p, n] = [p + 1, n + 1];
    else if (star >= 0) [mark, p, n] = [mark + 1, star + 1, mark + 1];
    else return false;
  }
  while (pattern[p] === '*') p += 1;
  return p === pattern.length;
};

/** `|1|salt|hash`: HMAC-SHA1 of the name under the salt (ssh-keygen -H). */
const matchesHashed = (hosts: string, name: string): boolean => {
  const [, version, salt, hash, ...rest] = hosts.split('|');
  if (version !== '1' || salt === undefined || hash === undefined || rest.length > 0) return false;
  const wanted = Buffer.from(hash, 'base64');
  const got = createHmac('sha1', Buffer.from(salt, 'base64')).update(name).digest();
  return wanted.length === got.length && timingSafeEqual(wanted, got);
};

/** What the first field of a line says about a name (`web1`, `10.0.0.5`, `[10.0.0.5]:2222`): a negated pattern excludes it. */
export const matchHost = (hosts: string, name: string): 'named' | 'excluded' | 'absent' => {
  const wanted = name.toLowerCase();
  if (hosts.startsWith('|')) return matchesHashed(hosts, wanted) ? 'named' : 'absent';
  const matching = hosts
    .toLowerCase()
    .split(',')
    .filter((item) => matchesPattern(item.startsWith('!') ? item.slice(1) : item, wanted));
  if (matching.some((item) => item.startsWith('!'))) return 'excluded';
  return matching.length > 0 ? 'named' : 'absent';
};

/** True when a line is about this name. */
export const matchesHost = (hosts: string, name: string): boolean => matchHost(hosts, name) === 'named';

const readOne = async (path: string): Promise<readonly KnownHostsLine[]> => {
  let handle;
  try {
    handle = await open(path, 'r');
  } catch (thrown) {
    // A file that does not exist yet knows no host; anything else may hide a revocation.
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw bad(path, 'cannot be read', thrown);
  }
  try {
    const stat = await handle.stat();
    if (!stat.isFile()) throw bad(path, 'not a regular file');
    if (process.platform !== 'win32' && (stat.mode & 0o022) !== 0) throw bad(path, 'writable by others');
    if (stat.size > MAX_FILE) throw bad(path, 'too large');
    return parseKnownHosts(await handle.readFile(), path);
  } catch (thrown) {
    throw thrown instanceof PraError ? thrown : bad(path, 'cannot be read', thrown);
  } finally {
    await handle.close();
  }
};

/** All lines of all files, read anew each time so that a revocation bites at the next connection. Throws KNOWN_HOSTS_BAD. */
export const readKnownHosts = async (paths: readonly string[]): Promise<readonly KnownHostsLine[]> =>
  (await Promise.all(paths.map(readOne))).flat();
