import type { Command } from 'commander';
import { exitOfView } from '../exit-of.ts';
import { followRun } from '../follow-run.ts';
import { requestPage } from '../request-page.ts';
import type { Cli } from '../run-cli.ts';

/** `mcp-pra execute`: runs an approved request, or shows how a running or ended one is. */
export const addExecute = (program: Command, cli: Cli): void => {
  const command = cli
    .command(program, 'execute', 'run an approved request; never runs one twice')
    .argument('<id>', 'its id, or the beginning of it');
  command.action((id: string) =>
    cli.run(command, async (context) => {
      const { desk } = await context.app();
      const view = await followRun(context, id, (options) => desk.execute(context.caller(), id, options));
      context.show(view, (page) => requestPage(page, view));
      return exitOfView(view);
    }),
  );
};
