import { PraError } from '../errors.ts';
import { readPrivateKeyFile } from '../request/private-file.ts';
import { SshReader } from '../request/ssh-reader.ts';

/** An opened private key; `sign` gives the raw signature of its algorithm (64 bytes for ed25519). */
export interface OpenedKey {
  readonly type: string;
  readonly publicKey: Buffer;
  sign(data: Buffer): Buffer;
}

/** Opens a private key file's bytes; given from outside, so that only src/ssh needs to know how. Throws KEY_PASSPHRASE, KEY_INVALID. */
export type OpenPrivateKey = (pem: Buffer, passphrase: Buffer | undefined) => OpenedKey;

/** An approver's key as it lies on disk: encrypted. Its public half needs no passphrase. */
export interface LockedApproverKey {
  readonly path: string;
  readonly pem: Buffer;
  /** SSH wire blob. */
  readonly publicKey: Buffer;
}

const MAGIC = Buffer.from('openssh-key-v1\0');
const TYPE = 'ssh-ed25519';

/**
 * Reads an approver's private key file without opening it. Refused: a file that others can read or own (FILE_MODE), a key
 * without a passphrase (KEY_UNENCRYPTED), anything but one ed25519 key in OpenSSH's format (KEY_INVALID), none (KEY_MISSING).
 */
export const readApproverKey = async (path: string): Promise<LockedApproverKey> => {
  const pem = await readPrivateKeyFile(path, 'approver');
  const invalid = (cause?: unknown): PraError => new PraError('KEY_INVALID', { path }, cause);
  const body =
    /^-----BEGIN OPENSSH PRIVATE KEY-----\r?\n([A-Za-z0-9+/=\r\n]+)-----END OPENSSH PRIVATE KEY-----\s*$/u.exec(
      pem.toString('latin1'),
    )?.[1];
  if (body === undefined) throw invalid();
  let cipher: string;
  let publicKey: Buffer;
  try {
    // openssh-portable PROTOCOL.key: magic, cipher, kdf, kdf options, number of keys, public keys, encrypted rest.
    const reader = new SshReader(Buffer.from(body, 'base64'));
    if (!reader.bytes(MAGIC.length).equals(MAGIC)) throw invalid();
    cipher = reader.text();
    reader.text();
    reader.string();
    if (reader.uint32() !== 1) throw invalid();
    publicKey = Buffer.from(reader.string());
    if (new SshReader(publicKey).text() !== TYPE) throw invalid();
  } catch (error) {
    throw error instanceof PraError ? error : invalid(error);
  }
  if (cipher === 'none') throw new PraError('KEY_UNENCRYPTED', { path });
  return { path, pem, publicKey };
};

/** Opens it with the passphrase that a person just typed; the passphrase's bytes are wiped either way. Throws KEY_PASSPHRASE, KEY_INVALID. */
export const unlockApproverKey = (
  locked: LockedApproverKey,
  passphrase: Buffer,
  openPrivateKey: OpenPrivateKey,
): OpenedKey => {
  try {
    const key = openPrivateKey(locked.pem, passphrase);
    if (key.type !== TYPE || !key.publicKey.equals(locked.publicKey))
      throw new PraError('KEY_INVALID', { path: locked.path });
    return key;
  } finally {
    passphrase.fill(0);
  }
};
