import { generateSecret, generateURI, ScureBase32Plugin, verifySync } from 'otplib';

/** Seconds of a step (RFC 6238), as every authenticator has it. */
export const STEP_SECONDS = 30;
/** Bytes of a new secret: as many as SHA-1 gives. */
const SECRET_BYTES = 20;
const ISSUER = 'mcp-pra';

/** A new secret in base32, as authenticators take it. */
export const newSecret = (): string => generateSecret({ length: SECRET_BYTES });

/** What the QR code says. */
export const otpUri = (principal: string, secret: string): string =>
  generateURI({ issuer: ISSUER, label: principal, secret });

/** Base32 (RFC 4648 §6, no padding) as bytes. */
export const secretBytes = (base32: string): Buffer => Buffer.from(new ScureBase32Plugin().decode(base32));

/** Six digits, full-width ones too (NFKC), blanks around them left out; undefined for anything else. */
export const readCode = (typed: string): string | undefined => {
  const code = typed.normalize('NFKC').trim();
  return /^[0-9]{6}$/u.test(code) ? code : undefined;
};

/** The step of the code, which is that of this moment (wall clock, milliseconds) or the one before; undefined when it is neither. */
export const stepOf = (secret: Buffer, code: string, now: number): number | undefined => {
  const result = verifySync({
    secret: new Uint8Array(secret),
    token: code,
    epoch: Math.floor(now / 1_000),
    period: STEP_SECONDS,
    epochTolerance: [STEP_SECONDS, 0],
  });
  return result.valid && 'timeStep' in result ? result.timeStep : undefined;
};
