import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { neutralise } from '../../../src/request/neutralise.ts';

const ESC = '\u001b';

describe('neutralise', () => {
  it.each([
    ['plain text', 'é ü 漢字 ٠١\n\tindented\n', 'é ü 漢字 ٠١\n\tindented\n', false],
    ['CRLF', 'a\r\nb\r\n', 'a\nb\n', true],
    ['a lone CR that would overwrite', 'safe\rEVIL', 'safe\\u{d}EVIL', true],
    ['colours', `${ESC}[1;31mred${ESC}[0m`, 'red', true],
    ['cursor moves', `a${ESC}[2J${ESC}[10;1Hb`, 'ab', true],
    ['a sequence made by removing one', `${ESC}${ESC}[0m[31mx`, '\\u{1b}[31mx', true],
    ['an eight-bit control sequence', '\u009b31mx', '\\u{9b}31mx', true],
    ['a window title', `${ESC}]0;title\u0007x`, '\\u{1b}]0;title\\u{7}x', true],
    ['a backspace', 'ab\bc', 'ab\\u{8}c', true],
    ['NUL and DEL', 'a\0b\u007f', 'a\\u{0}b\\u{7f}', true],
    ['a bidi override', 'user\u202etxt.exe', 'user\\u{202e}txt.exe', true],
    ['bidi isolates', '\u2066x\u2069', '\\u{2066}x\\u{2069}', true],
    ['an Arabic letter mark', 'a\u061cb', 'a\\u{61c}b', true],
    ['zero-width space and joiners', 'a\u200bb\u200cc\u200dd', 'a\\u{200b}b\\u{200c}c\\u{200d}d', true],
    ['a soft hyphen', 'pass\u00adword', 'pass\\u{ad}word', true],
    ['a byte order mark', '\ufeffx', '\\u{feff}x', true],
    ['line and paragraph separators', 'a\u2028b\u2029c', 'a\\u{2028}b\\u{2029}c', true],
    ['fillers that fonts show as nothing', 'a\u3164b\u115fc', 'a\\u{3164}b\\u{115f}c', true],
    ['hidden ASCII in tag characters', 'x\u{e0061}\u{e0070}\u{e0070}y', 'x\\u{hidden 3}y', true],
    ['hidden bytes in variation selectors', 'x\u{e0100}\u{e0101}', 'x\\u{hidden 2}', true],
    ['hidden bytes in the first selectors', 'x\ufe00\ufe01\ufe02', 'x\\u{hidden 3}', true],
    ['an emoji with its selector', '⚠\ufe0f hot', '⚠ hot', true],
    ['a lone surrogate', '\ud800x', '\ufffdx', true],
  ])('%s', (_, input, text, changed) => {
    expect(neutralise(input)).toMatchObject({ text, changed });
  });

  it.each([
    ['a bidi override', 'user\u202etxt.exe', true],
    ['a bidi isolate', '\u2066x', true],
    ['tag characters', 'x\u{e0061}', true],
    ['a run of variation selectors', 'x\ufe00\ufe01', true],
    ['one emoji selector', '⚠\ufe0f hot', false],
    ['marks of right-to-left text', 'a\u200eb\u061cc', false],
    ['a byte order mark and a joiner', '\ufeffa\u200db', false],
    ['colours', `${ESC}[1mred`, false],
    ['the visible form that another tool wrote', 'x\\u{202e}\\u{hidden 3}', false],
  ])('knows what hides or reorders: %s', (_, input, hidden) => {
    expect(neutralise(input).hidden).toBe(hidden);
    expect(neutralise(Buffer.from(input)).hidden).toBe(hidden);
  });

  it('replaces invalid UTF-8, and only that', () => {
    const bytes = Buffer.concat([Buffer.from('é'), Buffer.from([0xff, 0xc0, 0x80]), Buffer.from('ok\n')]);
    expect(neutralise(bytes)).toMatchObject({ text: 'é\ufffd\ufffd\ufffdok\n', changed: true });
    expect(neutralise(Buffer.from('é\n'))).toMatchObject({ text: 'é\n', changed: false });
  });

  it('leaves nothing unseen behind, whatever comes, and changes nothing the second time', () => {
    const nasty = fc.constantFrom(
      ESC,
      '[',
      '31m',
      '\r',
      '\n',
      '\u202e',
      '\u{e0041}',
      '\ufe0f',
      'a',
      '\ud800',
      '\u009b',
      '\u200b',
    );
    const text = fc
      .array(fc.oneof(nasty, fc.string({ unit: 'binary', maxLength: 3 })))
      .map((parts) => parts.join(''));
    fc.assert(
      fc.property(text, (input) => {
        const once = neutralise(input).text;
        expect(once).not.toMatch(
          /(?![\n\t])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Default_Ignorable_Code_Point}]/u,
        );
        expect(neutralise(once)).toEqual({ text: once, changed: false, hidden: false });
        expect(neutralise(Buffer.from(input)).text).toBe(once);
      }),
    );
  });
});
