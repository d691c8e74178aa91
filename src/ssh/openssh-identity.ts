import { readFile } from 'node:fs/promises';
import { PraError } from '../errors.ts';
import { readPrivateKeyFile } from '../request/private-file.ts';
import { SshReader, sshString } from '../request/ssh-reader.ts';
import { readPublicKeyLine } from '../request/ssh-public-key.ts';
import { heldByAgent, type AgentKey } from './agent-protocol.ts';
import type { AccountKey } from './identity.ts';
import { isEncryptedKey, publicBlobOf } from './key-file.ts';
import { readPassphrase } from './passphrase.ts';

/**
 * How the system ssh is given a key: `ours`, we are its agent and the key stays in this process; `agent`, it asks the person's
 * agent for exactly this key; `file`, it opens the key handle of a security key itself.
 */
export type OpensshIdentity = { readonly user: string; readonly publicLine: string } & (
  | { readonly kind: 'ours'; readonly key: AgentKey }
  | { readonly kind: 'agent'; readonly socket: string }
  | { readonly kind: 'file'; readonly path: string }
);

/** `type base64`, as public key files have it. */
export const publicLineOf = (blob: Buffer): string =>
  `${new SshReader(blob).text()} ${blob.toString('base64')}`;

/** The signature blob that an agent answers with, from a raw signature. */
export const signatureBlob = (keyType: string, raw: Buffer): Buffer =>
  Buffer.concat([sshString(keyType === 'ssh-rsa' ? 'rsa-sha2-512' : keyType), sshString(raw)]);

const fromAgent = async (account: string, { user, keyPath }: AccountKey): Promise<OpensshIdentity> => {
  const file = keyPath.endsWith('.pub') ? keyPath : `${keyPath}.pub`;
  let line: string;
  try {
    line = await readFile(file, 'latin1');
  } catch (thrown) {
    throw new PraError('KEY_MISSING', { account, path: file }, thrown);
  }
  const blob = readPublicKeyLine(line);
  if (blob === undefined) throw new PraError('KEY_INVALID', { path: file });
  const socket = process.env['SSH_AUTH_SOCK'] ?? '';
  const missing = (cause: unknown): PraError => new PraError('KEY_PASSPHRASE', { account }, cause);
  if (socket === '') throw missing(new Error('SSH_AUTH_SOCK is not set'));
  const held = await heldByAgent(socket).catch((thrown: unknown) => {
    throw missing(thrown);
  });
  if (!held.some((one) => one.equals(blob))) throw missing(new Error('the agent does not hold the key'));
  return { kind: 'agent', user, socket, publicLine: publicLineOf(blob) };
};

/**
 * Opens an account's key for the system ssh. A passphrase never reaches ssh: the key is opened here and we sign for it.
 * Throws KEY_MISSING, FILE_MODE, KEY_PASSPHRASE, KEY_INVALID.
 */
export const openOpensshIdentity = async (account: string, key: AccountKey): Promise<OpensshIdentity> => {
  const { user, keyPath, passphrase: source } = key;
  if (source !== undefined && 'agent' in source) return fromAgent(account, key);
  const pem = await readPrivateKeyFile(keyPath, account);
  const blob = publicBlobOf(pem);
  if (blob !== undefined && new SshReader(blob).text().startsWith('sk-')) {
    // The file is only a handle; ssh talks to the security key. Nobody is there to type the passphrase of a handle.
    if (isEncryptedKey(pem)) throw new PraError('KEY_PASSPHRASE', { account });
    return { kind: 'file', user, path: keyPath, publicLine: publicLineOf(blob) };
  }
  const passphrase = source === undefined ? undefined : await readPassphrase(source);
  const { openPrivateKey } = await import('./private-key.ts');
  const opened = openPrivateKey(pem, passphrase, { account, path: keyPath });
  return {
    kind: 'ours',
    user,
    publicLine: publicLineOf(opened.publicKey),
    key: { blob: opened.publicKey, sign: (data) => signatureBlob(opened.type, opened.sign(data)) },
  };
};
