import { asPraError, PraError } from '../../errors.ts';
import type { OtpProof, OtpSubject } from '../../request/otp-proof.ts';
import type { CliApprover, OtpPrompt, TicketSigner } from '../approver-ports.ts';
import { say } from '../say.ts';
import type { Terminal } from '../terminal.ts';

const PASSPHRASE_TRIES = 3;
/** Codes asked for in a row, whatever the limiter says: it is a person who types. */
const CODE_TRIES = 6;

/** An approver at a terminal. */
export interface ApproverSeat {
  readonly terminal: Terminal;
  readonly approver: CliApprover;
  readonly write: (text: string) => unknown;
}

export interface PersonSigns {
  /** Signs what was read, with the opened key. */
  readonly sign: (signer: TicketSigner) => Promise<string>;
  /** What the one-time password is for: the id of the ticket, or a ceremony. */
  readonly subject: OtpSubject;
  readonly needsOtp: boolean;
  /** After the third wrong code: denies the request. */
  readonly onExhausted?: () => Promise<unknown>;
}

/**
 * A person's signature under a ticket or a statement, and where it is asked for the proof of their one-time password: passphrase, code, signature; of a
 * security key touch, passphrase of the code, code. Nobody gets to try a code who has not the key.
 */
export const signAsPerson = async (
  seat: ApproverSeat,
  what: PersonSigns,
): Promise<{ readonly signature: string; readonly otp: OtpProof | undefined }> => {
  const { approver } = seat;
  if (what.needsOtp && !approver.isEnrolled)
    throw new PraError('OTP_MISSING', { principal: approver.principal });
  const { signer, passphrase } = await openKey(seat);
  try {
    const touched = approver.kind === 'security-key' ? await what.sign(signer) : undefined;
    const otp = what.needsOtp ? await askOtp(seat, passphrase, what) : undefined;
    return { signature: touched ?? (await what.sign(signer)), otp };
  } finally {
    passphrase?.fill(0);
  }
};

/** The key, and the passphrase that opened it: the caller wipes it. A security key has none of ours. Three tries. */
export const openKey = async ({
  terminal,
  approver,
  write,
}: ApproverSeat): Promise<{ readonly signer: TicketSigner; readonly passphrase: Buffer | undefined }> => {
  if (approver.kind === 'security-key') {
    write(`${say('approve.touch')}\n`);
    return { signer: await approver.openKey(undefined), passphrase: undefined };
  }
  for (let left = PASSPHRASE_TRIES; ; left -= 1) {
    const passphrase = await terminal.askHidden(say('approve.passphrase', { principal: approver.principal }));
    const kept = Buffer.from(passphrase);
    try {
      return { signer: await approver.openKey(passphrase), passphrase: kept };
    } catch (error) {
      kept.fill(0);
      if (!(error instanceof PraError) || error.code !== 'KEY_PASSPHRASE' || left <= 1) throw error;
      write(`${say('approve.wrong')}\n`);
    } finally {
      passphrase.fill(0);
    }
  }
};

/** The proof of a code, or of a recovery code, that is typed hidden. `passphrase` unseals; of a security key it is asked for. */
export const askOtp = async (
  seat: ApproverSeat,
  passphrase: Buffer | undefined,
  { subject, onExhausted }: Pick<PersonSigns, 'subject' | 'onExhausted'>,
  open: () => Promise<OtpPrompt> = () => openSealed(seat, passphrase),
): Promise<OtpProof> => {
  const prompt = await open();
  try {
    for (let left = CODE_TRIES; ; left -= 1) {
      const typed = await seat.terminal.askHidden(say('otp.ask', { principal: seat.approver.principal }));
      try {
        return await prompt.prove(typed, subject);
      } catch (thrown) {
        const error = asPraError(thrown);
        if (error.code === 'OTP_EXHAUSTED') await onExhausted?.();
        const again = ['OTP_FORM', 'OTP_WRONG', 'OTP_USED', 'OTP_LOCKED'].includes(error.code);
        if (!again || left <= 1) throw error;
        seat.write(`${error.message} ${error.hint}\n`);
      } finally {
        typed.fill(0);
      }
    }
  } finally {
    prompt.close();
  }
};

/** The proof of somebody's own one-time password, by a recovery code alone where its passphrase is gone. */
export const proveOwnOtp = (
  seat: ApproverSeat,
  passphrase: Buffer | undefined,
  subject: OtpSubject,
): Promise<OtpProof> =>
  askOtp(seat, passphrase, { subject }, async () => {
    try {
      return await openSealed(seat, passphrase, 'otp.passphrase_or');
    } catch (error) {
      if (!(error instanceof PraError) || error.code !== 'OTP_SEALED') throw error;
      seat.write(`${say('otp.recovery_only')}\n`);
      return seat.approver.openRecovery();
    }
  });

/** Enter alone opens nothing, at once: nobody waits three times for what they know they have forgotten. */
const openSealed = async (
  seat: ApproverSeat,
  passphrase: Buffer | undefined,
  question: 'otp.passphrase' | 'otp.passphrase_or' = 'otp.passphrase',
): Promise<OtpPrompt> => {
  const { terminal, approver, write } = seat;
  if (passphrase !== undefined) return approver.openOtp(passphrase);
  for (let left = PASSPHRASE_TRIES; ; left -= 1) {
    const typed = await terminal.askHidden(say(question, { principal: approver.principal }));
    try {
      return await approver.openOtp(typed);
    } catch (error) {
      if (!(error instanceof PraError) || error.code !== 'OTP_SEALED' || left <= 1 || typed.length === 0)
        throw error;
      write(`${error.message}\n`);
    } finally {
      typed.fill(0);
    }
  }
};
