import { statSync } from 'node:fs';
import { join } from 'node:path';
import type { LedgerRow } from '../request/ledger-entry.ts';
import type { Clock, Store } from '../request/ports.ts';
import { EXECUTE_MS } from '../request/ticket-for.ts';
import { AuditMirror, type StoreWarning } from './audit-mirror.ts';
import { openDatabase, type Database } from './database.ts';
import { Ledger } from './ledger.ts';
import { migrate } from './migrate.ts';
import { checkPrivateFile, ensurePrivateDir } from './private-files.ts';
import { SqliteStore } from './sqlite-store.ts';
import { SteadyTime } from './steady-time.ts';
import { asStoreError } from './store-error.ts';

export type { StoreWarning } from './audit-mirror.ts';

export interface StoreOptions {
  /** Holds `mcp-pra.db`; made 0700 when missing. */
  readonly dir: string;
  readonly clock: Clock;
  /** Holds the mirror of the ledger; `audit` below `dir` unless told. */
  readonly auditDir?: string;
  /** From the approval to the dispatch; EXECUTE_MS unless told, never more. Milliseconds. */
  readonly executeMs?: number;
  /** For the log: what must not stop a change. */
  readonly onWarning?: (code: StoreWarning) => void;
  /** For the log: a committed row of kind `alarm`. */
  readonly onAlarm?: (row: LedgerRow) => void;
}

/**
 * Opens the approval store and the ledger, and brings schema and mirror up to date. The server and any number of CLI
 * processes may have it open. Throws NODE_TOO_OLD, STORE_NEWER, STORE_BROKEN; FILE_MODE or DIR_MODE when others have
 * access to it.
 */
export const openStore = async (options: StoreOptions): Promise<Store> => {
  const path = join(options.dir, 'mcp-pra.db');
  const auditDir = options.auditDir ?? join(options.dir, 'audit');
  let database: Database | undefined;
  try {
    ensurePrivateDir(options.dir);
    for (const suffix of ['', '-wal', '-shm']) checkPrivateFile(path + suffix);
    // A missing one is made by the mirror, and when that fails it is a warning only.
    if (statSync(auditDir, { throwIfNoEntry: false })?.isDirectory() === true) ensurePrivateDir(auditDir);
    database = await openDatabase(path);
    migrate(database);
    const ledger = new Ledger(database, options.clock);
    const mirror = new AuditMirror(database, ledger, auditDir, (code) => options.onWarning?.(code));
    mirror.catchUp();
    const { clock, onAlarm = () => undefined } = options;
    const steady = new SteadyTime(database, clock);
    const executeMs = Math.min(options.executeMs ?? EXECUTE_MS, EXECUTE_MS);
    const store = new SqliteStore({ database, ledger, mirror, clock, steady, executeMs, onAlarm });
    // What nobody decided while no process of ours ran.
    store.expireDue();
    return store;
  } catch (error) {
    database?.close();
    throw asStoreError(error);
  }
};
