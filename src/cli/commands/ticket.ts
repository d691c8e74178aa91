import type { Command } from 'commander';
import type { ExitCode } from '../../errors.ts';
import { readBlockFile, writeBlockFile } from '../block-file.ts';
import type { CliContext } from '../cli-context.ts';
import { exitOfView } from '../exit-of.ts';
import { followRun } from '../follow-run.ts';
import { outcomePage, signaturesLine } from '../request-page.ts';
import type { Cli } from '../run-cli.ts';
import { say } from '../say.ts';

/** `mcp-pra ticket export | import`: the way of a ticket to an approver on another machine, and of their signature back. */
export const addTicket = (program: Command, cli: Cli): void => {
  const group = program
    .command('ticket')
    .description('signatures from other machines, where a host asks for several');

  const give = cli
    .command(group, 'export', 'write a partly signed request as one block of text, for a chat or a mail')
    .argument('<id>', 'its id, or the beginning of it')
    .argument('[file]', 'a new file; standard output unless told');
  give.action((id: string, file: string | undefined) =>
    cli.run(give, (context) => exportTicket(context, id, file)),
  );

  const take = cli
    .command(group, 'import', 'add the signature that mcp-pra cosign gave')
    .argument('<file>', 'the block of mcp-pra cosign; - for standard input')
    .option('--run', 'run the action at once when it was the last signature');
  take.action((file: string, { run }: { readonly run?: boolean }) =>
    cli.run(take, (context) => importSignature(context, file, run === true)),
  );
};

const exportTicket = async (context: CliContext, id: string, file: string | undefined): Promise<ExitCode> => {
  const { desk } = await context.app();
  const block = desk.exportTicket(context.caller(), id);
  const view = await desk.get(context.caller(), id);
  if (file !== undefined) writeBlockFile(file, block);
  if (context.json) context.show({ id: view.id, path: file ?? null, block }, (page) => page);
  else if (file === undefined) context.io.stdout.write(block);
  else context.note(say('ticket.exported', { path: file, line: signaturesLine(view) }));
  return 0;
};

const importSignature = async (context: CliContext, file: string, run: boolean): Promise<ExitCode> => {
  const { desk } = await context.app();
  const block = await readBlockFile(context, file);
  const view = await desk.importSignature(context.caller(), block);
  const principal = view.signed_by.at(-1) ?? '';
  if (view.state !== 'APPROVED') {
    context.show(view, (page) =>
      page.line(say('ticket.imported', { principal, line: signaturesLine(view) })),
    );
    return 4;
  }
  context.note(say('ticket.complete', { principal, id: view.id }));
  if (!run) {
    context.show(view, (page) => page.line(say('approve.no_run', { id: view.id })));
    return 0;
  }
  const ended = await followRun(context, view.host, (options) =>
    desk.execute(context.caller(), view.id, options),
  );
  context.show(ended, (page) => outcomePage(page, ended));
  return exitOfView(ended);
};
