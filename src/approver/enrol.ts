import { lstat, mkdir, readFile, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { PraError } from '../errors.ts';
import { readPublicKeyLine } from '../request/ssh-public-key.ts';
import { fingerprint } from '../request/sshsig.ts';
import { readApproverKey } from './approver-keys.ts';
import { runSshKeygen } from './ssh-keygen.ts';

/** What a new approver key looks like from outside. */
export interface EnrolledApprover {
  readonly path: string;
  /** `SHA256:…` */
  readonly fingerprint: string;
  /** The line for the targets' /etc/mcp-pra/allowed_signers. */
  readonly allowedSigner: string;
}

/** Namespaces of a person's signatures; the auto key has one of its own. */
const PERSON_NAMESPACES = 'mcp-pra-low,mcp-pra-medium,mcp-pra-high';
const PRINCIPAL = /^[A-Za-z0-9@._-]{1,64}$/u;
/** Rounds of bcrypt_pbkdf: about a second for each guess of a passphrase. */
const ROUNDS = '100';

/** One line of allowed_signers for a person (docs/wire-protocol.md §4). Throws KEY_INVALID for what is no public key. */
export const allowedSigner = (principal: string, publicKeyLine: string, path: string): string => {
  const blob = readPublicKeyLine(publicKeyLine);
  if (blob === undefined || !PRINCIPAL.test(principal)) throw new PraError('KEY_INVALID', { path });
  const [type] = publicKeyLine.split(' ');
  return `${principal} namespaces="${PERSON_NAMESPACES}" ${String(type)} ${blob.toString('base64')}`;
};

/**
 * Makes an approver's ed25519 key with ssh-keygen, which asks for the passphrase itself on the terminal: it passes through
 * no program of ours, no argument list and no variable. An empty one is refused and its key removed (KEY_UNENCRYPTED).
 * An existing file is never touched. Throws TERMINAL_REQUIRED, USAGE.
 */
export const makeApproverKey = async (given: {
  readonly path: string;
  readonly principal: string;
}): Promise<EnrolledApprover> => {
  const { path, principal } = given;
  if (!process.stdin.isTTY) throw new PraError('TERMINAL_REQUIRED');
  if (!PRINCIPAL.test(principal))
    throw new PraError('USAGE', { what: 'A principal is 1 to 64 of A-Z a-z 0-9 @ . _ -' });
  if (await exists(path)) throw new PraError('USAGE', { what: `There is already a file at ${path}` });
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const { code } = await runSshKeygen({
    args: ['-t', 'ed25519', '-a', ROUNDS, '-C', principal, '-f', path],
    pass: ['PATH', 'TERM'],
    output: 'shown',
    errors: 'shown',
  }).catch((error: unknown) => {
    const what = 'ssh-keygen was not found; it is in the package openssh-client';
    throw new PraError('USAGE', { what }, error);
  });
  if (code !== 0) throw new PraError('USAGE', { what: 'ssh-keygen made no key' });
  try {
    const { publicKey } = await readApproverKey(path);
    const line = await readFile(`${path}.pub`, 'utf8');
    return { path, fingerprint: fingerprint(publicKey), allowedSigner: allowedSigner(principal, line, path) };
  } catch (error) {
    if (error instanceof PraError && error.code === 'KEY_UNENCRYPTED') {
      await Promise.all([rm(path, { force: true }), rm(`${path}.pub`, { force: true })]);
    }
    throw error;
  }
};

const exists = async (path: string): Promise<boolean> =>
  lstat(path).then(
    () => true,
    () => false,
  );
