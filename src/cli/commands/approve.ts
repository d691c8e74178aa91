import type { Command } from 'commander';
import type { ExitCode } from '../../errors.ts';
import { approverOf } from '../approver-signature.ts';
import type { CliContext } from '../cli-context.ts';
import { exitOfView } from '../exit-of.ts';
import { followRun } from '../follow-run.ts';
import { outcomePage, signaturesLine } from '../request-page.ts';
import type { Cli } from '../run-cli.ts';
import { say } from '../say.ts';
import { signSheet } from '../sign-sheet.ts';
import { Terminal } from '../terminal.ts';
import { deny } from './deny.ts';

/**
 * `mcp-pra approve`: a person reads what the host signed, says yes, types the passphrase; the ticket is signed and run.
 * There is no flag, variable or file that answers for the person.
 */
export const addApprove = (program: Command, cli: Cli): void => {
  const command = cli
    .command(program, 'approve', 'read a request, sign it and run it; needs a terminal')
    .argument('<id>', 'its id, or the beginning of it')
    .option('--break-glass <incident>', 'alone, where the policy of the host lets you; for one incident')
    .option('--no-run', 'sign only; leave the run to the requester or to: mcp-pra execute');
  command.action((id: string, { run, breakGlass }: { readonly run: boolean; readonly breakGlass?: string }) =>
    cli.run(command, (context) => approve(context, id, run, breakGlass)),
  );
};

/** Shows the sheet, asks, signs and runs. Throws TERMINAL_REQUIRED before anything else. */
export const approve = async (
  context: CliContext,
  id: string,
  run: boolean,
  incident?: string,
): Promise<ExitCode> => {
  const screen = context.json ? context.io.stderr : context.io.stdout;
  const terminal = new Terminal(context.io, screen);
  const principal = approverOf(context);
  const app = await context.app();

  const reason = incident === undefined ? '' : await terminal.ask(say('glass.why'));
  const glass = incident === undefined ? undefined : { incident, reason };
  const sheet = await app.desk.sheet(id, principal, glass);
  const caller = { ...context.caller(), principal };
  // Reading takes minutes: nobody types a passphrase for what is over. Signing checks once more.
  const answer = await signSheet({
    context,
    terminal,
    screen,
    sheet,
    recheck: () => app.desk.recheck(sheet),
    onExhausted: () => app.desk.deny(caller, sheet.view.id, say('otp.denied_note')),
  });
  if (answer === 'deny') return deny(context, sheet.view.id);
  if (answer === 'no') {
    screen.write(`${say('approve.not', { id: sheet.view.id })}\n`);
    return 4;
  }
  const approved = app.desk.approve(caller, sheet, { principal, ...answer });
  if (approved.state === 'PENDING') {
    const line = signaturesLine(approved);
    screen.write(`${say('approve.cosigned', { principal, line, id: approved.id })}\n`);
    context.show(approved, (page) => page);
    return 4;
  }
  screen.write(`${say('approve.done', { principal })}\n`);
  if (!run) {
    context.show(approved, (page) => page.line(say('approve.no_run', { id: approved.id })));
    return 0;
  }

  screen.write(`${say('approve.running', { host: approved.host })}\n\n`);
  const view = await followRun(context, approved.host, (options) =>
    app.desk.execute(caller, approved.id, options),
  );
  context.show(view, (page) => outcomePage(page, view));
  return exitOfView(view);
};
