import { PraError } from '../errors.ts';
import type { ApprovalSheet } from '../request/desk.ts';
import type { OtpProof } from '../request/otp-proof.ts';
import { refuseKey } from '../request/quorum.ts';
import { otpNotes } from './approver/otp-notes.ts';
import { signAsPerson } from './approver/sign-as-person.ts';
import type { CliContext } from './cli-context.ts';
import type { CliIo } from './cli-io.ts';
import { approverOf } from './approver-signature.ts';
import { glassSection } from './glass-section.ts';
import { Page } from './page.ts';
import { recapSection, requestPage } from './request-page.ts';
import { say } from './say.ts';
import type { Terminal } from './terminal.ts';

/**
 * Shows a person what there is to sign, asks, and signs it with the passphrase that they type, and for HIGH a one-time password, unless
 * they said no or that they deny it. The one way to a signature, for `approve` and `cosign` alike. `recheck` is called before the passphrase is asked for. Throws
 * APPROVER_MISSING and what `recheck` and the key throw.
 */
export const signSheet = async (on: {
  readonly context: CliContext;
  readonly terminal: Terminal;
  readonly screen: CliIo['stdout'];
  readonly sheet: ApprovalSheet;
  readonly recheck: () => void;
  /** After the third wrong code. */
  readonly onExhausted?: () => Promise<unknown>;
}): Promise<{ readonly signature: string; readonly otp: OtpProof | undefined } | 'no' | 'deny'> => {
  const { context, terminal, screen, sheet } = on;
  const approver = approverOf(context);
  const app = await context.app();
  const page = Page.for(context.io, screen === context.io.stderr ? 'stderr' : 'stdout');
  screen.write(
    glassSection(recapSection(requestPage(page, sheet.view, sheet), sheet), sheet)
      .line()
      .toString(),
  );
  const isHigh =
    sheet.offer.impact === 'HIGH' || sheet.view.impact === 'HIGH' || sheet.breakGlass !== undefined;
  if (isHigh) {
    for (const line of otpNotes(app.otpNotices())) screen.write(`${line}\n`);
    // Before anybody answers and types for nothing.
    if (!app.otpStatuses().some(({ principal }) => principal === approver))
      throw new PraError('OTP_MISSING', { principal: approver });
  }
  const own = await app.approver();
  // What a security key says of its person is only known of its signature.
  if (own.kind !== 'security-key') refuseKey(sheet.offer, undefined);
  const answer = await ask(terminal, sheet);
  if (answer !== 'yes') return answer;
  on.recheck();
  return signAsPerson(
    { terminal, approver: own, write: (text) => screen.write(text) },
    {
      sign: (signer) => signer.sign(sheet.ticket, sheet.namespace),
      subject: sheet.view.id,
      needsOtp: isHigh,
      ...(on.onExhausted === undefined ? {} : { onExhausted: on.onExhausted }),
    },
  );
};

/** Anything but a clear yes is a no, which changes nothing. HIGH wants the host's name, so that a habit does not approve it. */
const ask = async (
  terminal: Terminal,
  { offer, breakGlass }: ApprovalSheet,
): Promise<'yes' | 'no' | 'deny'> => {
  const isHigh = offer.impact === 'HIGH' || breakGlass !== undefined;
  const answer = await terminal.ask(say(isHigh ? 'approve.ask_host' : 'approve.ask', { host: offer.host }));
  if (isHigh ? answer === offer.host : /^(?:y|yes)$/iu.test(answer)) return 'yes';
  return /^d$/iu.test(answer) ? 'deny' : 'no';
};
