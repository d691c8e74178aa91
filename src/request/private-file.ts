import { open, type FileHandle } from 'node:fs/promises';
import { PraError } from '../errors.ts';

/** No private key is larger; an RSA key of 16,384 bits has 13 KiB. */
const MAX_KEY = 64 * 1024;

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
export const readPrivateKeyFile = async (path: string, account: string): Promise<Buffer> => {
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
