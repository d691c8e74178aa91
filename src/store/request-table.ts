import type { State, StoredRequest } from '../request/types.ts';
import type { Database, Statement } from './database.ts';
import { COLUMNS, readRow, writeRow, type RequestRow } from './request-rows.ts';
import { broken } from './store-error.ts';

/** The statements on `requests`. No transaction of its own; whoever writes has appended the ledger row before. */
export class RequestTable {
  readonly #insert: Statement<RequestRow[]>;
  readonly #update: Statement<RequestRow[]>;
  readonly #get: Statement<[string], unknown>;
  readonly #prefix: Statement<[string, string], unknown>;
  readonly #list: Statement<[number], unknown>;
  readonly #listStates: Statement<[string, number], unknown>;
  readonly #due: Statement<[number, number], unknown>;

  constructor(database: Database) {
    const every = COLUMNS.join(', ');
    const values = COLUMNS.map((column) => `@${column}`).join(', ');
    const settings = COLUMNS.map((column) => `${column} = @${column}`).join(', ');
    const select = `SELECT ${every} FROM requests`;
    const newest = 'ORDER BY created_at DESC, id LIMIT ?';
    this.#insert = database.prepare<RequestRow[]>(`INSERT INTO requests (${every}) VALUES (${values})`);
    this.#update = database.prepare<RequestRow[]>(`UPDATE requests SET ${settings} WHERE id = @id`);
    this.#get = database.prepare<[string], unknown>(`${select} WHERE id = ?`);
    this.#prefix = database.prepare<[string, string], unknown>(`${select} WHERE id >= ? AND id < ? LIMIT 2`);
    this.#list = database.prepare<[number], unknown>(`${select} ${newest}`);
    this.#listStates = database.prepare<[string, number], unknown>(
      `${select} WHERE state IN (SELECT value FROM json_each(?)) ${newest}`,
    );
    this.#due = database.prepare<[number, number], unknown>(
      `${select} WHERE (state IN ('PROPOSED', 'PENDING') AND decide_by < ?)
                    OR (state IN ('APPROVED', 'AUTO_APPROVED', 'REVOKE_UNCONFIRMED') AND execute_by < ?) ORDER BY created_at, id`,
    );
  }

  /** Inserts and reads back, so that what cannot be read is never committed. */
  insert(request: StoredRequest, ledgerSeq: number): StoredRequest {
    this.#insert.run(writeRow(request, ledgerSeq));
    return this.#written(request.id);
  }

  update(request: StoredRequest, ledgerSeq: number): StoredRequest {
    this.#update.run(writeRow(request, ledgerSeq));
    return this.#written(request.id);
  }

  get(id: string): StoredRequest | undefined {
    const row = this.#get.get(id);
    return row === undefined ? undefined : readRow(row);
  }

  /** At most two: one, or not one. */
  beginningWith(prefix: string): readonly StoredRequest[] {
    // `{` follows `z` in ASCII.
    return this.#prefix.all(prefix, `${prefix}{`).map(readRow);
  }

  list(states: readonly State[] | undefined, limit: number): readonly StoredRequest[] {
    const rows =
      states === undefined ? this.#list.all(limit) : this.#listStates.all(JSON.stringify(states), limit);
    return rows.map(readRow);
  }

  /** What is past its deadline: `isOverdue` of deadlines.ts as SQL. */
  due(now: number): readonly StoredRequest[] {
    return this.#due.all(now, now).map(readRow);
  }

  #written(id: string): StoredRequest {
    const request = this.get(id);
    if (request === undefined) throw broken('a written row is gone');
    return request;
  }
}
