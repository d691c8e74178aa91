import type { Command } from 'commander';
import type { Cli } from '../run-cli.ts';
import { exitOfTakenBack, takenBackLine } from '../taken-back.ts';

/** `mcp-pra withdraw`: takes a request back before it runs. */
export const addWithdraw = (program: Command, cli: Cli): void => {
  const command = cli
    .command(program, 'withdraw', 'take a request back')
    .argument('<id>', 'its id, or the beginning of it');
  command.action((id: string) =>
    cli.run(command, async (context) => {
      const { desk } = await context.app();
      const view = await desk.withdraw(context.caller(), id, { signal: context.signal });
      context.show(view, (page) => takenBackLine(page, view, 'withdraw.done'));
      return exitOfTakenBack(view);
    }),
  );
};
