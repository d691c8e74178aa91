import { createReadStream } from 'node:fs';
import { isAbsolute, join } from 'node:path';

/** Where the passphrase of a transport key comes from. Approver keys never use this: theirs is typed. */
export type PassphraseSource =
  | { readonly env: string }
  | { readonly fd: number }
  | { readonly credential: string }
  | { readonly agent: true };

const MAX_PASSPHRASE = 4_096;

const firstLine = async (stream: AsyncIterable<Buffer>): Promise<Buffer | undefined> => {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream) {
    size += chunk.length;
    if (size > MAX_PASSPHRASE) return undefined;
    chunks.push(chunk);
    if (chunk.includes(0x0a)) break;
  }
  const all = Buffer.concat(chunks);
  const end = all.indexOf(0x0a);
  return end < 0 ? all : all.subarray(0, end);
};

const readDescriptor = (fd: number): Promise<Buffer | undefined> => firstLine(createReadStream('', { fd }));

/** Credentials of systemd (or a container's secrets): a folder that the service manager names and only we can read. */
const readCredential = async (name: string): Promise<Buffer | undefined> => {
  const folder = process.env['CREDENTIALS_DIRECTORY'];
  if (folder === undefined || !isAbsolute(folder)) return undefined;
  const found = await firstLine(createReadStream(join(folder, name))).catch(() => undefined);
  return found === undefined || found.length === 0 ? undefined : found;
};

// A descriptor is read once and then closed; two keys may name the same one.
const descriptors = new Map<number, Promise<Buffer | undefined>>();

/**
 * The passphrase: from the environment, or the first line of a file descriptor (3 or higher) or of a credential, at most 4 KiB.
 * `undefined` when there is none. The text is never logged and never part of an error.
 */
export const readPassphrase = async (
  source: Exclude<PassphraseSource, { agent: true }>,
): Promise<Buffer | undefined> => {
  if ('env' in source) {
    const value = process.env[source.env];
    return value === undefined || value === '' ? undefined : Buffer.from(value);
  }
  if ('credential' in source) return readCredential(source.credential);
  // 0, 1 and 2 belong to the protocol and the terminal.
  if (source.fd < 3) return undefined;
  let reading = descriptors.get(source.fd);
  if (reading === undefined) {
    reading = readDescriptor(source.fd).catch(() => undefined);
    descriptors.set(source.fd, reading);
  }
  return reading;
};
