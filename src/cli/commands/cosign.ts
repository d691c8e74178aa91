import type { Command } from 'commander';
import { PraError, type ExitCode } from '../../errors.ts';
import { parseTicket } from '../../request/ticket.ts';
import { openTty, readBlockFile, requireNewFile, writeBlockFile } from '../block-file.ts';
import type { CliContext } from '../cli-context.ts';
import type { Cli } from '../run-cli.ts';
import { say } from '../say.ts';
import { signSheet } from '../sign-sheet.ts';
import { Terminal } from '../terminal.ts';

/**
 * `mcp-pra cosign`: an approver with another machine reads the same offer and ticket, verified by their own known_hosts and catalog, and
 * signs. The signature is a block for `mcp-pra ticket import`; the request itself stays where it is.
 */
export const addCosign = (program: Command, cli: Cli): void => {
  const command = cli
    .command(program, 'cosign', 'sign a ticket that another machine exported; needs a terminal')
    .argument('<file>', 'the block of mcp-pra ticket export; - for standard input')
    .option('--out <file>', 'write the signature there instead of to standard output; a new file');
  command.action((file: string, { out }: { readonly out?: string }) =>
    cli.run(command, (context) => cosign(context, file, out)),
  );
};

const cosign = async (context: CliContext, file: string, out: string | undefined): Promise<ExitCode> => {
  const { approver } = context.config();
  if (approver === undefined) throw new PraError('APPROVER_MISSING');
  if (out !== undefined) requireNewFile(out);
  const tty = file === '-' ? openTty(context.io) : { io: context.io, close: () => undefined };
  try {
    const { io } = tty;
    // The block may be redirected; the questions stay on the screen.
    const screen = context.json || io.stdout.isTTY !== true ? io.stderr : io.stdout;
    const terminal = new Terminal(io, screen);
    const block = await readBlockFile(context, file);
    const app = await context.app();
    const sheet = await app.desk.cosignSheet(block, approver.principal);
    screen.write(`${say('cosign.where', { issued: parseTicket(sheet.ticket).issued })}\n`);
    // Denying it is for the machine that has the request.
    const signed = await signSheet({ context, terminal, screen, sheet, recheck: () => undefined });
    if (signed === 'no' || signed === 'deny') {
      screen.write(`${say('cosign.not', { id: sheet.view.id })}\n`);
      return 4;
    }
    const { principal } = approver;
    const answer = app.desk.cosign({ ...context.caller(), principal }, block, sheet, {
      principal,
      ...signed,
    });
    if (out !== undefined) writeBlockFile(out, answer);
    screen.write(
      `${out === undefined ? say('cosign.done', { principal }) : say('cosign.wrote', { principal, path: out })}\n\n`,
    );
    if (context.json) context.show({ id: sheet.view.id, principal, block: answer }, (page) => page);
    else if (out === undefined) io.stdout.write(answer);
    return 0;
  } finally {
    tty.close();
  }
};
