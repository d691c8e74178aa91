import type { Command } from 'commander';
import type { Cli } from '../run-cli.ts';
import { exitOfTakenBack, takenBackLine } from '../taken-back.ts';

/** `mcp-pra deny`: a person says no; the requester reads the reason. */
export const addDeny = (program: Command, cli: Cli): void => {
  const command = cli
    .command(program, 'deny', 'refuse a request')
    .argument('<id>', 'its id, or the beginning of it')
    .option('-r, --reason <text>', 'why; the requester reads it', '');
  command.action((id: string, { reason }: { readonly reason: string }) =>
    cli.run(command, async (context) => {
      const { desk } = await context.app();
      const view = await desk.deny(context.caller(), id, reason, { signal: context.signal });
      context.show(view, (page) => takenBackLine(page, view, 'deny.done'));
      return exitOfTakenBack(view);
    }),
  );
};
