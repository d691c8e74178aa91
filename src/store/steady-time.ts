import type { BootTime, Clock } from '../request/ports.ts';
import type { Database, Statement } from './database.ts';

/**
 * The time that deadlines are measured in: milliseconds that go on with the time since boot, the same for all processes of one
 * boot, so that stepping the wall clock neither lengthens a deadline nor ends it. A boot begins where the wall clock is, but never
 * before the latest time that a change has seen, and so it does where the time since boot itself has gone back. Where the system offers no time since boot it is the wall clock.
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
    this.#base = boot === undefined ? 0 : baseOf(database, boot, clock.now());
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

/** The kernel's boot in a boot's name (`BootTime.id`). */
const kernelBoot = (id: string): string => id.split(' ')[0] ?? '';

/** What the first process of this boot wrote down; written now when this is it, or when the time since boot began anew. */
const baseOf = (database: Database, { id, ms }: BootTime, wall: number): number => {
  const work = database.transaction((): number => {
    const known = database
      .prepare<[string], { base: number; last: number }>('SELECT base, last FROM boots WHERE id = ?')
      .get(id);
    if (known !== undefined && known.base + ms >= known.last) return known.base;
    const latest = database
      .prepare<[], { id: string; last: number }>('SELECT id, last FROM boots ORDER BY last DESC LIMIT 1')
      .get();
    // An earlier boot of the kernel was over when this one began; one of the same boot may be of this very moment.
    const isSame = latest !== undefined && kernelBoot(latest.id) === kernelBoot(id);
    const base = Math.max(Math.round(wall - ms), (latest?.last ?? 0) - (isSame ? ms : 0));
    database
      .prepare<[string, number, number]>('INSERT OR REPLACE INTO boots (id, base, last) VALUES (?, ?, ?)')
      .run(id, base, base + ms);
    return base;
  });
  return work.immediate();
};
