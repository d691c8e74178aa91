import { mkdirSync } from 'node:fs';
import type { LedgerRow } from '../request/ledger-entry.ts';
import type { Database, Statement } from './database.ts';
import type { Ledger } from './ledger.ts';
import { dayOf, mirrorLine } from './ledger-rows.ts';
import { MirrorFile, mirrorPath } from './mirror-file.ts';

/**
 * MIRROR_UNWRITABLE: rows wait in the database until the files can be written again. MIRROR_CHANGED: a file is not what
 * was written there; `verifyLedger` names the entry.
 */
export type StoreWarning = 'MIRROR_UNWRITABLE' | 'MIRROR_CHANGED';

/** Rows per transaction while catching up. */
const BATCH = 500;

/**
 * Copies committed ledger rows to `mcp-audit-YYYY-MM-DD.jsonl`, each once and in order, whoever committed them and also
 * after a crash: the work happens under SQLite's write lock, and what is already in a file is recognised, not repeated.
 * It never throws and never holds up the change itself.
 */
export class AuditMirror {
  readonly #database: Database;
  readonly #ledger: Ledger;
  readonly dir: string;
  readonly #warn: (code: StoreWarning) => void;
  readonly #seq: Statement<[], number>;
  readonly #setSeq: Statement<[number]>;
  readonly #bytes: Statement<[string], number>;
  readonly #setBytes: Statement<[string, number]>;
  #ailing = false;

  constructor(database: Database, ledger: Ledger, dir: string, warn: (code: StoreWarning) => void) {
    this.#database = database;
    this.#ledger = ledger;
    this.dir = dir;
    this.#warn = warn;
    this.#seq = database.prepare<[], number>('SELECT seq FROM mirror WHERE id = 1').pluck();
    this.#setSeq = database.prepare<[number]>('UPDATE mirror SET seq = ? WHERE id = 1');
    this.#bytes = database.prepare<[string], number>('SELECT bytes FROM mirror_files WHERE day = ?').pluck();
    this.#setBytes = database.prepare<[string, number]>(
      'INSERT INTO mirror_files (day, bytes) VALUES (?, ?) ON CONFLICT (day) DO UPDATE SET bytes = excluded.bytes',
    );
  }

  /** The last row that is in the files. */
  seq(): number {
    return this.#seq.get() ?? 0;
  }

  /** Writes every row that is not in the files yet. */
  catchUp(): void {
    try {
      const step = this.#database.transaction(() => this.#step());
      while (step.immediate() === BATCH);
      this.#ailing = false;
    } catch {
      // Whatever it is (disk full, directory gone, another process busy), the next commit tries again.
      if (!this.#ailing) this.#warn('MIRROR_UNWRITABLE');
      this.#ailing = true;
    }
  }

  #step(): number {
    const rows = this.#ledger.from(this.seq() + 1, BATCH);
    const readable = rows.filter((row) => row !== undefined);
    if (readable.length !== rows.length) throw new Error('a ledger row is malformed');
    for (let start = 0; start < readable.length;) {
      const first = readable[start];
      if (first === undefined) break;
      const day = dayOf(first);
      const end = readable.findIndex((row, index) => index > start && dayOf(row) !== day);
      const stop = end === -1 ? readable.length : end;
      this.#writeDay(day, readable.slice(start, stop));
      start = stop;
    }
    const last = readable.at(-1);
    if (last !== undefined) this.#setSeq.run(last.seq);
    return rows.length;
  }

  #writeDay(day: string, rows: readonly LedgerRow[]): void {
    mkdirSync(this.dir, { recursive: true, mode: 0o700 });
    const file = MirrorFile.append(mirrorPath(this.dir, day));
    try {
      let at = this.#bytes.get(day) ?? 0;
      for (const row of rows) at = this.#writeLine(file, mirrorLine(row), at);
      file.sync();
      this.#setBytes.run(day, at);
    } finally {
      file.close();
    }
  }

  /** Writes what is missing of a line that belongs at a position; returns where the next one belongs. */
  #writeLine(file: MirrorFile, line: Buffer, at: number): number {
    const { presence, bytes } = file.holds(line, at);
    const size = file.size();
    const changed = presence === 'different' || size < at;
    if (!changed) {
      // A writer that was killed got this far.
      if (presence !== 'whole') file.write(line.subarray(bytes));
      return at + line.length;
    }
    this.#warn('MIRROR_CHANGED');
    // Whatever the file ends with, this entry gets a line of its own.
    file.write(Buffer.concat([Buffer.from('\n'), line]));
    return size + 1 + line.length;
  }
}
