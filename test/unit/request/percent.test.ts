import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodePercent, encodePercent } from '../../../src/request/percent.ts';

describe('percent-encoding', () => {
  it('has one spelling and comes back', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const encoded = encodePercent(text);
        expect(encoded).toMatch(/^[!-~]*$/u);
        expect(decodePercent(encoded)).toBe(text);
      }),
    );
  });

  it('escapes just what is not visible ASCII, and the percent sign', () => {
    expect(encodePercent('a b%c~\u00e9\n')).toBe('a%20b%25c~%C3%A9%0A');
  });

  it.each([
    ['a needless escape', '%41'],
    ['lower-case digits', '%c3%a9'],
    ['a lone percent sign', '100%'],
    ['half an escape', 'a%2'],
    ['no hex digits', '%zz'],
    ['a space', 'a b'],
    ['a line end', 'a\nb'],
    ['an overlong form', '%C0%80'],
    ['a surrogate', '%ED%A0%80'],
    ['a cut sequence', '%C3'],
    ['above U+10FFFF', '%F4%90%80%80'],
    ['raw UTF-8', 'é'],
    ['a wide character', '\u2028'],
  ])('refuses %s', (_, encoded) => {
    expect(() => decodePercent(encoded)).toThrow('PERCENT_FORM');
  });

  it('keeps a byte order mark', () => {
    expect(decodePercent('%EF%BB%BFa')).toBe('\ufeffa');
  });

  it('cannot write lone surrogates', () => {
    expect(() => encodePercent('\ud800')).toThrow('PERCENT_FORM');
  });
});
