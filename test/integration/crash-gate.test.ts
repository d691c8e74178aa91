import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Records, whyRowsAreWrong, type Recorded } from '../crash/records.ts';
import { nthId, TempStore } from '../support/store-fixture.ts';

// The crash harness's own tool, with a real process that writes: between the row that is waited for and the kill nothing is committed.

const ID = nthId(1);
const FIXTURE = join(import.meta.dirname, '../support/store-fixture.ts');
const STORE = join(import.meta.dirname, '../../src/store/open.ts');

let temp: TempStore;
let records: Records;
beforeEach(async () => {
  temp = await TempStore.open();
  records = new Records(temp.file);
});
afterEach(() => {
  records.close();
  temp.dispose();
});

/** Files a request with the argument `n` = 7 and takes it as far as DISPATCHING, without a pause. */
const startWriter = () =>
  spawn(
    process.execPath,
    [
      '--input-type=module',
      '-e',
      `import { openStore } from ${JSON.stringify(STORE)};
       import { newRequest, row, START } from ${JSON.stringify(FIXTURE)};
       const store = await openStore({ dir: ${JSON.stringify(temp.dir)}, clock: { now: () => START } });
       store.create(newRequest('${ID}', { args: [['n', '7']] }), row('${ID}', 'PROPOSED'));
       for (const event of ['ask', 'approve', 'dispatch']) store.transition('${ID}', event, {}, row('${ID}', event));
       store.close();`,
    ],
    { stdio: ['ignore', 'inherit', 'inherit'] },
  );

test.each(['PROPOSED', 'ask', 'approve'])('nothing follows the row %s before the kill', async (code) => {
  let seen: string | undefined;
  let child: ReturnType<typeof startWriter> | undefined;
  const held = records.atRow(
    7,
    code,
    () => false,
    async () => {
      seen = records.stateOf(ID);
      if (child?.exitCode === null && child.kill('SIGKILL')) await once(child, 'exit');
    },
  );
  child = startWriter();
  expect(await held).toBe(true);
  const request = records.requestOf(7) as Recorded;
  expect(request).toMatchObject({ id: ID, state: seen });
  expect(records.rowsOf(ID).map((row) => row.code)).toContain(code);
  // All rows of this store are decisions but for the first; the walk finds no change without its row.
  expect(whyRowsAreWrong(request, records.rowsOf(ID))).toBeUndefined();
});

test('whoever waits for a row that never comes is let go when the process is over, and the store is free', async () => {
  let isOver = false;
  const held = records.atRow(
    7,
    'succeed',
    () => isOver,
    () => Promise.reject(new Error('there is no such row')),
  );
  const child = startWriter();
  const [exit] = (await once(child, 'exit')) as [number | null];
  isOver = true;
  expect(exit).toBe(0);
  expect(await held).toBe(false);
  expect(temp.store.find(ID).state).toBe('DISPATCHING');
});
