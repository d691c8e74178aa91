import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { newRequestId } from '../request/request-id.ts';
import type { OtpEnrolment, RecoveryCode } from '../request/otp-store.ts';

const derive = promisify<Buffer, Buffer, number, Buffer>(scrypt);

const COUNT = 10;
const HASH = 32;

/** New recovery codes: what the person writes down, and what is kept of it. */
export interface NewRecoveryCodes {
  /** `abcd-efgh-ijkl-mnop`: 80 random bits each. */
  readonly codes: readonly string[];
  readonly salt: string;
  readonly kept: readonly RecoveryCode[];
}

export const newRecoveryCodes = async (): Promise<NewRecoveryCodes> => {
  // The same form as ids have: letters and digits that nobody mistakes for one another.
  const plain = Array.from({ length: COUNT }, newRequestId);
  const salt = randomBytes(16);
  const hashes = await Promise.all(plain.map((code) => hashOf(code, salt)));
  return {
    codes: plain.map((code) => code.match(/.{4}/gu)?.join('-') ?? ''),
    salt: salt.toString('base64'),
    kept: hashes.map((hash, index) => ({
      position: index + 1,
      hash: hash.toString('base64'),
      usedAt: undefined,
    })),
  };
};

/** Letters in any case, with or without hyphens and blanks; undefined for what has not the form of a recovery code. */
export const readRecoveryCode = (typed: string): string | undefined => {
  const code = typed.normalize('NFKC').toLowerCase().replace(/[\s-]/gu, '');
  return /^[a-z2-7]{16}$/u.test(code) ? code : undefined;
};

/** Position of the unused code; undefined when it is none of them. Takes the same time wherever it is. */
export const positionOf = async (
  code: string,
  { recoverySalt, recovery }: Pick<OtpEnrolment, 'recoverySalt' | 'recovery'>,
): Promise<number | undefined> => {
  const hash = await hashOf(code, Buffer.from(recoverySalt, 'base64'));
  let found: number | undefined;
  for (const { position, hash: kept, usedAt } of recovery) {
    const bytes = Buffer.from(kept, 'base64');
    if (bytes.length === HASH && timingSafeEqual(bytes, hash) && usedAt === undefined) found = position;
  }
  return found;
};

/** scrypt with its own defaults (16 MiB): a code has 80 random bits, which nobody guesses. */
const hashOf = (code: string, salt: Buffer): Promise<Buffer> => derive(Buffer.from(code), salt, HASH);
