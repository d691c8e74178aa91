import { expect, test } from 'vitest';
import { jsonText } from '../../../src/cli/json-text.ts';

test('is the same value, with nothing that a terminal obeys or a reader does not see', () => {
  const value = {
    reason: 'a\u001b[2J\u009b2J\u202eLOW\u2066\u200b\u{e0041}\u00ad\u2028 é 日 🔥\n\t"',
    list: ['\u0085', 1, null],
  };
  const text = jsonText(value);
  expect(JSON.parse(text)).toEqual(value);
  expect(text).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
  expect(text).toContain('\\u202e');
  expect(text).toContain('\\udb40\\udc41');
  expect(text).toContain('é 日 🔥');
  expect(jsonText(value, 2).split('\n').length).toBeGreaterThan(3);
});
