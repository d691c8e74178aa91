import type { Clock } from '../request/ports.ts';
import type { Database, Statement } from './database.ts';

/**
 * The time that deadlines are measured in: milliseconds that go on with the time since boot, the same for all processes of one
 * boot, so that stepping the wall clock neither lengthens a deadline nor ends it. A boot begins where the wall clock is, but never
 * before the latest time that a change of an earlier boot saw. Where the system offers no time since boot it is the wall clock.
 */
export class SteadyTime {
  readonly #clock: Clock;
  readonly #boot: string | undefined;
  readonly #base: number;
  readonly #saw: Statement<[number, string], unknown>;

  constructor(database: Database, clock: Clock) {
    this.#clock = clock;
    const boot = clock.boot?.();
    this.#boot = boot?.id;
    this.#base = boot === undefined ? 0 : baseOf(database, boot.id, clock.now() - boot.ms);
    this.#saw = database.prepare<[number, string]>('UPDATE boots SET last = ? WHERE id = ?');
  }

  now(): number {
    const boot = this.#boot === undefined ? undefined : this.#clock.boot?.();
    return boot === undefined ? this.#clock.now() : this.#base + boot.ms;
  }

  /** Remembers, in the caller's transaction, how late it is. */
  keep(): void {
    if (this.#boot !== undefined) this.#saw.run(this.now(), this.#boot);
  }
}

/** What the first process of this boot wrote down; written now when this is it. */
const baseOf = (database: Database, id: string, wallAtBoot: number): number => {
  const work = database.transaction((): number => {
    const known = database.prepare<[string], number>('SELECT base FROM boots WHERE id = ?').pluck().get(id);
    if (known !== undefined) return known;
    const latest =
      database.prepare<[], number>('SELECT coalesce(max(last), 0) FROM boots').pluck().get() ?? 0;
    const base = Math.max(Math.round(wallAtBoot), latest);
    database
      .prepare<[string, number, number]>('INSERT INTO boots (id, base, last) VALUES (?, ?, ?)')
      .run(id, base, base);
    return base;
  });
  return work.immediate();
};
