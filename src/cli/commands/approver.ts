import type { Command } from 'commander';
import { PraError, type ExitCode } from '../../errors.ts';
import type { LedgerEntry } from '../../request/ledger-entry.ts';
import type { OtpProof, OtpSubject } from '../../request/otp-proof.ts';
import { enrol } from '../approver/enrol.ts';
import { otpNotes } from '../approver/otp-notes.ts';
import { askOtp, openKey, proveOwnOtp, type ApproverSeat } from '../approver/sign-as-person.ts';
import type { OtpStatus } from '../approver-ports.ts';
import type { CliContext } from '../cli-context.ts';
import type { Cli } from '../run-cli.ts';
import { say } from '../say.ts';
import { Terminal } from '../terminal.ts';

/** `mcp-pra approver …`: the person who approves on this machine, their key and their one-time password. */
export const addApprover = (program: Command, cli: Cli): void => {
  const group = program
    .command('approver')
    .description('who approves on this machine: their key and one-time password');

  const add = cli.command(
    group,
    'enrol',
    'make the key if there is none, and a one-time password with its recovery codes; needs a terminal',
  );
  add.action(() => cli.run(add, enrol));

  const list = cli.command(group, 'list', 'who is enrolled, with which key, and what is locked');
  list.action(() => cli.run(list, listApprovers));

  const remove = cli
    .command(group, 'remove', 'forget a one-time password and its recovery codes; needs a terminal')
    .argument('[principal]', 'whose; the approver of this machine unless told')
    .option('--force', 'without key and code; an alarm in the ledger, shown until it is acknowledged');
  remove.action((principal: string | undefined, { force = false }: { readonly force?: boolean }) =>
    cli.run(remove, (context) => removeApprover(context, principal, force)),
  );

  const acknowledge = cli.command(
    group,
    'acknowledge',
    'say that a used recovery code or a forced removal is known: by key and code; needs a terminal',
  );
  acknowledge.action(() => cli.run(acknowledge, acknowledgeNotices));

  const drill = cli
    .command(group, 'drill', 'prove that key and one-time password work, approving nothing; needs a terminal')
    .option('--recovery', 'prove a recovery code too, which uses it up');
  drill.action(({ recovery = false }: { readonly recovery?: boolean }) =>
    cli.run(drill, (context) => drillApprover(context, recovery)),
  );

  const unlock = cli
    .command(group, 'unlock', 'end the lock after wrong codes; needs a terminal')
    .argument('<principal>', 'of another approver: with your key and code; your own: with a recovery code');
  unlock.action((principal: string) => cli.run(unlock, (context) => unlockApprover(context, principal)));
};

const listApprovers = async (context: CliContext): Promise<ExitCode> => {
  const app = await context.app();
  const enrolled = app.otpStatuses();
  const configured = context.config().approver;
  const own =
    configured === undefined || enrolled.some(({ principal }) => principal === configured.principal)
      ? []
      : [await unenrolled(context)];
  const statuses = [...enrolled, ...own].map((status) => ({
    ...status,
    here: status.principal === configured?.principal,
  }));
  const notes = otpNotes(app.otpNotices());
  context.show({ approvers: statuses, notices: notes }, (page) => {
    if (statuses.length === 0) page.line(say('approver.none'));
    const rows = statuses.map((one) => [
      one.principal,
      one.key_type.replace(/@openssh\.com$/u, ''),
      one.enrolled_at === null ? say('approver.not_enrolled') : one.enrolled_at.slice(0, 10),
      String(one.recovery_codes_left),
      one.locked_seconds === 0 ? '' : say('approver.locked', { seconds: one.locked_seconds }),
      one.fingerprint,
    ]);
    if (rows.length > 0) page.table([say('approver.head').split('|'), ...rows]);
    for (const note of notes) page.text(note);
    return page;
  });
  return 0;
};

const unenrolled = async (context: CliContext): Promise<OtpStatus> => {
  const approver = await (await context.app()).approver();
  return {
    principal: approver.principal,
    key_type: approver.keyType,
    fingerprint: approver.fingerprint,
    enrolled_at: null,
    recovery_codes_left: 0,
    locked_seconds: 0,
  };
};

const removeApprover = async (
  context: CliContext,
  named: string | undefined,
  force: boolean,
): Promise<ExitCode> => {
  const { terminal, write } = screenOf(context);
  const own = context.config().approver?.principal;
  const principal = named ?? own;
  if (principal === undefined) throw new PraError('APPROVER_MISSING');
  if (force) {
    if ((await terminal.ask(say('approver.type_name', { principal }))) !== principal) {
      write(`${say('approver.kept')}\n`);
      return 4;
    }
    const app = await context.app();
    const entry = entryOf(context, {
      kind: 'alarm',
      code: 'OTP_REMOVED',
      detail: { approver: principal, force },
    });
    if (!app.forgetOtpByForce(principal, entry)) throw new PraError('OTP_MISSING', { principal });
  } else {
    if (principal !== own) throw new PraError('USAGE', { what: say('approver.not_yours') });
    const seat = await seatOf(context);
    const proof = await proveKeyAndOtp(seat, 'REMOVE', say('otp.remove'));
    const detail = { approver: principal, proof: proof.by.kind };
    seat.approver.forget(entryOf(context, { kind: 'note', code: 'OTP_REMOVED', detail }), proof);
  }
  context.show({ principal, removed: true }, (page) =>
    page.line(say('approver.removed', { principal })).line(say('approver.removed_targets', { principal })),
  );
  return 0;
};

/** Key and code of the approver of this machine, or a recovery code. Throws OTP_MISSING. */
const proveKeyAndOtp = async (seat: ApproverSeat, subject: OtpSubject, why: string): Promise<OtpProof> => {
  const { principal, isEnrolled } = seat.approver;
  if (!isEnrolled) throw new PraError('OTP_MISSING', { principal });
  const { signer, passphrase } = await openKey(seat);
  try {
    await signer.drill();
    seat.write(`${why}\n`);
    return await proveOwnOtp(seat, passphrase, subject);
  } finally {
    passphrase?.fill(0);
  }
};

const acknowledgeNotices = async (context: CliContext): Promise<ExitCode> => {
  const notices = (await context.app()).otpNotices();
  const last = notices.at(-1);
  if (last === undefined) {
    context.show({ acknowledged: 0 }, (page) => page.line(say('otp.no_notices')));
    return 0;
  }
  const seat = await seatOf(context);
  const proof = await proveKeyAndOtp(seat, 'ACKNOWLEDGE', otpNotes(notices).join('\n'));
  const { principal } = seat.approver;
  const detail = { approver: principal, notices: notices.length };
  seat.approver.acknowledge(
    last.seq,
    entryOf(context, { kind: 'note', code: 'OTP_ACKNOWLEDGED', detail }),
    proof,
  );
  context.show({ acknowledged: notices.length }, (page) => page.line(say('otp.acknowledged', { principal })));
  return 0;
};

const drillApprover = async (context: CliContext, recovery: boolean): Promise<ExitCode> => {
  const seat = await seatOf(context);
  const { approver, write } = seat;
  const { principal, fingerprint } = approver;
  const { signer, passphrase } = await openKey(seat);
  try {
    await signer.drill();
    write(`${say('drill.key', { type: approver.keyType, fingerprint })}\n`);
    const proof = await askOtp(seat, passphrase, { subject: 'DRILL' });
    const detail = { approver: principal, key: fingerprint, by: proof.by.kind };
    approver.record(entryOf(context, { kind: 'note', code: 'APPROVER_DRILL', detail }), proof);
    write(`${say('drill.code')}\n`);
    if (recovery) {
      write(`${say('drill.recovery_ask')}\n`);
      const other = await askOtp(seat, undefined, { subject: 'DRILL' }, () =>
        Promise.resolve(approver.openRecovery()),
      );
      const used = { ...detail, by: other.by.kind };
      approver.record(entryOf(context, { kind: 'note', code: 'APPROVER_DRILL', detail: used }), other);
      write(`${say('drill.recovery')}\n`);
    }
  } finally {
    passphrase?.fill(0);
  }
  context.show({ principal, fingerprint, recovery }, (page) => page.line(say('drill.done')));
  return 0;
};

const unlockApprover = async (context: CliContext, principal: string): Promise<ExitCode> => {
  const seat = await seatOf(context);
  const { approver } = seat;
  const app = await context.app();
  if (!app.otpStatuses().some((one) => one.principal === principal))
    throw new PraError('OTP_MISSING', { principal });
  const isOwn = principal === approver.principal;
  const { signer, passphrase } = await openKey(seat);
  try {
    await signer.drill();
    const proof = await askOtp(
      seat,
      passphrase,
      { subject: 'UNLOCK' },
      isOwn ? () => Promise.resolve(approver.openRecovery()) : undefined,
    );
    const detail = { approver: principal, by: approver.principal, proof: proof.by.kind };
    approver.unlock(principal, entryOf(context, { kind: 'alarm', code: 'OTP_UNLOCKED', detail }), proof);
  } finally {
    passphrase?.fill(0);
  }
  context.show({ principal, locked: false }, (page) => page.line(say('approver.unlocked', { principal })));
  return 0;
};

const screenOf = (context: CliContext): Pick<ApproverSeat, 'terminal' | 'write'> => {
  const screen = context.json ? context.io.stderr : context.io.stdout;
  return { terminal: new Terminal(context.io, screen), write: (text) => screen.write(text) };
};

const seatOf = async (context: CliContext): Promise<ApproverSeat> => {
  const screen = screenOf(context);
  return { ...screen, approver: await (await context.app()).approver() };
};

const entryOf = (context: CliContext, entry: Pick<LedgerEntry, 'kind' | 'code' | 'detail'>): LedgerEntry => {
  const { principal, client } = context.caller();
  return { ...entry, actor: `${principal}/${client}` };
};
