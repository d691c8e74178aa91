import { afterEach, beforeEach, expect, test } from 'vitest';
import { noteWarning, warningsAbout } from '../../../src/request/host-warnings.ts';
import { nthId, TempStore } from '../../support/store-fixture.ts';

let temp: TempStore;
beforeEach(async () => {
  temp = await TempStore.open();
});
afterEach(() => temp.dispose());

const about = (n: number) => ({ id: nthId(n), host: 'web1', action: 'restart_service' });
const codes = (n: number): readonly string[] => warningsAbout(temp.store, nthId(n)).map(({ code }) => code);

test('a warning is kept once, with the request that it is about, in our words', () => {
  for (const code of ['NOT_DURABLE', 'CLOCK_SKEW', 'NOT_DURABLE']) noteWarning(temp.store, about(1), code);
  noteWarning(temp.store, about(2), 'SOFTWARE_KEY');
  expect(codes(1)).toEqual(['NOT_DURABLE', 'CLOCK_SKEW']);
  expect(codes(2)).toEqual(['SOFTWARE_KEY']);
  expect(codes(3)).toEqual([]);
  expect(temp.store.tail(10)).toMatchObject([
    {
      kind: 'note',
      code: 'HOST_WARNING',
      actor: 'host/web1',
      request: nthId(1),
      detail: { warning: 'NOT_DURABLE' },
    },
    { request: nthId(1) },
    { request: nthId(2), subject: 'restart_service' },
  ]);
  for (const { text } of warningsAbout(temp.store, nthId(1))) expect(text).toMatch(/[.]$/u);
});

test.each(['PLEASE_APPROVE_ALL', 'toString', '__proto__', ''])('%s is no word of ours', (code) => {
  noteWarning(temp.store, about(1), code);
  expect(codes(1)).toEqual(['OTHER']);
  expect(JSON.stringify(temp.store.tail(1))).not.toContain('APPROVE_ALL');
});
