import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { seal, unseal } from '../../../src/approver/seal.ts';

const SEALED = { code: 'OTP_SEALED' };
const passphrase = Buffer.from('correct horse');
const secret = randomBytes(20);
const sealed = await seal(secret, passphrase, 'alice');
const part = (index: number, change: (text: string) => string): string =>
  sealed
    .split(' ')
    .map((text, at) => (at === index ? change(text) : text))
    .join(' ');
const flipped = (text: string): string => {
  const bytes = Buffer.from(text, 'base64');
  bytes[0] = (bytes[0] ?? 0) ^ 1;
  return bytes.toString('base64');
};

describe('a sealed secret', () => {
  it('opens with its passphrase for its principal, and no two are alike', async () => {
    expect(await unseal(sealed, passphrase, 'alice')).toEqual(secret);
    expect(await seal(secret, passphrase, 'alice')).not.toBe(sealed);
    expect(sealed).not.toContain(secret.toString('base64'));
    expect(sealed).toMatch(/^sealed 1 scrypt 17 8 1 /u);
  });

  it.each([
    ['another passphrase', sealed, 'correct horsf', 'alice'],
    ['an empty passphrase', sealed, '', 'alice'],
    ['another principal', sealed, 'correct horse', 'bob'],
    ['a changed salt', part(6, flipped), 'correct horse', 'alice'],
    ['a changed nonce', part(7, flipped), 'correct horse', 'alice'],
    ['a changed byte', part(8, flipped), 'correct horse', 'alice'],
    ['dearer parameters than it was made with', part(3, () => '18'), 'correct horse', 'alice'],
  ])('does not open with %s', async (_, text, typed, principal) => {
    await expect(unseal(text, Buffer.from(typed), principal)).rejects.toMatchObject(SEALED);
  });

  it.each([
    ['nothing', ''],
    ['another version', part(1, () => '2')],
    ['another derivation', part(2, () => 'pbkdf2')],
    ['weaker parameters', part(3, () => '16')],
    ['parameters that would take a gigabyte', part(3, () => '21')],
    ['parameters that are no number', part(3, () => '1e')],
    ['another block size', part(4, () => '1')],
    ['a short salt', part(6, () => randomBytes(15).toString('base64'))],
    ['a short nonce', part(7, () => randomBytes(11).toString('base64'))],
    ['a secret of 19 bytes', part(8, () => randomBytes(35).toString('base64'))],
    ['a secret of 65 bytes', part(8, () => randomBytes(81).toString('base64'))],
    ['base64 that is not canonical', part(6, (text) => text.replace(/=+$/u, ''))],
    ['something after it', `${sealed} x`],
    ['a line after it', `${sealed}\n`],
  ])('of another form is refused: %s', async (_, text) => {
    await expect(unseal(text, passphrase, 'alice')).rejects.toMatchObject(SEALED);
    expect(text).not.toBe(sealed);
  });

  it.each([20, 64])('holds %i bytes', async (length) => {
    const given = randomBytes(length);
    expect(await unseal(await seal(given, passphrase, 'alice'), passphrase, 'alice')).toEqual(given);
  });

  it.each([19, 65])('does not hold %i bytes', async (length) => {
    await expect(seal(randomBytes(length), passphrase, 'alice')).rejects.toMatchObject({ code: 'INTERNAL' });
  });
});
