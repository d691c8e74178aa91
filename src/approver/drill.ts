import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PraError } from '../errors.ts';
import { armour } from '../request/sshsig.ts';
import { DRILL_NAMESPACE } from './sign.ts';
import { runSshKeygen } from './ssh-keygen.ts';

const VERIFY_SECONDS = 10;

/** What is signed to see whether a key works: no ticket, and never the same text twice. */
export const drillText = (principal: string): string =>
  `mcp-pra drill v1\nprincipal ${principal}\nnonce ${randomBytes(16).toString('hex')}\n`;

/** Has the stock ssh-keygen verify it, as a target does: in a private directory that is gone afterwards. Throws SIGNATURE_INVALID. */
export const verifyDrill = async (given: {
  readonly principal: string;
  readonly text: string;
  readonly signature: string;
  readonly keyType: string;
  readonly publicKey: Buffer;
}): Promise<void> => {
  const { principal, text, signature, keyType, publicKey } = given;
  const folder = await mkdtemp(join(tmpdir(), 'mcp-pra-drill-'));
  try {
    const [signers, file] = [join(folder, 'signers'), join(folder, 'signature')];
    const line = `${principal} namespaces="${DRILL_NAMESPACE}" ${keyType} ${publicKey.toString('base64')}\n`;
    await writeFile(signers, line);
    await writeFile(file, armour(Buffer.from(signature, 'base64')));
    const { code } = await runSshKeygen({
      args: ['-Y', 'verify', '-f', signers, '-I', principal, '-n', DRILL_NAMESPACE, '-s', file],
      pass: ['PATH'],
      input: text,
      output: 'taken',
      errors: 'dropped',
      seconds: VERIFY_SECONDS,
    }).catch(() => ({ code: null }));
    if (code !== 0) throw new PraError('SIGNATURE_INVALID');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
};
