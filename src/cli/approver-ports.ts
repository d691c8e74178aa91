import type { LedgerEntry } from '../request/ledger-entry.ts';
import type { OtpProof, OtpSubject } from '../request/otp-proof.ts';

/** Signs with an approver's key that was opened, or that asks for a touch. */
export interface TicketSigner {
  /** The base64 SSHSIG blob over exactly this ticket. Throws SECURITY_KEY_FAILED, SIGNATURE_INVALID. */
  sign(ticket: string, namespace: string): Promise<string>;
  /** The same over a statement about this machine alone (freeze-desk.ts), in a namespace that no target takes. */
  signStatement(statement: string): Promise<string>;
  /** Signs a text that approves nothing, and has the stock ssh-keygen verify it. Throws the same. */
  drill(): Promise<void>;
}

/** Checks codes of somebody whose passphrase was right (src/approver/otp.ts). */
export interface OtpPrompt {
  /** Throws OTP_FORM, OTP_WRONG, OTP_USED, OTP_EXHAUSTED, OTP_LOCKED. */
  prove(typed: Buffer, subject: OtpSubject): Promise<OtpProof>;
  close(): void;
}

/** A one-time password that is being enrolled: what to show, and the step of the code that confirms it. */
export interface OtpEnrolling {
  readonly qr: string;
  readonly groups: string;
  confirm(typed: Buffer): number | undefined;
  /** Seals and keeps it in place of an earlier one, for which `proof` is; gives the recovery codes, which are shown once. */
  keep(passphrase: Buffer, step: number, proof: OtpProof | undefined): Promise<readonly string[]>;
  close(): void;
}

/** The approver of this machine: their key and their one-time password. */
export interface CliApprover {
  readonly principal: string;
  /** Opened with a passphrase that is typed here, or a security key that ssh-keygen asks. */
  readonly kind: 'passphrase' | 'security-key';
  readonly keyType: string;
  /** `SHA256:…` */
  readonly fingerprint: string;
  /** The line for the targets' /etc/mcp-pra/allowed_signers. */
  readonly allowedSigner: string;
  /** Opens the key; the bytes of the passphrase are wiped. A security key takes none. Throws KEY_PASSPHRASE, KEY_INVALID, KEY_UNENCRYPTED. */
  openKey(passphrase: Buffer | undefined): Promise<TicketSigner>;
  readonly isEnrolled: boolean;
  /** Throws OTP_MISSING, OTP_SEALED. */
  openOtp(passphrase: Buffer): Promise<OtpPrompt>;
  /** Takes recovery codes only, for an enrolment whose passphrase is gone. Throws OTP_MISSING. */
  openRecovery(): OtpPrompt;
  beginEnrolment(): OtpEnrolling;
  /** Writes a row and burns the code that is for it. */
  record(entry: LedgerEntry, proof: OtpProof): void;
  /** Ends a lock. Another approver's only with a key that is enrolled here and is not that approver's own. Throws UNLOCK_REFUSED. */
  unlock(principal: string, entry: LedgerEntry, proof: OtpProof): void;
  /** Forgets the one-time password that the proof is of. Throws OTP_USED. */
  forget(entry: LedgerEntry, proof: OtpProof): void;
  /** Notices up to this one were read (request/otp-store.ts). */
  acknowledge(seq: number, entry: LedgerEntry, proof: OtpProof): void;
}

/** What this machine knows of an approver's one-time password. */
export interface OtpStatus {
  readonly principal: string;
  readonly key_type: string;
  readonly fingerprint: string;
  /** RFC 3339; null when there is no one-time password. */
  readonly enrolled_at: string | null;
  readonly recovery_codes_left: number;
  /** Seconds that codes are still refused; 0 when they are not. */
  readonly locked_seconds: number;
}
