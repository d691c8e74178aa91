import {
  closeSync,
  copyFileSync,
  existsSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { PraError } from '../../errors.ts';
import { say } from '../say.ts';
import { fingerprintOfLine } from './transport-keys.ts';

/**
 * Where a rotation is, by the files beside a key: `idle` has only KEY, `staged` has KEY.next too, `switched` has KEY.previous, and
 * KEY is the new one. The files are the state: whatever interrupts a rotation, the next run goes on from them.
 */
export type Phase = 'idle' | 'staged' | 'switched';

/** A public half: its line and fingerprint. */
export interface PublicHalf {
  readonly line: string;
  readonly fingerprint: string;
}

export interface KeyFiles {
  readonly phase: Phase;
  /** Private key files. Without a rotation both are KEY. */
  readonly oldPath: string;
  readonly newPath: string;
  readonly old: PublicHalf;
  readonly new: PublicHalf;
}

export const nextOf = (path: string): string => `${path}.next`;
export const previousOf = (path: string): string => `${path}.previous`;

const publicHalf = (path: string): PublicHalf => {
  const file = `${path}.pub`;
  if (!existsSync(file)) throw new PraError('ROTATION_REFUSED', { what: say('rotation.no_pub', { file }) });
  const line = readFileSync(file, 'utf8').trim();
  return { line, fingerprint: fingerprintOfLine(line) };
};

/** Throws ROTATION_REFUSED when a public half is missing. */
export const readKeyFiles = (path: string): KeyFiles => {
  // A switch that was cut off between its renames has both: it is finished by `switchKey`, and until then the old key counts.
  const next = nextOf(path);
  if (existsSync(next)) {
    return {
      phase: 'staged',
      oldPath: path,
      newPath: next,
      old: publicHalf(path),
      new: publicHalf(next),
    };
  }
  if (existsSync(previousOf(path))) {
    finishPublicHalf(path);
    const previous = previousOf(path);
    return {
      phase: 'switched',
      oldPath: previous,
      newPath: path,
      old: publicHalf(previous),
      new: publicHalf(path),
    };
  }
  return { phase: 'idle', oldPath: path, newPath: path, old: publicHalf(path), new: publicHalf(path) };
};

/** KEY.next becomes KEY by one rename: a server reads the one or the other, never none. The old one stays as KEY.previous. */
export const switchKey = (path: string): void => {
  const next = nextOf(path);
  if (existsSync(next)) {
    const previous = previousOf(path);
    if (!existsSync(previous)) {
      copyFileSync(`${path}.pub`, `${previous}.pub`);
      // A copy, not a second name: the key file that a server watches stays untouched until the rename.
      copyFileSync(path, `${previous}.new`);
      renameSync(`${previous}.new`, previous);
    }
    renameSync(next, path);
  }
  finishPublicHalf(path);
  syncFolder(dirname(path));
};

const finishPublicHalf = (path: string): void => {
  const next = `${nextOf(path)}.pub`;
  if (existsSync(next)) renameSync(next, `${path}.pub`);
};

/** The new key goes: nothing on this machine has used it. */
export const dropNext = (path: string): void => {
  for (const file of [nextOf(path), `${nextOf(path)}.pub`]) rmSync(file, { force: true });
};

/** The old key goes; hosts refuse it by now. */
export const dropPrevious = (path: string): void => {
  for (const file of [previousOf(path), `${previousOf(path)}.pub`]) rmSync(file, { force: true });
};

const syncFolder = (path: string): void => {
  if (process.platform === 'win32') return;
  const folder = openSync(path, 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
};
