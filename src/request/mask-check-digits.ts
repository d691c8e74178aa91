/**
 * Lengths of IBANs by country (ISO 13616, the registry of SWIFT).
 */
export const IBAN_LENGTHS: ReadonlyMap<number, readonly string[]> = new Map([
  [15, ['NO']],
  [16, ['BE']],
  [18, ['DK', 'FI', 'FK', 'FO', 'GL', 'NL', 'SD']],
  [19, ['MK', 'SI']],
  [20, ['AT', 'BA', 'EE', 'KZ', 'LT', 'LU', 'MN', 'XK']],
  [21, ['CH', 'HR', 'LI', 'LV']],
  [22, ['BG', 'BH', 'CR', 'DE', 'GB', 'GE', 'IE', 'ME', 'RS', 'VA']],
  [23, ['AE', 'GI', 'IL', 'IQ', 'OM', 'SO', 'TL']],
  [24, ['AD', 'CZ', 'ES', 'MD', 'PK', 'RO', 'SA', 'SE', 'SK', 'TN', 'VG']],
  [25, ['LY', 'PT', 'ST']],
  [26, ['IS', 'TR']],
  [27, ['BI', 'DJ', 'FR', 'GR', 'IT', 'MC', 'MR', 'SM']],
  [28, ['AL', 'AZ', 'BY', 'CY', 'DO', 'GT', 'HU', 'LB', 'NI', 'PL', 'SV']],
  [29, ['BR', 'EG', 'PS', 'QA', 'UA']],
  [30, ['JO', 'KW', 'MU', 'YE']],
  [31, ['MT', 'SC']],
  [32, ['LC']],
  [33, ['RU']],
]);

/** The remainder of a decimal number of any length, by a small divisor. */
const remainder = (digits: string, divisor: number): number => {
  let rest = 0;
  for (const digit of digits) rest = (rest * 10 + Number(digit)) % divisor;
  return rest;
};

/** ISO 13616 (ISO 7064 MOD 97-10): the first four characters at the end, letters as numbers; 1 remains. Spaces are allowed. */
export const hasIbanDigits = (iban: string): boolean => {
  const plain = iban.replaceAll(' ', '');
  const moved = plain.slice(4) + plain.slice(0, 4);
  const digits = moved.replaceAll(/[A-Z]/gu, (letter) => String((letter.codePointAt(0) ?? 0) - 55));
  return remainder(digits, 97) === 1;
};

/** ISO/IEC 7812-1 annex B (Luhn). Spaces and dashes are allowed. */
export const hasCardDigits = (card: string): boolean => {
  const digits = Array.from(card.replaceAll(/\D/gu, ''), Number).toReversed();
  const sum = digits
    .map((digit, at) => (at % 2 === 0 ? digit : digit * 2))
    .reduce((total, value) => total + (value > 9 ? value - 9 : value), 0);
  return sum % 10 === 0;
};

/** The key of a French NIR: 97 less the remainder of the first thirteen; Corsica's 2A and 2B count as 19 and 18. */
export const hasNirKey = (nir: string): boolean => {
  const plain = nir.toUpperCase().replaceAll(/[ -]/gu, '').replace('2A', '19').replace('2B', '18');
  return /^\d{15}$/u.test(plain) && Number(plain.slice(13)) === 97 - remainder(plain.slice(0, 13), 97);
};
