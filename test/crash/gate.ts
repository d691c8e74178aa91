// A thread of its own, because it must be quicker than the program it holds up: node:worker_threads with { file, n, code }.
// Lets one commit through after the other until the request with the argument `n` has a row `code`, and then none: it says `held`
// and keeps SQLite's write lock until it is told to let go. Told so before, it says `over`.
import { parentPort, workerData } from 'node:worker_threads';
import Sqlite from 'better-sqlite3';

const { file, n, code, stop } = workerData as {
  readonly file: string;
  readonly n: number;
  readonly code: string;
  /** Set to 1 by whoever waits no longer. */
  readonly stop: Int32Array<SharedArrayBuffer>;
};
const database = new Sqlite(file, { timeout: 0 });
const last = database.prepare<[], number>('SELECT coalesce(max(seq), 0) FROM ledger').pluck();
const rows = database
  .prepare<[string, string], number>(
    `SELECT count(*) FROM ledger WHERE code = ? AND request IN (SELECT id FROM requests
       WHERE EXISTS (SELECT 1 FROM json_each(args) WHERE value = json_array('n', ?)))`,
  )
  .pluck();

const isToldToStop = (): boolean => Atomics.load(stop, 0) === 1;
const hold = (): boolean => {
  while (!isToldToStop()) {
    try {
      database.exec('BEGIN IMMEDIATE');
      return true;
    } catch {
      // somebody commits
    }
  }
  return false;
};

let isHeld = hold();
while (isHeld && rows.get(code, String(n)) === 0) {
  const before = last.get();
  database.exec('ROLLBACK');
  while (last.get() === before && !isToldToStop());
  isHeld = hold();
}
// A thread has no origin.
// oxlint-disable-next-line unicorn/require-post-message-target-origin
parentPort?.postMessage(isHeld ? 'held' : 'over');
if (isHeld) {
  Atomics.wait(stop, 0, 0);
  database.exec('ROLLBACK');
}
database.close();
