import type { Command } from 'commander';
import type { Config } from '../../config.ts';
import { asPraError } from '../../errors.ts';
import type { CliContext } from '../cli-context.ts';
import type { ServeFrom } from '../cli-parts.ts';
import { detailsOf } from '../print-error.ts';
import type { Cli } from '../run-cli.ts';

/** `mcp-pra serve`: the MCP server on standard input and output. */
export const addServe = (program: Command, cli: Cli): void => {
  const command = cli.command(program, 'serve', 'serve MCP on standard input and output');
  command.action(() =>
    cli.run(command, async (context) => {
      await context.parts.serve(serveFrom(context));
      return 0;
    }),
  );
};

/** A client shows a server that dies at once as nothing but "disconnected"; one that runs can say what is wrong. */
const serveFrom = (context: CliContext): ServeFrom => {
  let config: Config;
  try {
    config = context.config();
  } catch (thrown) {
    const error = asPraError(thrown);
    return { kind: 'broken', error, details: detailsOf(error) };
  }
  return { kind: 'config', config };
};
