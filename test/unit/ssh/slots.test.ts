import { setImmediate } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { Slots } from '../../../src/ssh/slots.ts';

const never = new AbortController().signal;
/** Whether a promise is fulfilled once everything that could run has run. */
const settled = async (promise: Promise<unknown>): Promise<boolean> => {
  let done = false;
  void promise.then(() => (done = true));
  await setImmediate();
  return done;
};

describe('Slots', () => {
  it('gives as many as there are, then one for each that comes back, in order', async () => {
    const slots = new Slots(2);
    const first = await slots.take(never);
    await slots.take(never);
    const order: string[] = [];
    const third = slots.take(never).then((release) => (order.push('third'), release));
    const fourth = slots.take(never).then((release) => (order.push('fourth'), release));
    expect(await settled(third)).toBe(false);
    first();
    first(); // counts once
    const release = await third;
    expect(await settled(fourth)).toBe(false);
    release();
    await fourth;
    expect(order).toEqual(['third', 'fourth']);
  });

  it('lets a waiter give up without losing a slot', async () => {
    const slots = new Slots(1);
    const release = await slots.take(never);
    const stop = new AbortController();
    const waiting = slots.take(stop.signal);
    stop.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
    await expect(slots.take(stop.signal)).rejects.toThrow('enough');
    release();
    (await slots.take(never))();
  });

  it('shrinks to one and no further, and grows back', async () => {
    const slots = new Slots(3);
    const held = [await slots.take(never), await slots.take(never), await slots.take(never)];
    for (let i = 0; i < 5; i += 1) slots.shrink();
    const next = slots.take(never);
    held[0]?.();
    held[1]?.();
    expect(await settled(next)).toBe(false);
    held[2]?.();
    const release = await next;
    const after = [slots.take(never), slots.take(never)];
    expect(await settled(after[0] as Promise<unknown>)).toBe(false);
    slots.restore();
    await Promise.all(after);
    expect(await settled(slots.take(never))).toBe(false);
    release();
  });
});
