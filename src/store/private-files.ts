import { randomUUID } from 'node:crypto';
import {
  closeSync,
  fstatSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  rmSync,
  statSync,
  type Stats,
} from 'node:fs';
import { PraError } from '../errors.ts';
import { broken } from './store-error.ts';

const windows = process.platform === 'win32';

/** Makes the directory (0700) where it is missing. Throws DIR_MODE when others may enter it, STORE_BROKEN when it is somebody else's. */
export const ensurePrivateDir = (path: string): void => {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  const stats = statSync(path);
  if (!stats.isDirectory()) throw broken('a directory of that name is needed');
  check(path, stats, 'DIR_MODE');
};

/**
 * Makes a file (0600) that appears complete or not at all; whoever is first, wins. SQLite gives `-wal` and `-shm` the mode
 * of the database, so this is all it takes, whatever the umask.
 */
export const makePrivateFile = (path: string, complete: (draft: string) => void): void => {
  const draft = `${path}.${randomUUID()}`;
  closeSync(openSync(draft, 'wx', 0o600));
  try {
    complete(draft);
    linkSync(draft, path);
  } catch (error) {
    if (!(error instanceof Error && Reflect.get(error, 'code') === 'EEXIST')) throw error;
  } finally {
    rmSync(draft);
  }
};

/** Checks a file that may be missing. Throws FILE_MODE or STORE_BROKEN. */
export const checkPrivateFile = (path: string): void => {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats !== undefined) checkFile(path, stats);
};

/** The same for a file that is open. */
export const checkPrivateDescriptor = (path: string, descriptor: number): Stats => {
  const stats = fstatSync(descriptor);
  checkFile(path, stats);
  return stats;
};

const checkFile = (path: string, stats: Stats): void => {
  if (!stats.isFile()) throw broken('a plain file is needed');
  check(path, stats, 'FILE_MODE');
};

const check = (path: string, stats: Stats, code: 'FILE_MODE' | 'DIR_MODE'): void => {
  if (windows) return;
  if (stats.uid !== process.getuid?.()) throw broken('a file or directory belongs to somebody else');
  if ((stats.mode & 0o077) !== 0) throw new PraError(code, { path, mode: (stats.mode & 0o777).toString(8) });
};
