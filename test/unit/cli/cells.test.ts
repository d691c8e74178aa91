import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { cellsOf, chunks, fit, padTo } from '../../../src/cli/cells.ts';
import { wrap } from '../../../src/cli/plain-text.ts';

test.each([
  ['plain', 5],
  ['日本', 4],
  ['e\u0301te\u0301', 3],
  ['한국', 4],
  ['\u1112\u1161\u11ab', 2],
  ['ｗｉｄｅ', 8],
  ['🔥', 2],
  ['→ é ß', 5],
  ['', 0],
])('%s takes %i columns', (text, cells) => {
  expect(cellsOf(text)).toBe(cells);
});

test('agrees with the Unicode tables of another program, but for what is unassigned or ambiguous there', () => {
  const program = `
import unicodedata as u
for c in range(0x20, 0x110000):
    if 0xd800 <= c <= 0xdfff: continue
    x = chr(c)
    if u.category(x) in ('Cn', 'Co', 'Cc', 'Mn', 'Me', 'Cf'): continue
    if u.east_asian_width(x) in 'WF': print(c)`;
  const wide = execFileSync('python3', ['-I', '-c', program], { encoding: 'utf8' })
    .trim()
    .split('\n')
    .map(Number);
  expect(wide.length).toBeGreaterThan(90_000);
  expect(
    wide.filter((code) => cellsOf(String.fromCodePoint(code)) !== 2).map((code) => code.toString(16)),
  ).toEqual([]);
});

test('wide characters are wrapped, cut and filled up by the columns that they take', () => {
  expect(chunks('日本語', 4)).toEqual(['日本', '語']);
  expect(chunks('日本語', 5)).toEqual(['日本', '語']);
  expect(chunks('日本', 1)).toEqual(['日', '本']);
  // A mark stays with its letter.
  expect(chunks('abe\u0301', 3)).toEqual(['abe\u0301']);
  expect(chunks('', 3)).toEqual(['']);
  expect(wrap('日本 語 a', 6)).toEqual(['日本', '語 a']);
  expect(padTo('日', 4)).toBe('日  ');
  expect(fit('日本語', 6)).toBe('日本語');
  expect(fit('日本語', 5)).toBe('日本…');
  expect(fit('日本語', 4)).toBe('日… ');
  expect(fit('日本語', 1)).toBe('…');
  expect(fit('a', 0)).toBe('');
});
