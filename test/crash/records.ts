import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import Sqlite from 'better-sqlite3';
import { next, type LifecycleEvent } from '../../src/request/lifecycle.ts';
import type { State } from '../../src/request/types.ts';

/** What the operator's database says of one request: read by plain SQL, not by the program that wrote it. */
export interface Recorded {
  readonly id: string;
  readonly state: State;
  readonly action: string;
  readonly ledgerSeq: number;
  readonly receipt: string | null;
}

export interface RecordedRow {
  readonly seq: number;
  readonly kind: string;
  readonly code: string;
}

/** Connections of the harness to the database that the program works on. */
export class Records {
  readonly #database: Sqlite.Database;
  readonly #file: string;

  constructor(file: string) {
    this.#database = new Sqlite(file, { readonly: true, timeout: 5_000 });
    this.#file = file;
  }

  /** The request whose argument `n` is this, or undefined while there is none. */
  requestOf(n: number): Recorded | undefined {
    return this.#database
      .prepare<[string], Recorded>(
        `SELECT id, state, action, ledger_seq AS ledgerSeq, receipt_text AS receipt FROM requests
         WHERE EXISTS (SELECT 1 FROM json_each(args) WHERE value = json_array('n', ?))`,
      )
      .get(String(n));
  }

  stateOf(id: string): State | undefined {
    return this.#database.prepare<[string], State>('SELECT state FROM requests WHERE id = ?').pluck().get(id);
  }

  rowsOf(id: string): readonly RecordedRow[] {
    return this.#database
      .prepare<[string], RecordedRow>('SELECT seq, kind, code FROM ledger WHERE request = ? ORDER BY seq')
      .all(id);
  }

  /** Resolves when `wanted`, or `isOver`; looks every millisecond. */
  async until(wanted: () => boolean, isOver: () => boolean = () => false): Promise<boolean> {
    for (;;) {
      if (wanted()) return true;
      if (isOver()) return false;
      await sleep(1);
    }
  }

  /**
   * Lets the program commit one transaction after the other until the request `n` has a row `code`, and then no more until `work` is
   * done (gate.ts). False when `isOver` came first.
   */
  async atRow(n: number, code: string, isOver: () => boolean, work: () => Promise<void>): Promise<boolean> {
    const stop = new Int32Array(new SharedArrayBuffer(4));
    const worker = new Worker(new URL('gate.ts', import.meta.url), {
      workerData: { file: this.#file, n, code, stop },
    });
    const ended = once(worker, 'exit');
    const watch = setInterval(() => {
      if (isOver()) Atomics.store(stop, 0, 1);
    }, 5);
    try {
      const [said] = (await once(worker, 'message')) as [string];
      clearInterval(watch);
      if (said === 'held') await work();
      return said === 'held';
    } finally {
      clearInterval(watch);
      Atomics.store(stop, 0, 1);
      Atomics.notify(stop, 0);
      await ended;
    }
  }

  close(): void {
    this.#database.close();
  }
}

/** Who denies or withdraws what is signed takes it back: the row says who did what, the event is `unconfirm`. */
const stateAfter = (state: State, code: string): State | undefined =>
  next(state, code as LifecycleEvent) ??
  (code === 'withdraw' || code === 'deny' ? next(state, 'unconfirm') : undefined);

/**
 * Walks the rows of a request along the lifecycle table: what is wrong with them, or undefined. Every change has its row, in
 * an order that the table has, and the last one is the row that the request itself names.
 */
export const whyRowsAreWrong = (request: Recorded, rows: readonly RecordedRow[]): string | undefined => {
  let state: State | undefined;
  let last = 0;
  for (const { seq, kind, code } of rows) {
    if (code === 'PROPOSED') state = 'PROPOSED';
    else if (['decision', 'dispatch', 'outcome', 'expiry'].includes(kind)) {
      const after = state === undefined ? undefined : stateAfter(state, code);
      if (after === undefined) return `row ${String(seq)} says ${code} after ${state ?? 'nothing'}`;
      state = after;
    } else continue;
    last = seq;
  }
  if (state !== request.state)
    return `the rows lead to ${state ?? 'nothing'}, the request is ${request.state}`;
  return last === request.ledgerSeq
    ? undefined
    : `the request names row ${String(request.ledgerSeq)}, its last is ${String(last)}`;
};
