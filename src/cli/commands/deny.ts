import type { Command } from 'commander';
import type { ExitCode } from '../../errors.ts';
import type { CliContext } from '../cli-context.ts';
import type { Cli } from '../run-cli.ts';
import { say } from '../say.ts';
import { exitOfTakenBack, takenBackLine } from '../taken-back.ts';
import { Terminal } from '../terminal.ts';

/** `mcp-pra deny`: a person says no; the requester reads the reason, if there is one. */
export const addDeny = (program: Command, cli: Cli): void => {
  const command = cli
    .command(program, 'deny', 'refuse a request')
    .argument('<id>', 'its id, or the beginning of it')
    .option('-r, --reason <text>', 'why; the requester reads it (asked for at a terminal)');
  command.action((id: string, { reason }: { readonly reason?: string }) =>
    cli.run(command, (context) => deny(context, id, reason)),
  );
};

/** Refuses a request. Saying no needs no terminal: where there is none, no reason is asked for. Throws CANCELLED at that question. */
export const deny = async (context: CliContext, id: string, reason?: string): Promise<ExitCode> => {
  const { desk } = await context.app();
  const note = reason ?? (await askWhy(context, desk.board.peek(id)));
  const view = await desk.deny(context.caller(), id, note, { signal: context.signal });
  context.show(view, (page) => takenBackLine(page, view, 'deny.done'));
  return exitOfTakenBack(view);
};

const askWhy = async (
  { io, json }: CliContext,
  { action, host }: { readonly action: string; readonly host: string },
): Promise<string> => {
  if (json || io.stdin.isTTY !== true || io.stdout.isTTY !== true) return '';
  return new Terminal(io, io.stdout).ask(say('deny.why', { action, host }));
};
