import { describe, expect, it } from 'vitest';
import { newSecret, otpUri, readCode, secretBytes, stepOf } from '../../../src/approver/otp-code.ts';
import { codeAt } from '../../support/authenticator.ts';

const RFC_SECRET = Buffer.from('12345678901234567890');
// RFC 6238, appendix B, SHA-1: the last six of its eight digits.
const VECTORS = [
  [59, '94287082'],
  [1_111_111_109, '07081804'],
  [1_111_111_111, '14050471'],
  [1_234_567_890, '89005924'],
  [2_000_000_000, '69279037'],
  [20_000_000_000, '65353130'],
] as const;

describe('codes', () => {
  it.each(VECTORS)('of RFC 6238 at %i s: %s', (seconds, digits) => {
    expect(codeAt(RFC_SECRET, seconds * 1_000, 8)).toBe(digits);
    expect(stepOf(RFC_SECRET, digits.slice(2), seconds * 1_000)).toBe(Math.floor(seconds / 30));
  });

  const step = 1_000;
  const code = codeAt(RFC_SECRET, step * 30_000);
  it.each([
    ['a millisecond before its step', step * 30_000 - 1, undefined],
    ['at the beginning of its step', step * 30_000, step],
    ['at the end of the step after it', (step + 2) * 30_000 - 1, step],
    ['one step later', (step + 2) * 30_000, undefined],
  ])('%s', (_, now, expected) => {
    expect(stepOf(RFC_SECRET, code, now)).toBe(expected);
  });

  it('of another secret are none', () => {
    expect(stepOf(Buffer.from('12345678901234567891'), code, step * 30_000)).toBeUndefined();
  });
});

describe('what is typed', () => {
  it.each([
    ['123456', '123456'],
    [' 123456 ', '123456'],
    ['１２３４５６', '123456'],
    ['12345', undefined],
    ['1234567', undefined],
    ['123 456', undefined],
    ['12345a', undefined],
    ['١٢٣٤٥٦', undefined],
    ['-12345', undefined],
    ['123456\n1', undefined],
    ['', undefined],
  ])('%j is the code %s', (typed, expected) => {
    expect(readCode(typed)).toBe(expected);
  });
});

describe('a new secret', () => {
  it('has 20 random bytes, and the address says the same to an authenticator', () => {
    const secret = newSecret();
    expect(secret).toMatch(/^[A-Z2-7]{32}$/u);
    expect(secretBytes(secret)).toHaveLength(20);
    expect(newSecret()).not.toBe(secret);
    const uri = new URL(otpUri('alice@example.org', secret));
    expect([uri.protocol, uri.searchParams.get('secret'), uri.searchParams.get('issuer')]).toEqual([
      'otpauth:',
      secret,
      'mcp-pra',
    ]);
  });

  it('is read as RFC 4648 says', () => {
    expect(secretBytes('GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ')).toEqual(RFC_SECRET);
  });
});
