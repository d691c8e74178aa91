import type { Command } from 'commander';
import { withProgress } from '../progress.ts';
import { outcomePage } from '../request-page.ts';
import type { Cli } from '../run-cli.ts';
import { say } from '../say.ts';

/**
 * `mcp-pra close`: ends a request that stays UNKNOWN because its host tells nothing. The host is asked once more first; the ledger says
 * that a person ended it, not the host. Done, it exits 0 whatever became of the action.
 */
export const addClose = (program: Command, cli: Cli): void => {
  const command = cli
    .command(program, 'close', 'end a request whose host does not say how it ended')
    .argument('<id>', 'its id, or the beginning of it')
    .requiredOption('-r, --reason <text>', 'what you know of it; the requester and the ledger read it');
  command.action((id: string, { reason }: { readonly reason: string }) =>
    cli.run(command, async (context) => {
      const { desk } = await context.app();
      const { signal } = context;
      const { host } = desk.board.peek(id);
      const view = await withProgress(context.io, say('close.asking', { host }), () =>
        desk.close(context.caller(), id, reason, { signal }),
      );
      context.show(view, (page) => outcomePage(page, view));
      return 0;
    }),
  );
};
