import type { Database } from 'better-sqlite3';
import { PraError } from '../errors.ts';

export type { Database, Statement } from 'better-sqlite3';

/** How long a writer waits for another process's transaction. Milliseconds. */
const BUSY_MS = 5_000;

/** better-sqlite3 13 needs Node-API 10 and crashes without a word on anything older. Throws NODE_TOO_OLD. */
export const requireNodeApi = (versions: { readonly node: string; readonly napi?: string }): void => {
  if (Number(versions.napi ?? 0) >= 10) return;
  throw new PraError('NODE_TOO_OLD', { version: versions.node });
};

/**
 * Opens the file for reading and writing, with what every connection of this product has: WAL, an fsync at each commit,
 * no functions from the schema, foreign keys. The only place that loads better-sqlite3; it does so after the guard.
 */
export const openDatabase = async (path: string): Promise<Database> => {
  requireNodeApi(process.versions);
  const { default: Sqlite } = await import('better-sqlite3');
  const database = new Sqlite(path, { timeout: BUSY_MS, fileMustExist: true });
  try {
    database.pragma('trusted_schema = OFF');
    database.pragma('foreign_keys = ON');
    database.pragma('journal_mode = WAL');
    database.pragma('synchronous = FULL');
  } catch (error) {
    database.close();
    throw error;
  }
  return database;
};
