import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Clock } from '../../../src/request/ports.ts';
import type { Store } from '../../../src/request/ports.ts';
import { nthId, requestIn, START, TempStore } from '../../support/store-fixture.ts';

// For how long a host has not answered: only time counts in which somebody asked, and this machine was awake.

const ID = nthId(1);
let temp: TempStore;
let store: Store;
let time: { steady: number; awake: number };
const clock: Clock = {
  now: () => START + time.steady,
  boot: () => ({ id: 'boot-1', ms: time.steady }),
  awake: () => time.awake,
};
beforeEach(async () => {
  temp = await TempStore.open();
  time = { steady: 1_000, awake: 1_000 };
  store = await temp.another({ clock });
  requestIn(store, ID, 'UNKNOWN');
});
afterEach(() => {
  store.close();
  temp.dispose();
});

/** Another question without an answer, so much later. */
const asked = (steady: number, awake = steady): number => {
  time.steady += steady;
  time.awake += awake;
  return store.noteSilence(ID);
};

test('the first question begins it, and each stands for the time since the one before it, at most a minute', () => {
  expect(asked(5_000)).toBe(0);
  expect(asked(30_000)).toBe(30_000);
  expect(asked(60_000)).toBe(90_000);
  expect(asked(60_001)).toBe(150_000);
  expect(asked(86_400_000)).toBe(210_000);
});

test('while this machine slept nobody asked', () => {
  asked(0);
  expect(asked(50_000, 10)).toBe(10);
  expect(asked(3_600_000, 20_000)).toBe(20_010);
});

test('an answer ends it, and a reboot of this machine takes nothing of it', () => {
  asked(0);
  expect(asked(40_000)).toBe(40_000);
  time.awake = 7_000;
  expect(asked(1_000, 0)).toBe(40_000);
  expect(asked(1_000)).toBe(41_000);
  store.endSilence(ID);
  expect(asked(40_000)).toBe(0);
});

test('it goes on in another process', async () => {
  asked(0);
  const other = await temp.another({ clock });
  time.steady += 20_000;
  time.awake += 20_000;
  expect(other.noteSilence(ID)).toBe(20_000);
  other.endSilence(ID);
  other.close();
  expect(asked(20_000)).toBe(0);
});
