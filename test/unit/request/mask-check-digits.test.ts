import { expect, it } from 'vitest';
import { hasCardDigits, hasIbanDigits, hasNirKey } from '../../../src/request/mask-check-digits.ts';

// Numbers that the standards and the card networks give as examples.
it.each(['GB82 WEST 1234 5698 7654 32', 'DE89370400440532013000', 'FR1420041010050500013M02606'])(
  'IBAN %s, and not with another digit',
  (iban) => {
    expect(hasIbanDigits(iban)).toBe(true);
    expect(hasIbanDigits(iban.replace(/\d(?=\D*$)/u, (digit) => String((Number(digit) + 1) % 10)))).toBe(
      false,
    );
  },
);

it.each(['4111 1111 1111 1111', '5555555555554444', '378282246310005', '30569309025904'])(
  'card %s, and not with another digit',
  (card) => {
    expect(hasCardDigits(card)).toBe(true);
    expect(hasCardDigits(card.replace(/\d$/u, (digit) => String((Number(digit) + 1) % 10)))).toBe(false);
  },
);

it.each([
  ['2 55 08 14 168 025 38', true],
  ['2 55 08 14 168 025 39', false],
  // Corsica: 2A counts as 19, 2B as 18.
  ['1 85 05 2A 006 084 35', true],
  ['1 85 05 2B 006 084 62', true],
  ['1 85 05 2A 006 084 62', false],
  ['1 85 05', false],
])('NIR %s: %s', (nir, isOne) => {
  expect(hasNirKey(nir)).toBe(isOne);
});
