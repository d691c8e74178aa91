import type { Command } from 'commander';
import type { Cli } from '../run-cli.ts';
import { say } from '../say.ts';

/** `mcp-pra deny`: a person says no; the requester reads the reason. */
export const addDeny = (program: Command, cli: Cli): void => {
  const command = cli
    .command(program, 'deny', 'refuse a request')
    .argument('<id>', 'its id, or the beginning of it')
    .option('-r, --reason <text>', 'why; the requester reads it', '');
  command.action((id: string, { reason }: { readonly reason: string }) =>
    cli.run(command, async (context) => {
      const { desk } = await context.app();
      const view = desk.deny(context.caller(), id, reason);
      context.show(view, (page) => page.line(say('deny.done', { id: view.id })));
      return 0;
    }),
  );
};
