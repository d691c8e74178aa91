import { randomBytes } from 'node:crypto';
import {
  closeSync,
  fchmodSync,
  fchownSync,
  fstatSync,
  fsyncSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { loadConfig } from '../config.ts';
import { PraError } from '../errors.ts';
import { editConfig, type ConfigChange } from './edit.ts';

/**
 * Changes the configuration file: whole or not at all, and only to a file that loads. Whoever could read it still can, where
 * that is ours to give; nobody else gains a right. A link stays one: what it points to is replaced. Throws CONFIG_INVALID when it would not load, CONFIG_CHANGED when it is not the file that was `read`.
 */
export const changeConfig = (path: string, read: string, changes: readonly ConfigChange[]): void => {
  const file = realpathSync(path);
  // Beside the file, so that the paths in it mean the same when it is checked.
  const fresh = join(dirname(file), `.mcp-pra-${randomBytes(6).toString('hex')}.yaml`);
  const handle = openSync(fresh, 'wx', 0o600);
  try {
    try {
      writeSync(handle, editConfig(read, changes));
      keepReaders(handle, file);
      fsyncSync(handle);
    } finally {
      closeSync(handle);
    }
    loadConfig(fresh);
    if (readFileSync(file, 'utf8') !== read) throw new PraError('CONFIG_CHANGED', { path });
    renameSync(fresh, file);
  } finally {
    rmSync(fresh, { force: true });
  }
};

/** On a control node root edits what the server's account reads. Owner and read bits stay; a write bit of others goes. */
const keepReaders = (handle: number, file: string): void => {
  const { uid, gid, mode } = statSync(file);
  const ours = fstatSync(handle);
  try {
    if (ours.uid !== uid || ours.gid !== gid) fchownSync(handle, uid, gid);
  } catch {
    return; // Only root may give a file away: it is ours then, 0600.
  }
  fchmodSync(handle, (mode & 0o644) | 0o600);
};
