import { existsSync } from 'node:fs';
import { PraError, type ExitCode } from '../../errors.ts';
import type { CliApprover, OtpEnrolling } from '../approver-ports.ts';
import type { CliContext } from '../cli-context.ts';
import { painter } from '../cli-io.ts';
import { say } from '../say.ts';
import { Terminal } from '../terminal.ts';
import { onSecretPage } from './secret-page.ts';
import { openKey, proveOwnOtp, type ApproverSeat } from './sign-as-person.ts';

const CODE_TRIES = 3;
/** Characters of a passphrase that only seals the one-time password of a security key. */
const MIN_PASSPHRASE = 8;

/** What `mcp-pra approver enrol` says in the end. */
export interface EnrolReport {
  readonly principal: string;
  readonly key_type: string;
  readonly fingerprint: string;
  readonly allowed_signer: string;
}

/**
 * `mcp-pra approver enrol`: the key if there is none, then the one-time password with its QR code, a code that confirms it and is used
 * up by that, and the recovery codes. Who is enrolled already gives a code or a recovery code of the old one.
 */
export const enrol = async (context: CliContext): Promise<ExitCode> => {
  const screen = context.json ? context.io.stderr : context.io.stdout;
  const terminal = new Terminal(context.io, screen);
  const configured = context.config().approver;
  if (configured === undefined) throw new PraError('APPROVER_MISSING');
  const write = (text: string): unknown => screen.write(text);
  if (!existsSync(configured.key)) {
    write(`${say('init.approver_intro')}\n`);
    await context.parts.makeApproverKey({ path: configured.key, principal: configured.principal });
  }
  const app = await context.app();
  const approver = await app.approver();
  const seat: ApproverSeat = { terminal, approver, write };

  const { signer, passphrase: typed } = await openKey(seat);
  // The key works, or there is no use in going on.
  await signer.drill();
  const passphrase = typed ?? (await choosePassphrase(seat));
  const begun = approver.beginEnrolment();
  try {
    // Whoever has only the passphrase must not get rid of the one-time password by making a new one.
    if (approver.isEnrolled) write(`${say('otp.replace')}\n`);
    const proof = approver.isEnrolled ? await proveOwnOtp(seat, typed, 'ENROL') : undefined;
    const step = await confirmStep(seat, begun, painter(screen, context.io.env)('bold', begun.groups));
    const codes = await begun.keep(passphrase, step, proof);
    const page = `${say('otp.recovery_title')}\n\n${codes.map((code) => `  ${code}`).join('\n')}\n\n`;
    await onSecretPage(write, page, () => terminal.ask(say('otp.recovery_done')));
  } finally {
    begun.close();
    passphrase.fill(0);
  }
  const report = reportOf(approver);
  context.show(report, (out) => {
    out.line(say('approver.enrolled', { principal: report.principal })).line();
    out.line(say('approver.key', { type: report.key_type, fingerprint: report.fingerprint }));
    out.line().line(say('approver.steps')).line(`  ${report.allowed_signer}`);
    return out.line().line(say('approver.try'));
  });
  return 0;
};

const reportOf = ({ principal, keyType, fingerprint, allowedSigner }: CliApprover): EnrolReport => ({
  principal,
  key_type: keyType,
  fingerprint,
  allowed_signer: allowedSigner,
});

const confirmStep = (seat: ApproverSeat, begun: OtpEnrolling, groups: string): Promise<number> => {
  const page = `${begun.qr}\n${say('otp.secret', { principal: seat.approver.principal, groups })}\n`;
  return onSecretPage(seat.write, page, async () => {
    for (let left = CODE_TRIES; left > 0; left -= 1) {
      const typed = await seat.terminal.askHidden(say('otp.confirm'));
      const step = begun.confirm(typed);
      typed.fill(0);
      if (step !== undefined) return step;
      seat.write(`${say('otp.confirm_wrong')}\n`);
    }
    throw new PraError('OTP_WRONG', { left: 0 });
  });
};

/** Where the key has no passphrase of ours, the one-time password gets one of its own. */
const choosePassphrase = async ({ terminal, write }: ApproverSeat): Promise<Buffer> => {
  for (;;) {
    const first = await terminal.askHidden(say('otp.choose'));
    if (first.length < MIN_PASSPHRASE) {
      write(`${say('otp.too_short', { characters: MIN_PASSPHRASE })}\n`);
      continue;
    }
    const second = await terminal.askHidden(say('otp.choose_again'));
    const same = first.equals(second);
    second.fill(0);
    if (same) return first;
    first.fill(0);
    write(`${say('otp.choose_differs')}\n`);
  }
};
