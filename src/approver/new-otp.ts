import { renderUnicodeCompact } from 'uqr';
import { newSecret, otpUri, readCode, secretBytes, stepOf } from './otp-code.ts';

/** A secret that is being enrolled: it is on the screen and in an authenticator, and not kept yet. */
export interface NewOtp {
  /** Unicode half blocks, light on dark. */
  readonly qr: string;
  /** The secret in groups of four, for typing. */
  readonly groups: string;
  /** The step of the code that confirms it; undefined when it is not the code of this moment or the step before. */
  confirm(typed: Buffer): number | undefined;
  /** The secret itself, for sealing. */
  readonly secret: Buffer;
}

export const newOtp = (principal: string, now: () => number): NewOtp => {
  const base32 = newSecret();
  const secret = secretBytes(base32);
  return {
    qr: renderUnicodeCompact(otpUri(principal, base32), { ecc: 'L', border: 2 }),
    groups: base32.match(/.{4}/gu)?.join(' ') ?? '',
    secret,
    confirm: (typed) => {
      const code = readCode(typed.toString('utf8'));
      return code === undefined ? undefined : stepOf(secret, code, now());
    },
  };
};
