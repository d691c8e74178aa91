import { existsSync } from 'node:fs';
import type { Database } from 'better-sqlite3';
import { PraError } from '../errors.ts';
import { makePrivateFile } from './private-files.ts';

export type { Database, Statement } from 'better-sqlite3';

/** How long a writer waits for another process's transaction. Milliseconds. */
const BUSY_MS = 5_000;

/** better-sqlite3 13 needs Node-API 10 and crashes without a word on anything older. Throws NODE_TOO_OLD. */
export const requireNodeApi = (versions: { readonly node: string; readonly napi?: string }): void => {
  if (Number(versions.napi ?? 0) >= 10) return;
  throw new PraError('NODE_TOO_OLD', { version: versions.node });
};

/**
 * Opens the file, made (0600) when missing, with what every connection of this product has: WAL, an fsync at each commit,
 * no functions from the schema, foreign keys. The only place that loads better-sqlite3; it does so after the guard.
 */
export const openDatabase = async (path: string): Promise<Database> => {
  requireNodeApi(process.versions);
  const { default: Sqlite } = await import('better-sqlite3');
  const connect = (file: string): Database => {
    const database = new Sqlite(file, { timeout: BUSY_MS, fileMustExist: true });
    try {
      database.pragma('trusted_schema = OFF');
      database.pragma('foreign_keys = ON');
      database.pragma('journal_mode = WAL');
      database.pragma('synchronous = FULL');
      return database;
    } catch (error) {
      database.close();
      throw error;
    }
  };
  // Going over to WAL does not wait for others: two processes on a new file would see SQLITE_BUSY. So it is made aside.
  if (!existsSync(path)) makePrivateFile(path, (draft) => connect(draft).close());
  return connect(path);
};
