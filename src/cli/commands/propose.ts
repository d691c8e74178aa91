import { Option, type Command } from 'commander';
import { exitOfView } from '../exit-of.ts';
import { followRun } from '../follow-run.ts';
import { readNameValues } from '../name-values.ts';
import { requestPage } from '../request-page.ts';
import type { Cli } from '../run-cli.ts';
import { say } from '../say.ts';

interface Options {
  readonly host: string;
  readonly reason: string;
  readonly impact?: 'MEDIUM' | 'HIGH';
  readonly auto?: boolean;
}

/** `mcp-pra propose`: the same as the model's propose_pra_action, for a person. */
export const addPropose = (program: Command, cli: Cli): void => {
  const command = cli
    .command(program, 'propose', 'ask for an action; a person approves it')
    .argument('<action>', 'a name of: mcp-pra actions')
    .argument('[name=value...]', 'its parameters')
    .requiredOption('-H, --host <host>', 'the host')
    .requiredOption('-r, --reason <text>', 'why, for whoever approves and for the ledger')
    .addOption(
      new Option('--impact <impact>', 'ask for at least this impact; it never lowers').choices([
        'MEDIUM',
        'HIGH',
      ]),
    )
    .option('--auto', 'run it at once where the host lets it run by itself (LOW only)');
  command.action((action: string, words: string[], { host, reason, impact, auto = false }: Options) =>
    cli.run(command, async (context) => {
      const args = readNameValues(words);
      const { desk } = await context.app();
      const view = await followRun(context, host, (options) =>
        desk.propose(
          context.caller(),
          { action, host, args, reason, autoApprove: auto, ...(impact === undefined ? {} : { impact }) },
          options,
        ),
      );
      context.show(view, (page) => requestPage(page.line(say('propose.filed', { id: view.id })), view));
      return exitOfView(view);
    }),
  );
};
