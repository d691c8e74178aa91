// Imports ssh2: reached only through a lazy import of connect.ts.
import { readFile } from 'node:fs/promises';
import ssh2 from 'ssh2';
import { PraError } from '../errors.ts';
import { readPrivateKeyFile } from '../request/private-file.ts';

import { readPassphrase, type PassphraseSource } from './passphrase.ts';
import { parsePrivateKey } from './private-key.ts';

/** An account on hosts and the key that opens it. */
export interface AccountKey {
  readonly user: string;
  /** The private key; with `passphrase: {agent: true}` only its public half (`keyPath` itself, or `keyPath.pub`) is read. */
  readonly keyPath: string;
  readonly passphrase?: PassphraseSource | undefined;
}

/** What ssh2's authHandler answers with: one method, one key. */
export type Identity =
  | { readonly type: 'publickey'; readonly username: string; readonly key: ssh2.ParsedKey }
  | { readonly type: 'agent'; readonly username: string; readonly agent: ssh2.BaseAgent };

/** An agent that shows and uses exactly one of the keys it holds. */
class OneKeyAgent extends ssh2.OpenSSHAgent {
  readonly #key: ssh2.ParsedKey;

  constructor(socket: string, key: ssh2.ParsedKey) {
    super(socket);
    this.#key = key;
  }

  override getIdentities(done: Parameters<ssh2.OpenSSHAgent['getIdentities']>[0]): void {
    super.getIdentities((error, keys) => {
      if (error) return done(error);
      const wanted = this.#key.getPublicSSH();
      const held = keys?.some((key) => 'getPublicSSH' in key && key.getPublicSSH().equals(wanted)) === true;
      return held ? done(undefined, [this.#key]) : done(new Error('the agent does not hold the key'));
    });
  }
}

const readPublicKey = async (account: string, path: string): Promise<ssh2.ParsedKey> => {
  const file = path.endsWith('.pub') ? path : `${path}.pub`;
  let text: Buffer;
  try {
    text = await readFile(file);
  } catch (thrown) {
    throw new PraError('KEY_MISSING', { account, path: file }, thrown);
  }
  const key = ssh2.utils.parseKey(text);
  if (key instanceof Error || key.isPrivateKey()) throw new PraError('KEY_INVALID', { path: file });
  return key;
};

const fromAgent = async (account: string, key: AccountKey): Promise<Identity> => {
  const socket = process.env['SSH_AUTH_SOCK'];
  if (socket === undefined || socket === '')
    throw new PraError('KEY_PASSPHRASE', { account }, new Error('SSH_AUTH_SOCK is not set'));
  return {
    type: 'agent',
    username: key.user,
    agent: new OneKeyAgent(socket, await readPublicKey(account, key.keyPath)),
  };
};

/** No SHA-1 signature of ours, whatever a server asks for (an old one makes ssh2 fall back to `ssh-rsa`). */
const withoutSha1 = (key: ssh2.ParsedKey): ssh2.ParsedKey => {
  if (key.type !== 'ssh-rsa') return key;
  const sign = key.sign.bind(key);
  const refuse = new Error('SHA-1 signatures are not made') as unknown as Buffer;
  key.sign = (data, hash) => (hash === 'sha256' || hash === 'sha512' ? sign(data, hash) : refuse);
  return key;
};

/**
 * Opens an account's key, once for all connections: a key under bcrypt costs 0.3 s.
 * Throws KEY_MISSING, FILE_MODE, KEY_PASSPHRASE, KEY_INVALID.
 */
export const openIdentity = async (account: string, key: AccountKey): Promise<Identity> => {
  const source = key.passphrase;
  if (source !== undefined && 'agent' in source) return fromAgent(account, key);
  const pem = await readPrivateKeyFile(key.keyPath, account);
  const passphrase = source === undefined ? undefined : await readPassphrase(source);
  const parsed = parsePrivateKey(pem, passphrase, { account, path: key.keyPath });
  return { type: 'publickey', username: key.user, key: withoutSha1(parsed) };
};
