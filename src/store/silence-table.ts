import { z } from 'zod';
import type { Database, Statement } from './database.ts';

/** A question stands for no more time than this before it: nobody looked meanwhile. Milliseconds. */
const VOUCHES_MS = 60_000;

const rowSchema = z.strictObject({ lasted: z.int(), asked: z.int(), awake: z.int() });

/** How long hosts have not answered about requests. No transaction of its own. */
export class SilenceTable {
  readonly #get: Statement<[string], unknown>;
  readonly #put: Statement<[string, number, number, number], unknown>;
  readonly #remove: Statement<[string], unknown>;

  constructor(database: Database) {
    this.#get = database.prepare('SELECT lasted, asked, awake FROM silences WHERE request = ?');
    this.#put = database.prepare(
      'INSERT OR REPLACE INTO silences (request, lasted, asked, awake) VALUES (?, ?, ?, ?)',
    );
    this.#remove = database.prepare('DELETE FROM silences WHERE request = ?');
  }

  /** One more question without an answer, by steady time and time awake; returns how long the silence is by now. */
  note(request: string, now: number, awake: number): number {
    const found = this.#get.get(request);
    const before = found === undefined ? { lasted: 0, asked: now, awake } : rowSchema.parse(found);
    // After a reboot of this machine the time awake begins anew: that question stands for none.
    const passed = Math.min(now - before.asked, awake - before.awake, VOUCHES_MS);
    const lasted = before.lasted + Math.max(0, passed);
    this.#put.run(request, lasted, now, awake);
    return lasted;
  }

  end(request: string): void {
    this.#remove.run(request);
  }

  has(request: string): boolean {
    return this.#get.get(request) !== undefined;
  }
}
