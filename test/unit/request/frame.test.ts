import { expect, it } from 'vitest';
import { frameUntrusted } from '../../../src/request/frame.ts';

it('wraps host text between two equal lines that nobody could predict', () => {
  const first = frameUntrusted('text from web1', 'line\n').split('\n');
  const second = frameUntrusted('text from web1', 'line\n').split('\n');
  expect(first).toHaveLength(4);
  expect(first[0]).toContain('text from web1: untrusted data');
  expect(first[1]).toMatch(/^[0-9a-f]{24}$/u);
  expect(first[3]).toBe(first[1]);
  expect(first[0]).toContain(first[1]);
  expect(second[1]).not.toBe(first[1]);
});
