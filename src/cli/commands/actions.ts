import type { Command } from 'commander';
import type { Cli } from '../run-cli.ts';
import { definitionsPage } from '../definitions-page.ts';

/** `mcp-pra actions` and `mcp-pra diagnostics`: what the catalog offers. */
export const addActions = (program: Command, cli: Cli): void => {
  for (const [name, kind, description] of [
    ['actions', 'actions', 'list the actions that can be proposed'],
    ['diagnostics', 'diagnostics', 'list the diagnostics'],
  ] as const) {
    const command = cli.command(program, name, description);
    command.action(() =>
      cli.run(command, async (context) => {
        const definitions = [...(await context.parts.loadCatalog(context.config().catalog))[kind].values()];
        context.show(definitions, (page) => definitionsPage(page, definitions));
        return 0;
      }),
    );
  }
};
