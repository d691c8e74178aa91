import type { Command } from 'commander';
import type { Cli } from '../run-cli.ts';
import { say } from '../say.ts';

/** `mcp-pra withdraw`: takes a request back before it runs. */
export const addWithdraw = (program: Command, cli: Cli): void => {
  const command = cli
    .command(program, 'withdraw', 'take a request back')
    .argument('<id>', 'its id, or the beginning of it');
  command.action((id: string) =>
    cli.run(command, async (context) => {
      const { desk } = await context.app();
      const view = desk.withdraw(context.caller(), id);
      context.show(view, (page) => page.line(say('withdraw.done', { id: view.id })));
      return 0;
    }),
  );
};
