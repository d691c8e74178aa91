import { expect, it } from 'vitest';
import { newRequestId } from '../../../src/request/request-id.ts';

it('makes ids of 80 random bits that use the whole alphabet in every place', () => {
  const ids = Array.from({ length: 2_000 }, newRequestId);
  expect(new Set(ids).size).toBe(ids.length);
  for (const id of ids) expect(id).toMatch(/^[a-z2-7]{16}$/u);
  // A place that misses one of 32 letters in 2,000 tries would be a chance of 10^-25.
  for (let place = 0; place < 16; place += 1) expect(new Set(ids.map((id) => id[place])).size).toBe(32);
});
