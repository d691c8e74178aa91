import type { Impact } from '../catalog/types.ts';
import { PraError } from '../errors.ts';

/** What a one-time password is given for: the id of a request or a ticket, or the name of a ceremony in capitals (`DRILL`). */
export type OtpSubject = string;

export interface OtpProofSpec {
  readonly principal: string;
  /** Id of the enrolment whose secret or recovery code it was. */
  readonly enrolment: string;
  readonly subject: OtpSubject;
  /** The 30 s step of the code (RFC 6238), or which of the recovery codes. */
  readonly by:
    | { readonly kind: 'code'; readonly step: number }
    | { readonly kind: 'recovery'; readonly position: number };
}

const made = new WeakSet<OtpProof>();

/**
 * Proof that a person gave a right code for one subject. Only approver/otp.ts calls `makeOtpProof`; a test keeps it so. It is
 * worth something once: the store burns its step or recovery code in the transaction that it is for.
 */
export interface OtpProof extends OtpProofSpec {
  readonly proves: 'otp';
}

export const makeOtpProof = (spec: OtpProofSpec): OtpProof => {
  const proof: OtpProof = Object.freeze({ ...spec, proves: 'otp' });
  made.add(proof);
  return proof;
};

/** False for whatever only looks like one. */
export const isOtpProof = (proof: OtpProof): boolean => made.has(proof);

/**
 * What HIGH asks of a person on this machine besides the signature: a proof of that person, for that request. Throws OTP_MISSING, and
 * INTERNAL for a proof that is of somebody or something else.
 */
export const requireOtpProof = (given: {
  readonly impact: Impact;
  readonly principal: string;
  readonly subject: OtpSubject;
  readonly otp: OtpProof | undefined;
}): void => {
  const { impact, principal, subject, otp } = given;
  if (otp === undefined && impact !== 'HIGH') return;
  if (otp === undefined) throw new PraError('OTP_MISSING', { principal });
  if (!isOtpProof(otp) || otp.principal !== principal || otp.subject !== subject)
    throw new PraError('INTERNAL');
};

/** The higher one of what is filed and what the host's offer says; who breaks glass is asked like for HIGH. */
export const impactOf = (
  request: { readonly impact: Impact },
  read: { readonly offer: { readonly impact: Impact }; readonly breakGlass?: unknown },
): Impact => (request.impact === 'HIGH' || read.breakGlass !== undefined ? 'HIGH' : read.offer.impact);

/** What the ledger says of it. */
export const otpDetail = (otp: OtpProof | undefined): { readonly otp?: 'code' | 'recovery' } =>
  otp === undefined ? {} : { otp: otp.by.kind };
