import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { PraError } from '../errors.ts';
import type { LedgerRow } from '../request/ledger-entry.ts';
import type { Database } from './database.ts';
import type { Ledger } from './ledger.ts';
import { dayOf, GENESIS, isIntact, mirrorLine } from './ledger-rows.ts';
import { MirrorFile, mirrorDay, mirrorPath } from './mirror-file.ts';

/** Rows in memory at a time. */
const BATCH = 500;

const bad = (seq: number, cause: string): PraError => new PraError('LEDGER_BROKEN', { seq, cause });

export interface Verified {
  readonly entries: number;
  readonly head: string;
}

/**
 * Walks the chain and compares every line of the mirror, reading only, in constant memory, beside running writers.
 * Throws LEDGER_BROKEN naming the first bad entry. Rows that the mirror does not have yet may be missing at its end.
 */
export const verifyLedger = (
  database: Database,
  ledger: Ledger,
  mirror: { readonly dir: string; seq(): number },
): Verified => {
  // Sizes first: all that is in the files at this moment was committed before the snapshot that follows.
  const comparison = new MirrorComparison(mirror.dir);
  const walk = database.transaction((): Verified => {
    const mirrored = mirror.seq();
    let previous = GENESIS;
    let seq = 0;
    for (const row of rowsOf(ledger)) {
      seq += 1;
      if (row === undefined) throw bad(seq, 'the row is malformed');
      if (row.seq !== seq) throw bad(seq, 'the row is missing');
      if (row.previous !== previous) throw bad(seq, 'it does not continue the chain');
      if (!isIntact(row)) throw bad(seq, 'its content was changed');
      comparison.take(row, seq <= mirrored);
      previous = row.hash;
    }
    if (seq < mirrored) throw bad(seq + 1, 'the row is missing');
    comparison.end(seq);
    return { entries: seq, head: previous };
  });
  try {
    return walk.deferred();
  } finally {
    comparison.close();
  }
};

function* rowsOf(ledger: Ledger): Generator<LedgerRow | undefined> {
  for (let from = 1; ;) {
    const rows = ledger.from(from, BATCH);
    yield* rows;
    if (rows.length < BATCH) return;
    from = (rows.findLast((row) => row !== undefined)?.seq ?? from) + 1;
  }
}

/** Reads the mirror files along with the chain. */
class MirrorComparison {
  readonly #dir: string;
  /** Size of each file when it began, by day. */
  readonly #sizes: ReadonlyMap<string, number>;
  /** Where the next line of each day belongs, and the last row seen for it. */
  readonly #days = new Map<string, { at: number; seq: number; ended: boolean }>();
  #open: { readonly day: string; readonly file: MirrorFile | undefined } | undefined;

  constructor(dir: string) {
    this.#dir = dir;
    this.#sizes = sizesIn(dir);
  }

  /** `required`: the mirror had it already; otherwise it may be absent, or there in part. */
  take(row: LedgerRow, required: boolean): void {
    const day = dayOf(row);
    const place = this.#days.get(day) ?? { at: 0, seq: 0, ended: false };
    // Behind a line that was not whole, a running writer may be adding just now.
    if (place.ended && !required) return;
    const found = this.#file(day, row.seq)?.holds(mirrorLine(row), place.at) ?? {
      presence: 'absent',
      bytes: 0,
    };
    if (found.presence === 'different') throw bad(row.seq, 'the mirror has another line');
    if (required && found.presence !== 'whole') throw bad(row.seq, 'the mirror has no such line');
    this.#days.set(day, { at: place.at + found.bytes, seq: row.seq, ended: found.presence !== 'whole' });
  }

  /** After the last row: nothing may be left over. */
  end(lastSeq: number): void {
    for (const [day, size] of this.#sizes) {
      const place = this.#days.get(day) ?? { at: 0, seq: lastSeq };
      if (size > place.at) throw bad(place.seq + 1, `the mirror of ${day} has more lines than the ledger`);
    }
  }

  close(): void {
    this.#open?.file?.close();
    this.#open = undefined;
  }

  /** One file at a time: days follow each other unless a clock was set back. */
  #file(day: string, seq: number): MirrorFile | undefined {
    if (this.#open?.day !== day) {
      this.close();
      this.#open = { day, file: openToRead(mirrorPath(this.#dir, day), seq) };
    }
    return this.#open?.file;
  }
}

const openToRead = (path: string, seq: number): MirrorFile | undefined => {
  if (!existsSync(path)) return undefined;
  try {
    return MirrorFile.read(path);
  } catch {
    throw bad(seq, 'its mirror file cannot be read, or others can read it');
  }
};

const sizesIn = (dir: string): ReadonlyMap<string, number> => {
  if (!existsSync(dir)) return new Map();
  return new Map(
    readdirSync(dir).flatMap((name) => {
      const day = mirrorDay(name);
      return day === undefined ? [] : [[day, statSync(join(dir, name)).size] as const];
    }),
  );
};
