import { PraError } from '../errors.ts';

/** What to say instead of an SQLite error: its stable code, never its text. PraErrors pass. */
export const asStoreError = (thrown: unknown): unknown => {
  if (!(thrown instanceof Error) || thrown instanceof PraError) return thrown;
  const code: unknown = Reflect.get(thrown, 'code');
  if (typeof code === 'string' && /^(?:SQLITE_|E)[A-Z0-9_]+$/u.test(code)) return broken(code, thrown);
  // better-sqlite3 throws this one as a TypeError without a code.
  if (thrown.message === 'The database connection is not open') return broken('closed', thrown);
  return thrown;
};

/** `cause` is one of our own words or an SQLite code. */
export const broken = (cause: string, thrown?: unknown): PraError =>
  new PraError('STORE_BROKEN', { cause }, thrown);

/** Runs the work; SQLite's and the file system's errors come out as STORE_BROKEN. */
export const guarded = <T>(work: () => T): T => {
  try {
    return work();
  } catch (error) {
    throw asStoreError(error);
  }
};
