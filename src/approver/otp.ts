import { PraError } from '../errors.ts';
import type { LedgerEntry } from '../request/ledger-entry.ts';
import { makeOtpProof, type OtpProof, type OtpSubject } from '../request/otp-proof.ts';
import type { OtpAttempt, OtpEnrolment } from '../request/otp-store.ts';
import type { Clock, Store } from '../request/ports.ts';
import { isRequestId } from '../request/request-id.ts';
import { readCode, stepOf } from './otp-code.ts';
import { positionOf, readRecoveryCode } from './recovery-codes.ts';
import { unseal } from './seal.ts';

/** What the checking of codes needs. */
export interface OtpParts {
  readonly store: Pick<Store, 'append' | 'otp'>;
  /** Codes follow the wall clock; locks do not. */
  readonly clock: Clock;
}

/** The one-time password of a principal whose passphrase was right. */
export interface OpenedOtp {
  /**
   * Judges what was typed, a code or a recovery code, after it was counted. Throws OTP_FORM (not counted), OTP_WRONG, OTP_USED,
   * OTP_EXHAUSTED (for a request, which has to be denied then), OTP_LOCKED.
   */
  prove(typed: Buffer, subject: OtpSubject): Promise<OtpProof>;
  /** Overwrites the secret. */
  close(): void;
}

/** The enrolment. Throws OTP_MISSING. */
export const requireEnrolment = ({ store }: OtpParts, principal: string): OtpEnrolment => {
  const enrolment = store.otp.enrolment(principal);
  if (enrolment === undefined) throw new PraError('OTP_MISSING', { principal });
  return enrolment;
};

/** Unseals with the passphrase. Throws OTP_MISSING, OTP_SEALED: nobody without the passphrase gets to try a code. */
export const openOtp = async (parts: OtpParts, principal: string, passphrase: Buffer): Promise<OpenedOtp> => {
  const enrolment = requireEnrolment(parts, principal);
  const secret = await unseal(enrolment.sealed, passphrase, principal);
  return {
    prove: (typed, subject) => prove(parts, enrolment, secret, typed, subject),
    close: () => void secret.fill(0),
  };
};

/** Only recovery codes, for somebody whose secret does not open any more but whose key does. Throws OTP_MISSING. */
export const openRecovery = (parts: OtpParts, principal: string): OpenedOtp => {
  const enrolment = requireEnrolment(parts, principal);
  return {
    prove: (typed, subject) => prove(parts, enrolment, undefined, typed, subject),
    close: () => undefined,
  };
};

const prove = async (
  parts: OtpParts,
  enrolled: OtpEnrolment,
  secret: Buffer | undefined,
  typed: Buffer,
  subject: OtpSubject,
): Promise<OtpProof> => {
  const { store, clock } = parts;
  const { principal } = enrolled;
  const text = typed.toString('utf8');
  const code = secret === undefined ? undefined : readCode(text);
  const recovery = readRecoveryCode(text);
  if (code === undefined && recovery === undefined) throw new PraError('OTP_FORM');

  const attempt = store.otp.attempt(principal, subject, code === undefined ? 'recovery' : 'code');
  // Read again: what was used meanwhile is used.
  const enrolment = requireEnrolment(parts, principal);
  if (enrolment.id !== enrolled.id) throw wrong(parts, principal, subject, attempt);
  const base = { principal, enrolment: enrolment.id, subject };
  if (code === undefined || secret === undefined) {
    const position = await positionOf(recovery ?? '', enrolment);
    if (position === undefined) throw wrong(parts, principal, subject, attempt);
    store.otp.acquit(attempt);
    return makeOtpProof({ ...base, by: { kind: 'recovery', position } });
  }
  const step = stepOf(secret, code, clock.now());
  if (step === undefined) throw wrong(parts, principal, subject, attempt);
  if (step <= enrolment.lastStep) throw wrong(parts, principal, subject, attempt, 'OTP_USED');
  store.otp.acquit(attempt);
  return makeOtpProof({ ...base, by: { kind: 'code', step } });
};

/** Writes the failed try down; what to say of it. */
const wrong = (
  { store }: OtpParts,
  principal: string,
  subject: OtpSubject,
  { left, exhausts, locks }: OtpAttempt,
  code: 'OTP_WRONG' | 'OTP_USED' = 'OTP_WRONG',
): PraError => {
  const entry = {
    actor: `${principal}/cli`,
    ...(isRequestId(subject) ? { request: subject } : { subject }),
    detail: { approver: principal, left },
  } satisfies Partial<LedgerEntry>;
  store.append({ kind: 'refusal', code, ...entry });
  if (locks) store.append({ kind: 'alarm', code: 'OTP_LOCKED', ...entry });
  if (exhausts) return new PraError('OTP_EXHAUSTED', { id: subject });
  return new PraError(code, { left });
};
