import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';
import { makeStateDir, openTestDesk, type TestDesk, type TestDeskOptions } from './desk-on-target.ts';
import { startEmbeddedTarget, type EmbeddedTarget } from './embedded-target.ts';

/** One embedded target for the tests of a file, and for each test a database of its own. */
export interface Desks {
  readonly target: EmbeddedTarget;
  /** A process of the operator; those of one test share the database, and are closed after it. */
  readonly open: (over?: Partial<TestDeskOptions>) => Promise<TestDesk>;
}

/** Registers what comes before and after the tests of the file that calls it. */
export const useDesks = (): Desks => {
  let target: EmbeddedTarget | undefined;
  let state: ReturnType<typeof makeStateDir>;
  let opened: TestDesk[] = [];
  const started = (): EmbeddedTarget => {
    if (target === undefined) throw new Error('not before the tests begin');
    return target;
  };
  beforeAll(async () => {
    target = await startEmbeddedTarget();
  });
  afterAll(async () => {
    await target?.stop();
  });
  beforeEach(() => {
    state = makeStateDir();
  });
  afterEach(async () => {
    await Promise.all(opened.map((desk) => desk.close()));
    opened = [];
    state.remove();
  });
  return {
    get target() {
      return started();
    },
    open: async (over = {}) => {
      const desk = await openTestDesk(started(), { stateDir: state.path, ...over });
      opened.push(desk);
      return desk;
    },
  };
};

/** This machine's wall clock, which a test puts forward by `ahead` milliseconds. */
export const movableClock = () => ({
  ahead: 0,
  now(): number {
    return Date.now() + this.ahead;
  },
});
