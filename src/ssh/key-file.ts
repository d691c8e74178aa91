import { open, type FileHandle } from 'node:fs/promises';
import { PraError } from '../errors.ts';

/** No private key is larger; an RSA key of 16,384 bits has 13 KiB. */
const MAX_KEY = 64 * 1024;

const MAGIC = 'openssh-key-v1\0';

/** True when a private key needs a passphrase: from the cipher named in the OpenSSH format, or the PEM headers. */
export const isEncryptedKey = (pem: Buffer): boolean => {
  const text = pem.toString('latin1');
  const body = /-----BEGIN OPENSSH PRIVATE KEY-----([A-Za-z0-9+/=\s]+)-----END/u.exec(text)?.[1];
  if (body === undefined) return /ENCRYPTED|^Encryption: (?!none)/mu.test(text);
  const blob = Buffer.from(body, 'base64');
  if (blob.length < MAGIC.length + 4 || blob.toString('latin1', 0, MAGIC.length) !== MAGIC) return false;
  const end = MAGIC.length + 4 + blob.readUInt32BE(MAGIC.length);
  return blob.toString('latin1', MAGIC.length + 4, end) !== 'none';
};

const checkMode = async (handle: FileHandle, path: string): Promise<void> => {
  const stat = await handle.stat();
  if (!stat.isFile() || stat.size > MAX_KEY) throw new PraError('KEY_INVALID', { path });
  if (process.platform === 'win32') return;
  // 0600 or 0400, and ours: whoever owns the file can change its mode.
  const mine = stat.uid === process.geteuid?.();
  if ((stat.mode & 0o177) !== 0 || !mine) {
    throw new PraError('FILE_MODE', { path, mode: (stat.mode & 0o7777).toString(8).padStart(4, '0') });
  }
};

/** The bytes of a private key file. Throws KEY_MISSING, FILE_MODE (others can read it, or own it), KEY_INVALID. */
export const readKeyFile = async (path: string, account: string): Promise<Buffer> => {
  let handle;
  try {
    handle = await open(path, 'r');
  } catch (thrown) {
    throw new PraError('KEY_MISSING', { account, path }, thrown);
  }
  try {
    // On the open file, so that what was judged is what is read.
    await checkMode(handle, path);
    return await handle.readFile();
  } catch (thrown) {
    throw thrown instanceof PraError ? thrown : new PraError('KEY_INVALID', { path }, thrown);
  } finally {
    await handle.close();
  }
};
