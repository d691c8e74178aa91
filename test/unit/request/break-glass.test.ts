import { afterEach, beforeEach, expect, test } from 'vitest';
import { PraError } from '../../../src/errors.ts';
import { checkBreakGlass, missingReviews } from '../../../src/request/break-glass.ts';
import type { RunnerClient, RunnerVersion } from '../../../src/request/runner-client.ts';
import { newRequest, nthId, patchOf, row, TempStore } from '../../support/store-fixture.ts';

let temp: TempStore;
beforeEach(async () => {
  temp = await TempStore.open();
});
afterEach(() => temp.dispose());

type Session = NonNullable<RunnerVersion['break_glass']>;
const SESSION = {
  id: 'a'.repeat(16),
  incident: 'inc-1',
  principal: 'anna',
  opened: '2026-11-03T03:00:00Z',
  open: true,
  reviewed: false,
} satisfies Session;

/** A host that says this of its last session; undefined: it does not answer. */
const saying = (session: Session | null | undefined): RunnerClient =>
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the one method that is called
  ({
    version: () =>
      session === undefined
        ? Promise.reject(new PraError('UNREACHABLE'))
        : Promise.resolve({ break_glass: session }),
  }) as unknown as RunnerClient;

/** A run under an incident, as this machine sent it. */
const sent = (n: number, incident: string, host = 'web1'): void => {
  const id = nthId(n);
  temp.store.create(newRequest(id, { host }), row(id));
  temp.store.transition(id, 'ask', {}, row(id));
  temp.store.transition(id, 'approve', { incident, decidedBy: 'anna' }, row(id));
  for (const event of ['dispatch', 'accept', 'succeed'] as const)
    temp.store.transition(id, event, patchOf(event), row(id));
};
const known = async (session: Session | null | undefined): Promise<readonly string[]> =>
  (await missingReviews({ store: temp.store, runner: saying(session) }, 'web1')).map(
    ({ host, incident }) => `${host} ${incident}`,
  );

test.each([
  ['waits', SESSION, ['web1 inc-1', 'db1 inc-2']],
  ['was reviewed, from wherever', { ...SESSION, reviewed: true }, ['db1 inc-2']],
  ['was never there', null, ['db1 inc-2']],
  ['is not known, since the host does not answer', undefined, ['db1 inc-2', 'web1 inc-1']],
  ['is not known, since the host cannot read it', 'unreadable', ['db1 inc-2', 'web1 inc-1']],
] as const)('of its own session the host has the last word: it %s', async (_, session, expected) => {
  sent(1, 'inc-1');
  sent(2, 'inc-2', 'db1');
  expect([...(await known(session))].sort()).toEqual([...expected].sort());
});

test.each([
  ['the same one within its hour', 'inc-1', true, undefined],
  ['the same one after it', 'inc-1', false, 'BREAK_GLASS_REVIEW'],
  ['another one', 'inc-2', true, 'BREAK_GLASS_REVIEW'],
] as const)('while a session waits for its review: %s', (_, incident, open, code) => {
  const id = nthId(1);
  const request = temp.store.create(newRequest(id), row(id));
  const missing = [{ host: 'web1', incident: 'inc-1', principal: 'anna', open }];
  let thrown: unknown;
  try {
    checkBreakGlass(request, { incident, reason: 'now' }, missing);
  } catch (error) {
    thrown = error;
  }
  expect(thrown instanceof PraError ? thrown.code : undefined).toBe(code);
  expect(checkBreakGlass(request, { incident, reason: 'now' }, [{ ...missing[0]!, host: 'db1' }])).toEqual({
    incident,
    reason: 'now',
  });
});
