import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Store } from '../../../src/request/ports.ts';
import { TempStore } from '../../support/store-fixture.ts';

/** Longer than the whole test may take: a wait that ends before has been ended by something else. */
const LONG = 600_000;

let temp: TempStore;
let other: Store;
beforeEach(async () => {
  temp = await TempStore.open();
  other = await temp.another();
  temp.store.list();
});
afterEach(() => {
  other.close();
  temp.dispose();
});

const note = (store: Store): unknown => store.append({ kind: 'note', code: 'x', actor: 'a/b' });
const pending = async (wait: Promise<void>): Promise<boolean> => {
  const turn = new Promise((resolve) => setTimeout(resolve, 60, 'pending'));
  return (await Promise.race([wait, turn])) === 'pending';
};

describe('changed', () => {
  it('waits while nothing happens, and no longer than told', async () => {
    const wait = temp.store.changed(LONG);
    expect(await pending(wait)).toBe(true);
    await temp.store.changed(1);
    await temp.store.changed(0);
  });

  it('hears of a commit on another connection', async () => {
    const wait = temp.store.changed(LONG);
    expect(await pending(wait)).toBe(true);
    note(other);
    await expect(wait).resolves.toBeUndefined();
  });

  it('hears of a commit on its own, by everybody who waits', async () => {
    const waits = [temp.store.changed(LONG), temp.store.changed(LONG)];
    note(temp.store);
    await expect(Promise.all(waits)).resolves.toHaveLength(2);
  });

  it('does not miss what happened between the reading and the waiting', async () => {
    temp.store.list();
    note(other);
    await temp.store.changed(LONG);
    temp.store.list();
    note(temp.store);
    await temp.store.changed(LONG);
    temp.store.list();
    expect(await pending(temp.store.changed(LONG))).toBe(true);
  });

  it('ends when it is aborted, before or while', async () => {
    const abort = new AbortController();
    const wait = temp.store.changed(LONG, abort.signal);
    abort.abort();
    await wait;
    await expect(temp.store.changed(LONG, abort.signal)).resolves.toBeUndefined();
  });

  it('ends when the store is closed, and then at once', async () => {
    const wait = other.changed(LONG);
    other.close();
    await wait;
    await expect(other.changed(LONG)).resolves.toBeUndefined();
  });
});
