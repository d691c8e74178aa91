import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { PraError } from '../errors.ts';
import { readPrivateKeyFile } from '../request/private-file.ts';
import type { AccountKey } from './identity.ts';
import { isEncryptedKey } from './key-file.ts';
import { readPassphrase } from './passphrase.ts';

/** Rounds of the key derivation of an encrypted key: about 0.3 s to open, as ssh-keygen does unless told. */
const ROUNDS = '16';

/**
 * Makes an ed25519 key with ssh-keygen at `path` (0600, and its .pub), encrypted like `like`: with the passphrase that the
 * configuration names, or not at all. The passphrase goes through standard input, never through argv or the environment of the
 * child. Throws KEY_MISSING, FILE_MODE, KEY_PASSPHRASE (none to be had, or the key is in an agent), ROTATION_REFUSED.
 */
export const makeKeyLike = async (
  account: string,
  like: Omit<AccountKey, 'user'>,
  { path, comment }: { readonly path: string; readonly comment: string },
): Promise<void> => {
  const source = like.passphrase;
  if (source !== undefined && 'agent' in source) throw new PraError('KEY_PASSPHRASE', { account });
  let words = '';
  if (isEncryptedKey(await readPrivateKeyFile(like.keyPath, account))) {
    const passphrase = source === undefined ? undefined : await readPassphrase(source);
    if (passphrase === undefined || passphrase.length < 5) throw new PraError('KEY_PASSPHRASE', { account });
    words = passphrase.toString('utf8');
  }
  // Without a terminal (a session of its own) and without an askpass program ssh-keygen asks its standard input, twice.
  const child = spawn('ssh-keygen', ['-q', '-t', 'ed25519', '-a', ROUNDS, '-C', comment, '-f', path], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
    env: { PATH: process.env['PATH'], LC_ALL: 'C' },
  });
  const failed = (cause: unknown): PraError => {
    for (const file of [path, `${path}.pub`]) rmSync(file, { force: true });
    return new PraError('ROTATION_REFUSED', { what: `ssh-keygen could not make ${path}` }, cause);
  };
  child.stdin.on('error', () => {});
  child.stdin.end(`${words}\n${words}\n`);
  const [code] = (await once(child, 'close').catch((thrown: unknown) => {
    throw failed(thrown);
  })) as [number | null];
  if (code !== 0) throw failed(code);
  // What was written is what was meant: an encrypted key stays one.
  if (isEncryptedKey(await readPrivateKeyFile(path, account)) !== (words !== '')) throw failed('encryption');
};
