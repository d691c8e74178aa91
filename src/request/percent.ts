import { FormError } from './form-error.ts';

/** Regular expression source of an encoded field, one or more characters. Whether it decodes is `decodePercent`'s to say. */
export const PERCENT = '(?:[!-$&-~]|%[0-9A-F]{2})+';

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Percent-encoding of docs/wire-protocol.md §1: each byte of the UTF-8 form outside `!`–`~`, and `%`, as `%XX`.
 * Throws PERCENT_FORM for a string with lone surrogates, which has no UTF-8 form.
 */
export const encodePercent = (text: string): string => {
  if (!text.isWellFormed()) throw new FormError('PERCENT_FORM', 'surrogate');
  let encoded = '';
  for (const byte of Buffer.from(text)) {
    const plain = byte > 0x20 && byte < 0x7f && byte !== 0x25;
    encoded += plain ? String.fromCodePoint(byte) : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return encoded;
};

/** The reverse. Throws PERCENT_FORM for any other spelling than the one of `encodePercent`, and for invalid UTF-8. */
export const decodePercent = (encoded: string): string => {
  const bytes: number[] = [];
  for (let at = 0; at < encoded.length; at += 1) {
    if (encoded[at] === '%') {
      bytes.push(Number.parseInt(encoded.slice(at + 1, at + 3), 16));
      at += 2;
    } else {
      bytes.push(encoded.codePointAt(at) ?? 0);
    }
  }
  let text: string;
  try {
    text = strictUtf8.decode(Uint8Array.from(bytes));
  } catch {
    throw new FormError('PERCENT_FORM', 'utf-8');
  }
  // One spelling only: this also catches `%zz`, `%2f`, a needless `%41` and characters above one byte.
  if (encodePercent(text) !== encoded) throw new FormError('PERCENT_FORM', 'spelling');
  return text;
};
