import type { LedgerEntry } from './ledger-entry.ts';
import type { OtpProof, OtpSubject } from './otp-proof.ts';

/** Who has a one-time password on this machine, as the store keeps it. */
export interface OtpEnrolment {
  readonly principal: string;
  /** Random; another one for each enrolment. */
  readonly id: string;
  /** `SHA256:…` and type of the approver's key at the enrolment. */
  readonly key: string;
  readonly keyType: string;
  /** The secret, sealed under a passphrase (approver/seal.ts). */
  readonly sealed: string;
  /** The latest step that was used: this one and those before it count no more. */
  readonly lastStep: number;
  /** Wall clock, milliseconds; it only labels. */
  readonly enrolledAt: number;
  readonly recoverySalt: string;
  readonly recovery: readonly RecoveryCode[];
}

export interface RecoveryCode {
  readonly position: number;
  readonly hash: string;
  /** Wall clock; undefined while it can be used. */
  readonly usedAt: number | undefined;
}

/** An attempt that was counted before anybody looked whether the code is right. */
export interface OtpAttempt {
  readonly seq: number;
  /** Wrong codes that are left after this one, if it is wrong: for the request, or until the lock. */
  readonly left: number;
  /** It was the last one for its request. */
  readonly exhausts: boolean;
  /** This one locks, if it is wrong. */
  readonly locks: boolean;
}

/** Wrong codes for one request, after which it is denied. */
export const TRIES_PER_REQUEST = 3;
/** Wrong codes of one approver within LOCK_MS, after which codes are refused for LOCK_MS. */
export const TRIES_UNTIL_LOCK = 5;
export const LOCK_MS = 900_000;

/** What the people at this machine have to hear until one of them has said that they know it. */
export interface OtpNotice {
  readonly seq: number;
  readonly principal: string;
  /** A recovery code was used; a one-time password was removed without any proof; one was enrolled after that. */
  readonly kind: 'recovery' | 'forced' | 'unproven';
  /** Wall clock, milliseconds; it only labels. */
  readonly at: number;
}

/** Enrolments and the one limiter of all ways in. Each method is one transaction. */
export interface OtpStore {
  enrolment(principal: string): OtpEnrolment | undefined;
  enrolments(): readonly OtpEnrolment[];
  /**
   * Takes the place of the very enrolment that `proof` is of, or of none, and of nothing that was counted. Throws OTP_REPLACED when there
   * is another one by now, KEY_ENROLLED for a key that is enrolled under another name.
   */
  enrol(enrolment: OtpEnrolment, entry: LedgerEntry, proof?: OtpProof): void;
  /** Removes what `proof` is of; without one by force, which leaves a notice. False when there was none. */
  forget(principal: string, entry: LedgerEntry, proof: OtpProof | undefined): boolean;
  /**
   * Counts a try, before it is looked at. Throws OTP_LOCKED and, where `subject` is a request, OTP_EXHAUSTED. A lock does not stop
   * recovery codes, which have TRIES_UNTIL_LOCK of their own.
   */
  attempt(principal: string, subject: OtpSubject, way: 'code' | 'recovery'): OtpAttempt;
  /** Takes a try back that was right, with the lock that it would have meant. */
  acquit(attempt: OtpAttempt): void;
  /** Steady milliseconds that codes of this principal are still refused; 0 when they are not. */
  lockedFor(principal: string): number;
  /** Ends a lock at once, by the proof of another approver or a recovery code. */
  unlock(principal: string, entry: LedgerEntry, proof: OtpProof): void;
  /** Those that nobody has acknowledged, oldest first; they outlive every enrolment. */
  notices(): readonly OtpNotice[];
  /** Up to `seq`, which is what somebody has read. */
  acknowledge(seq: number, entry: LedgerEntry, proof: OtpProof): void;
}
