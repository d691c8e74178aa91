import { expect, test } from 'vitest';
import { CallRate } from '../../../src/request/call-rate.ts';
import type { Caller } from '../../../src/request/types.ts';

const model: Caller = { principal: 'alice', client: 'desktop', channel: 'mcp' };
const start = 1_000_000;
const at = (now: number) => ({ time: now, now: () => clock.time });
let clock = at(start);
const rate = (perMinute: number): CallRate => {
  clock = at(start);
  return new CallRate(perMinute, clock);
};
const seconds = (from: CallRate, caller = model): unknown => {
  try {
    from.take(caller);
    return 'taken';
  } catch (error) {
    return (error as { values: Record<string, unknown> }).values['seconds'];
  }
};

test('so many calls a minute, and the refusal says how long to wait', () => {
  const calls = rate(3);
  expect([1, 2, 3].map(() => seconds(calls))).toEqual(['taken', 'taken', 'taken']);
  expect(seconds(calls)).toBe(60);
  clock.time += 59_001;
  expect(seconds(calls)).toBe(1);
  clock.time += 998;
  expect(seconds(calls)).toBe(1);
  clock.time += 1;
  expect(seconds(calls)).toBe('taken');
});

test('a refused call does not count, and refusals in a row are numbered', () => {
  const calls = rate(1);
  calls.take(model);
  for (let n = 1; n <= 5; n += 1) {
    expect(seconds(calls)).toBe(60);
    expect(calls.refused(model)).toBe(n);
  }
  clock.time += 60_000;
  expect(seconds(calls)).toBe('taken');
  expect(calls.refused(model)).toBe(0);
});

test('another client name is the same caller; another principal or channel is not', () => {
  const calls = rate(1);
  calls.take(model);
  expect(seconds(calls, { ...model, client: 'another' })).toBe(60);
  expect(seconds(calls, { ...model, channel: 'cli' })).toBe('taken');
  expect(seconds(calls, { ...model, principal: 'bob' })).toBe('taken');
});

test('a clock that is set back shuts nobody out', () => {
  const calls = rate(1);
  calls.take(model);
  clock.time -= 3_600_000;
  expect(seconds(calls)).toBe('taken');
});
