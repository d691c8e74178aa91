import type { LedgerEntry, LedgerRow } from '../request/ledger-entry.ts';
import type { Clock } from '../request/ports.ts';
import type { Database, Statement } from './database.ts';
import { chain, GENESIS, readLedgerRow, writeLedgerRow, type LedgerColumns } from './ledger-rows.ts';
import { broken } from './store-error.ts';

interface Head {
  readonly seq: number;
  readonly hash: string;
}

/** The hash chain in the database. `append` belongs inside the transaction of the change it tells of. */
export class Ledger {
  readonly #clock: Clock;
  readonly #head: Statement<[], Head>;
  readonly #insert: Statement<LedgerColumns[]>;
  readonly #from: Statement<[number, number], unknown>;
  readonly #tail: Statement<[number], unknown>;
  readonly #about: Statement<[string, string], unknown>;
  readonly #alarms: LedgerRow[] = [];

  constructor(database: Database, clock: Clock) {
    this.#clock = clock;
    this.#head = database.prepare<[], Head>('SELECT seq, hash FROM ledger ORDER BY seq DESC LIMIT 1');
    this.#insert = database.prepare<LedgerColumns[]>(
      `INSERT INTO ledger (seq, at, kind, code, actor, host, subject, request, detail, previous, hash)
       VALUES (@seq, @at, @kind, @code, @actor, @host, @subject, @request, @detail, @previous, @hash)`,
    );
    this.#from = database.prepare<[number, number], unknown>(
      'SELECT * FROM ledger WHERE seq >= ? ORDER BY seq LIMIT ?',
    );
    this.#tail = database.prepare<[number], unknown>('SELECT * FROM ledger ORDER BY seq DESC LIMIT ?');
    this.#about = database.prepare<[string, string], unknown>(
      'SELECT * FROM ledger WHERE request = ? AND code = ? ORDER BY seq',
    );
  }

  /** Writes the next row of the chain. Only inside an immediate transaction: nobody else may append in between. */
  append(entry: LedgerEntry): LedgerRow {
    const { seq, hash } = this.head();
    const row = chain(entry, seq + 1, new Date(this.#clock.now()).toISOString(), hash);
    this.#insert.run(writeLedgerRow(row));
    if (row.kind === 'alarm') this.#alarms.push(row);
    return row;
  }

  /** Alarms since the last call, to be told after their commit. */
  takeAlarms(): readonly LedgerRow[] {
    return this.#alarms.splice(0);
  }

  /** The last row's number and hash; 0 and 64 zeros when there is none. */
  head(): Head {
    return this.#head.get() ?? { seq: 0, hash: GENESIS };
  }

  /** Up to `count` rows from number `seq` on; undefined in place of a row that cannot be read. */
  from(seq: number, count: number): readonly (LedgerRow | undefined)[] {
    return this.#from.all(seq, count).map(readLedgerRow);
  }

  /** The last rows, oldest first. Throws STORE_BROKEN for a row that cannot be read. */
  tail(count: number): readonly LedgerRow[] {
    return this.#tail.all(count).map(readable).reverse();
  }

  /** The rows with this code about one request, oldest first. Throws STORE_BROKEN for one that cannot be read. */
  about(request: string, code: string): readonly LedgerRow[] {
    return this.#about.all(request, code).map(readable);
  }
}

const readable = (row: unknown): LedgerRow => {
  const read = readLedgerRow(row);
  if (read === undefined) throw broken('a ledger row is malformed');
  return read;
};
