import { expect, test } from 'vitest';
import { makeGrant, spendGrant, type Grant } from '../../../src/request/grant.ts';

const spec = {
  account: 'reader',
  host: 'web1',
  line: 'uptime',
  input: 'hold',
  seconds: 5,
  bytes: 1_024,
} as const;

test('a grant is good once', () => {
  const grant = makeGrant(spec);
  expect(grant).toMatchObject(spec);
  expect(spendGrant(grant)).toBe(true);
  expect(spendGrant(grant)).toBe(false);
});

test('what only looks like a grant is none, and a grant cannot be changed', () => {
  const grant = makeGrant(spec);
  const copy: Grant = { ...grant, line: 'id' };
  expect(spendGrant(copy)).toBe(false);
  expect(() => Object.assign(grant, { line: 'id' })).toThrow(TypeError);
  expect(spendGrant(grant)).toBe(true);
});

test('two grants of the same content are two', () => {
  const [one, other] = [makeGrant(spec), makeGrant(spec)];
  expect(one.id).not.toBe(other.id);
  expect([spendGrant(one), spendGrant(other)]).toEqual([true, true]);
});
