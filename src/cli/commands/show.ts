import type { Command } from 'commander';
import { PraError, type ExitCode } from '../../errors.ts';
import type { CliContext } from '../cli-context.ts';
import type { ApprovalSheet, PersonDesk } from '../../request/desk.ts';
import { printError } from '../print-error.ts';
import { requestPage } from '../request-page.ts';
import type { Cli } from '../run-cli.ts';

/** `mcp-pra show`: one request; for a pending one the very screen that `approve` shows. */
export const addShow = (program: Command, cli: Cli): void => {
  const command = cli
    .command(program, 'show', 'show a request: offer, ticket, outcome, receipt')
    .argument('<id>', 'its id, or the beginning of it');
  command.action((id: string) => cli.run(command, (context) => show(context, id)));
};

export const show = async (context: CliContext, id: string): Promise<ExitCode> => {
  const { desk } = await context.app();
  const view = await desk.get(context.caller(), id, { signal: context.signal });
  const found = view.state === 'PENDING' ? await sheetOf(desk, view.id) : undefined;
  const sheet = found instanceof PraError ? undefined : found;
  const value = sheet === undefined ? view : { ...view, ticket: sheet.ticket, offer: sheet.offer };
  context.show(value, (page) => {
    requestPage(page, view, sheet);
    if (sheet !== undefined) page.line().text(view.next);
  });
  // The request can be read, and denied; what stops its approval is said besides.
  if (found instanceof PraError && !context.json) printError(context.io, found, false);
  return 0;
};

/** Undefined when it was decided in this very moment; the refusal when a rule of this machine forbids it now. */
const sheetOf = async (desk: PersonDesk, id: string): Promise<ApprovalSheet | PraError | undefined> => {
  try {
    return await desk.sheet(id);
  } catch (error) {
    if (error instanceof PraError && ['STATE_CONFLICT', 'REQUEST_EXPIRED'].includes(error.code))
      return undefined;
    if (error instanceof PraError && ['RULE_REFUSED', 'RULE_RAISED'].includes(error.code)) return error;
    throw error;
  }
};
