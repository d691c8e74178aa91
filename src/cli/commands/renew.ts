import type { Command } from 'commander';
import { exitOfView } from '../exit-of.ts';
import { withProgress } from '../progress.ts';
import { requestPage } from '../request-page.ts';
import type { Cli } from '../run-cli.ts';
import { say } from '../say.ts';

/** `mcp-pra renew`: a new request with the content of an expired one, and a fresh offer. */
export const addRenew = (program: Command, cli: Cli): void => {
  const command = cli
    .command(program, 'renew', 'file an expired request again')
    .argument('<id>', 'its id, or the beginning of it');
  command.action((id: string) =>
    cli.run(command, async (context) => {
      const { desk } = await context.app();
      const view = await withProgress(context.io, say('progress.offer', { host: id }), () =>
        desk.renew(context.caller(), id),
      );
      context.show(view, (page) => requestPage(page.line(say('propose.filed', { id: view.id })), view));
      return exitOfView(view);
    }),
  );
};
