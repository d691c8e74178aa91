import { PraError } from '../errors.ts';
import type { TicketSigner } from './approver-ports.ts';
import { openKey } from './approver/sign-as-person.ts';
import type { CliContext } from './cli-context.ts';
import type { Terminal } from './terminal.ts';

/** The configured approver. Throws APPROVER_MISSING. */
export const approverOf = (context: CliContext): string => {
  const { approver } = context.config();
  if (approver === undefined) throw new PraError('APPROVER_MISSING');
  return approver.principal;
};

/** Opens the approver's key, by a passphrase that is typed now or for a touch. Throws KEY_PASSPHRASE, CANCELLED and what the key's file gives. */
export const openSigner = async (
  context: CliContext,
  terminal: Terminal,
  write: (text: string) => unknown,
): Promise<TicketSigner> => {
  const approver = await (await context.app()).approver();
  const { signer, passphrase } = await openKey({ terminal, approver, write });
  passphrase?.fill(0);
  return signer;
};
