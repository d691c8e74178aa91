import type { Command } from 'commander';
import { exitOfView } from '../exit-of.ts';
import { withProgress } from '../progress.ts';
import { requestPage } from '../request-page.ts';
import type { Cli } from '../run-cli.ts';
import { say } from '../say.ts';

/** `mcp-pra undo`: proposes the action that takes an ended run back, as its definition says. It is approved like any other. */
export const addUndo = (program: Command, cli: Cli): void => {
  const command = cli
    .command(program, 'undo', 'propose what takes a run back, where its definition says how')
    .argument('<id>', 'its id, or the beginning of it')
    .option('-r, --reason <text>', 'why, for whoever approves and for the ledger');
  command.action((id: string, { reason }: { readonly reason?: string }) =>
    cli.run(command, async (context) => {
      const { desk } = await context.app();
      const why = reason ?? say('undo.reason', { id });
      const view = await withProgress(context.io, say('progress.offer', { host: id }), () =>
        desk.undo(context.caller(), id, why, { signal: context.signal }),
      );
      context.show(view, (page) => requestPage(page.line(say('propose.filed', { id: view.id })), view));
      return exitOfView(view);
    }),
  );
};
