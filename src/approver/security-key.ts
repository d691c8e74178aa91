import { PraError } from '../errors.ts';
import { LOCAL_NAMESPACE } from '../request/freeze-desk.ts';
import { parseTicket } from '../request/ticket.ts';
import { verifySshsig } from '../request/sshsig.ts';
import type { LockedApproverKey } from './approver-keys.ts';
import { DRILL_NAMESPACE } from './sign.ts';
import { runSshKeygen } from './ssh-keygen.ts';

const ARMOUR = /^-----BEGIN SSH SIGNATURE-----\n([A-Za-z0-9+/=\n]+)\n-----END SSH SIGNATURE-----\n$/u;
/** How long somebody may look for their key. */
const TOUCH_SECONDS = 120;

/**
 * Has a security key sign a ticket (or the text of a drill) through `ssh-keygen -Y sign`, which asks for PIN and touch on the terminal,
 * or has an agent do so. What comes back is verified again: this key, this text, this namespace, and the person was present. Throws
 * SECURITY_KEY_FAILED, SIGNATURE_INVALID; INTERNAL for a namespace that is not the ticket's.
 */
export const signWithSecurityKey = async (
  key: LockedApproverKey,
  message: string,
  namespace: string,
): Promise<string> => {
  const own = isOwn(message, namespace);
  if (!own) throw new PraError('INTERNAL');
  const { code, output } = await runSshKeygen({
    args: ['-Y', 'sign', '-n', namespace, '-f', key.path],
    pass: ['PATH', 'HOME', 'TERM', 'SSH_AUTH_SOCK', 'SSH_SK_PROVIDER'],
    input: message,
    output: 'taken',
    errors: 'shown',
    seconds: TOUCH_SECONDS,
  }).catch((error: unknown) => {
    throw new PraError('SECURITY_KEY_FAILED', {}, error);
  });
  if (code !== 0) throw new PraError('SECURITY_KEY_FAILED');
  const signature = ARMOUR.exec(output)?.[1]?.replaceAll('\n', '') ?? '';
  try {
    const verified = verifySshsig({ message, signatureBase64: signature, namespace });
    if (!verified.publicKey.equals(key.publicKey) || verified.securityKey?.present !== true)
      throw new PraError('SIGNATURE_INVALID');
  } catch (error) {
    throw new PraError('SIGNATURE_INVALID', {}, error);
  }
  return signature;
};

const isOwn = (message: string, namespace: string): boolean => {
  if (namespace === DRILL_NAMESPACE) return message.startsWith('mcp-pra drill ');
  if (namespace === LOCAL_NAMESPACE) return message.startsWith('mcp-pra local-');
  return namespace === `mcp-pra-${parseTicket(message).impact.toLowerCase()}`;
};
