import { PraError } from '../errors.ts';
import type { CliContext } from './cli-context.ts';
import type { TicketSigner } from './cli-parts.ts';
import { say } from './say.ts';
import type { Terminal } from './terminal.ts';

const PASSPHRASE_TRIES = 3;

/** The configured approver. Throws APPROVER_MISSING. */
export const approverOf = (context: CliContext): string => {
  const { approver } = context.config();
  if (approver === undefined) throw new PraError('APPROVER_MISSING');
  return approver.principal;
};

/** Opens the approver's key with a passphrase that is typed now, three tries. Throws KEY_PASSPHRASE, CANCELLED and what the key's file gives. */
export const openSigner = async (
  context: CliContext,
  terminal: Terminal,
  write: (text: string) => unknown,
): Promise<TicketSigner> => {
  const principal = approverOf(context);
  const app = await context.app();
  for (let left = PASSPHRASE_TRIES; ; left -= 1) {
    const passphrase = await terminal.askHidden(say('approve.passphrase', { principal }));
    try {
      return await app.openApprover(passphrase);
    } catch (error) {
      if (!(error instanceof PraError) || error.code !== 'KEY_PASSPHRASE' || left <= 1) throw error;
      write(`${say('approve.wrong')}\n`);
    } finally {
      passphrase.fill(0);
    }
  }
};
