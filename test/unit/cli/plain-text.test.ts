import { expect, test } from 'vitest';
import { oneLine, wrap } from '../../../src/cli/plain-text.ts';

test('one line stays one line', () => {
  expect(oneLine('a\nb\tc')).toBe(String.raw`a\nb\tc`);
});

test('words are wrapped, and broken only when they are longer than a line', () => {
  expect(wrap('one two three', 7)).toEqual(['one two', 'three']);
  expect(wrap('abcdefghij k', 4)).toEqual(['abcd', 'efgh', 'ij k']);
  expect(wrap('', 10)).toEqual(['']);
  expect(wrap('exactly', 7)).toEqual(['exactly']);
});
