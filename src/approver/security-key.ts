import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { PraError } from '../errors.ts';
import { LOCAL_NAMESPACE } from '../request/freeze-desk.ts';
import { parseTicket } from '../request/ticket.ts';
import { verifySshsig } from '../request/sshsig.ts';
import type { LockedApproverKey } from './approver-keys.ts';
import { DRILL_NAMESPACE } from './sign.ts';

/** What ssh-keygen needs of the person's session: the agent, the middleware of the device, a home, a terminal. */
const PASSED_ON = ['PATH', 'HOME', 'TERM', 'SSH_AUTH_SOCK', 'SSH_SK_PROVIDER'] as const;
const ARMOUR = /^-----BEGIN SSH SIGNATURE-----\n([A-Za-z0-9+/=\n]+)\n-----END SSH SIGNATURE-----\n$/u;
/** How long somebody may look for their key. */
const TOUCH_MS = 120_000;

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
  const armoured = await runKeygen(['-Y', 'sign', '-n', namespace, '-f', key.path], message);
  const signature = ARMOUR.exec(armoured)?.[1]?.replaceAll('\n', '') ?? '';
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

const runKeygen = async (args: readonly string[], input: string): Promise<string> => {
  const env: NodeJS.ProcessEnv = { SSH_ASKPASS_REQUIRE: 'never' };
  for (const name of PASSED_ON) if (process.env[name] !== undefined) env[name] = process.env[name];
  const child = spawn('ssh-keygen', args, {
    stdio: ['pipe', 'pipe', 'inherit'],
    env,
    timeout: TOUCH_MS,
    killSignal: 'SIGKILL',
  });
  const { promise, resolve, reject } = Promise.withResolvers<number | null>();
  child.once('error', reject);
  child.once('close', resolve);
  // It may end before it has read everything.
  child.stdin.on('error', () => undefined);
  child.stdin.end(input);
  try {
    const [out, code] = await Promise.all([text(child.stdout), promise]);
    if (code === 0) return out;
  } catch (error) {
    throw new PraError('SECURITY_KEY_FAILED', {}, error);
  }
  throw new PraError('SECURITY_KEY_FAILED');
};
