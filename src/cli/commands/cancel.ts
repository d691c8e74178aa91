import type { Command } from 'commander';
import { exitOfView } from '../exit-of.ts';
import { approverOf, openSigner } from '../approver-signature.ts';
import type { CliContext } from '../cli-context.ts';
import { Page } from '../page.ts';
import { withProgress } from '../progress.ts';
import { outcomePage } from '../request-page.ts';
import type { Cli } from '../run-cli.ts';
import { say } from '../say.ts';
import { stopPage } from '../stop-page.ts';
import { Terminal } from '../terminal.ts';
import type { ExitCode } from '../../errors.ts';
import { oneLine } from '../plain-text.ts';

/**
 * `mcp-pra cancel`: stops a run in the middle, where its definition allows that. One person signs; how the run ended is in the host's
 * receipt. Needs a terminal, like every signature.
 */
export const addCancel = (program: Command, cli: Cli): void => {
  const command = cli
    .command(program, 'cancel', 'stop a run in the middle; needs a terminal')
    .argument('<id>', 'its id, or the beginning of it')
    .requiredOption('-r, --reason <text>', 'why, for the host and for the ledger');
  command.action((id: string, { reason }: { readonly reason: string }) =>
    cli.run(command, (context) => cancel(context, id, reason)),
  );
};

const cancel = async (context: CliContext, id: string, reason: string): Promise<ExitCode> => {
  const screen = context.json ? context.io.stderr : context.io.stdout;
  const terminal = new Terminal(context.io, screen);
  const principal = approverOf(context);
  const { desk } = await context.app();
  const caller = { ...context.caller(), principal };
  const draft = desk.cancelDraft(caller, id, reason);
  const run = await desk.get(caller, draft.id, { signal: context.signal });
  const { action, host } = run;
  const args = Object.entries(run.args).map(([name, value]) => `${name}=${value}`);
  const page = Page.for(context.io, context.json ? 'stderr' : 'stdout');
  page.text(say('cancel.what', { action, host, args: oneLine(args.join(' ')) }));
  const undo = say('cancel.undo', { undo: desk.catalog.actions.get(action)?.undo ?? '-' });
  screen.write(
    stopPage(page, { effects: say('cancel.effects'), undo, tickets: [draft.ticket] })
      .line()
      .toString(),
  );
  const signer = await openSigner(context, terminal, (text) => screen.write(text));
  const signature = await signer.sign(draft.ticket, draft.namespace);
  const view = await withProgress(context.io, say('cancel.waiting', { host }), () =>
    desk.cancel(caller, draft, { principal, signature }, { signal: context.signal }),
  );
  context.show(view, (shown) => outcomePage(shown, view));
  return exitOfView(view);
};
