import type { Command } from 'commander';
import { PraError, type ExitCode } from '../../errors.ts';
import type { CliContext } from '../cli-context.ts';
import type { ApprovalSheet, PersonDesk } from '../../request/desk.ts';
import { glassSection } from '../glass-section.ts';
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
  const [sheet, refusal] = found instanceof PraError ? [undefined, found] : [found, undefined];
  context.show({ ...view, ...sheetJson(sheet), ...refusalJson(refusal) }, (page) => {
    requestPage(page, view, sheet);
    if (sheet !== undefined) glassSection(page, sheet).line().text(view.next);
  });
  // The request can be read, and denied; what stops its approval is said besides.
  if (refusal !== undefined && !context.json) printError(context.io, refusal, false);
  return 0;
};

const sheetJson = (sheet: ApprovalSheet | undefined): object =>
  sheet === undefined ? {} : { ticket: sheet.ticket, offer: sheet.offer, reviews: sheet.reviews ?? [] };

const refusalJson = (refusal: PraError | undefined): object => {
  if (refusal === undefined) return {};
  const { code, layer, message, hint } = refusal;
  return { not_approvable: { code, layer, message, hint } };
};

/** Undefined when it was decided in this very moment; what stops its approval now, whatever that is. */
const sheetOf = async (desk: PersonDesk, id: string): Promise<ApprovalSheet | PraError | undefined> => {
  try {
    return await desk.sheet(id);
  } catch (error) {
    if (!(error instanceof PraError) || error.code === 'INTERNAL') throw error;
    return ['STATE_CONFLICT', 'REQUEST_EXPIRED'].includes(error.code) ? undefined : error;
  }
};
