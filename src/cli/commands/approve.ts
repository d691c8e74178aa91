import type { Command } from 'commander';
import { PraError, type ExitCode } from '../../errors.ts';
import type { ApprovalSheet } from '../../request/desk.ts';
import type { CliContext } from '../cli-context.ts';
import type { CliApp, TicketSigner } from '../cli-parts.ts';
import { exitOfView } from '../exit-of.ts';
import { followRun } from '../follow-run.ts';
import { Page } from '../page.ts';
import { outcomePage, recapSection, requestPage, signaturesLine } from '../request-page.ts';
import type { Cli } from '../run-cli.ts';
import { say } from '../say.ts';
import { Terminal } from '../terminal.ts';
import { deny } from './deny.ts';

const PASSPHRASE_TRIES = 3;

/**
 * `mcp-pra approve`: a person reads what the host signed, says yes, types the passphrase; the ticket is signed and run.
 * There is no flag, variable or file that answers for the person.
 */
export const addApprove = (program: Command, cli: Cli): void => {
  const command = cli
    .command(program, 'approve', 'read a request, sign it and run it; needs a terminal')
    .argument('<id>', 'its id, or the beginning of it')
    .option('--no-run', 'sign only; leave the run to the requester or to: mcp-pra execute');
  command.action((id: string, { run }: { readonly run: boolean }) =>
    cli.run(command, (context) => approve(context, id, run)),
  );
};

/** Shows the sheet, asks, signs and runs. Throws TERMINAL_REQUIRED before anything else. */
export const approve = async (context: CliContext, id: string, run: boolean): Promise<ExitCode> => {
  const screen = context.json ? context.io.stderr : context.io.stdout;
  const terminal = new Terminal(context.io, screen);
  const { approver } = context.config();
  if (approver === undefined) throw new PraError('APPROVER_MISSING');
  const app = await context.app();

  const sheet = await app.desk.sheet(id);
  screen.write(
    recapSection(
      requestPage(Page.for(context.io, context.json ? 'stderr' : 'stdout'), sheet.view, sheet),
      sheet,
    )
      .line()
      .toString(),
  );
  const answer = await ask(terminal, sheet);
  if (answer === 'deny') return deny(context, sheet.view.id);
  if (answer === 'no') {
    screen.write(`${say('approve.not', { id: sheet.view.id })}\n`);
    return 4;
  }
  // Reading takes minutes: nobody types a passphrase for what is over. Signing checks once more.
  app.desk.recheck(sheet);
  const signer = await openSigner(terminal, app, approver.principal, (text) => screen.write(text));
  const signature = signer.sign(sheet.ticket, sheet.namespace);
  const caller = { ...context.caller(), principal: approver.principal };
  const approved = app.desk.approve(caller, sheet, { principal: approver.principal, signature });
  if (approved.state === 'PENDING') {
    const line = signaturesLine(approved);
    screen.write(`${say('approve.cosigned', { principal: approver.principal, line, id: approved.id })}\n`);
    context.show(approved, (page) => page);
    return 4;
  }
  screen.write(`${say('approve.done', { principal: approver.principal })}\n`);
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

/** Anything but a clear yes is a no, which changes nothing. HIGH wants the host's name, so that a habit does not approve it. */
const ask = async (terminal: Terminal, { offer }: ApprovalSheet): Promise<'yes' | 'no' | 'deny'> => {
  const isHigh = offer.impact === 'HIGH';
  const answer = await terminal.ask(say(isHigh ? 'approve.ask_host' : 'approve.ask', { host: offer.host }));
  if (isHigh ? answer === offer.host : /^(?:y|yes)$/iu.test(answer)) return 'yes';
  return /^d$/iu.test(answer) ? 'deny' : 'no';
};

const openSigner = async (
  terminal: Terminal,
  app: CliApp,
  principal: string,
  write: (text: string) => unknown,
): Promise<TicketSigner> => {
  for (let left = PASSPHRASE_TRIES; ; left -= 1) {
    const passphrase = await terminal.askHidden(say('approve.passphrase', { principal }));
    try {
      return await app.openApprover(passphrase);
    } catch (error) {
      if (!(error instanceof PraError) || error.code !== 'KEY_PASSPHRASE' || left <= 1) throw error;
      write(`${say('approve.wrong')}\n`);
    } finally {
      passphrase.fill(0);
    }
  }
};
