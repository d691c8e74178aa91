import type { Command } from 'commander';
import { PraError } from '../../errors.ts';
import type { Cli } from '../run-cli.ts';
import { exitOfTakenBack, takenBackLine } from '../taken-back.ts';

/**
 * `mcp-pra unapprove`: takes a signed approval back, also one of several signatures. It needs no key: stopping takes less than
 * approving. Revoked is what the host has signed; until then it is asked again, by this command and by a running server.
 */
export const addUnapprove = (program: Command, cli: Cli): void => {
  const command = cli
    .command(program, 'unapprove', 'take a signed approval back; the host confirms that it can never run')
    .argument('<id>', 'its id, or the beginning of it')
    .option('-r, --reason <text>', 'why; the requester reads it', '');
  command.action((id: string, { reason }: { readonly reason: string }) =>
    cli.run(command, async (context) => {
      const { desk } = await context.app();
      const { signal } = context;
      const before = await desk.get(context.caller(), id, { signal });
      // Asks again for one that the host has not confirmed yet; what ended is only told.
      if (before.state === 'PENDING' && !desk.isSigned(before.id))
        throw new PraError('NOT_SIGNED', { id: before.id });
      const isOpen = ['PENDING', 'APPROVED', 'AUTO_APPROVED'].includes(before.state);
      const view = isOpen ? await desk.deny(context.caller(), before.id, reason, { signal }) : before;
      context.show(view, (page) => takenBackLine(page, view, 'deny.done'));
      return exitOfTakenBack(view);
    }),
  );
};
