import { randomBytes } from 'node:crypto';
import { appendFile, chmod, mkdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { PraError } from '../errors.ts';
import { lookupNames, type HostAddress } from './host-address.ts';
import { keyTypeOf, matchesHost, parseKnownHosts } from './known-hosts.ts';

/** True for a pattern that is exactly one of the names, plain or hashed. Wildcards stay: they speak for other hosts too. */
const isName = (pattern: string, names: readonly string[]): boolean =>
  names.some((name) =>
    pattern.startsWith('|') ? matchesHost(pattern, name) : name.toLowerCase() === pattern.toLowerCase(),
  );

interface Edited {
  readonly text: string;
  readonly replaced: number;
}

/** The text without this host in lines for other keys: a line only about it goes, a list of names loses its names. */
const withoutOtherKeys = (content: Buffer, path: string, host: HostAddress, key: Buffer): Edited => {
  const names = lookupNames(host).flat();
  const texts: (string | undefined)[] = content.toString('latin1').split('\n');
  let replaced = 0;
  for (const line of parseKnownHosts(content, path)) {
    if (line.marker !== undefined || line.key.equals(key)) continue;
    const patterns = line.hosts.split(',');
    const left = patterns.filter((pattern) => !isName(pattern, names));
    if (left.length === patterns.length) continue;
    replaced += 1;
    const rest = `${left.join(',')} ${line.type} ${line.key.toString('base64')}`;
    texts[line.number - 1] = left.length === 0 ? undefined : rest;
  }
  return { text: texts.filter((text) => text !== undefined).join('\n'), replaced };
};

const read = async (path: string): Promise<Buffer> => {
  try {
    return await readFile(path);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return Buffer.alloc(0);
    throw new PraError('KNOWN_HOSTS_BAD', { path, cause: 'cannot be read' }, thrown);
  }
};

/**
 * Makes `key` the one that the file has for the host, and says how many lines with other keys were taken out. Appends when it
 * can, so that two processes do not lose each other's lines; otherwise writes a new file beside it and renames.
 */
export const recordHostKey = async (path: string, host: HostAddress, key: Buffer): Promise<number> => {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const name = lookupNames(host)[0]?.[0] ?? host.address;
  const line = `${name} ${keyTypeOf(key) ?? ''} ${key.toString('base64')}\n`;
  const { text, replaced } = withoutOtherKeys(await read(path), path, host, key);
  const gap = text === '' || text.endsWith('\n') ? '' : '\n';
  if (replaced === 0) {
    await appendFile(path, `${gap}${line}`, { mode: 0o600 });
    return 0;
  }
  const temporary = `${path}.${randomBytes(6).toString('hex')}`;
  await writeFile(temporary, Buffer.from(`${text}${gap}${line}`, 'latin1'), { mode: 0o600, flag: 'wx' });
  await chmod(temporary, (await stat(path)).mode & 0o755);
  await rename(temporary, path);
  return replaced;
};
