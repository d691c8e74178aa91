import {
  closeSync,
  fchmodSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
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
 * Makes an empty file (0600) where there is none. SQLite gives `-wal` and `-shm` the mode of the database, so this is
 * all it takes, whatever the umask. Throws FILE_MODE or STORE_BROKEN.
 */
export const ensurePrivateFile = (path: string): void => {
  try {
    const made = openSync(path, 'wx', 0o600);
    // A umask of 0277 and the like would leave it unwritable.
    if (!windows) fchmodSync(made, 0o600);
    closeSync(made);
  } catch (error) {
    if (!(error instanceof Error && Reflect.get(error, 'code') === 'EEXIST')) throw error;
  }
  checkPrivateFile(path);
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
