import type { Command } from 'commander';
import { withProgress } from '../progress.ts';
import type { Cli } from '../run-cli.ts';
import { say } from '../say.ts';
import { approve } from './approve.ts';

/**
 * `mcp-pra review`: closes the break-glass session of an incident on a host as looked at. The host says what ran under it; whoever
 * reviews reads that, types the host's name and signs. Somebody else than who opened it, where there is somebody else.
 */
export const addReview = (program: Command, cli: Cli): void => {
  const command = cli
    .command(
      program,
      'review',
      'look at what ran under a break-glass approval, and sign that; needs a terminal',
    )
    .argument('<incident>', 'the incident that it was for')
    .requiredOption('-H, --host <host>', 'the host')
    .option('-r, --reason <text>', 'what came of it');
  command.action((incident: string, { host, reason }: { readonly host: string; readonly reason?: string }) =>
    cli.run(command, async (context) => {
      const { desk } = await context.app();
      const why = reason ?? say('review.reason', { incident });
      const filed = await withProgress(context.io, say('progress.offer', { host }), () =>
        desk.ask(
          context.caller(),
          { word: 'review', host, args: { incident }, reason: why },
          { signal: context.signal },
        ),
      );
      return approve(context, filed.id, true);
    }),
  );
};
