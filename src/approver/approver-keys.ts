import { readFile } from 'node:fs/promises';
import { PraError } from '../errors.ts';
import { readPrivateKeyFile } from '../request/private-file.ts';
import { readPublicKeyLine } from '../request/ssh-public-key.ts';
import { SshReader } from '../request/ssh-reader.ts';

/** An opened private key; `sign` gives the raw signature of its algorithm (64 bytes for ed25519). */
export interface OpenedKey {
  readonly type: string;
  readonly publicKey: Buffer;
  sign(data: Buffer): Buffer;
}

/** Opens a private key file's bytes; given from outside, so that only src/ssh needs to know how. Throws KEY_PASSPHRASE, KEY_INVALID. */
export type OpenPrivateKey = (pem: Buffer, passphrase: Buffer | undefined) => OpenedKey;

/**
 * An approver's key as it lies on disk. A `passphrase` key is encrypted and opened in process; a `security-key` (FIDO2) is a handle that
 * is worth nothing without the device, which signs through ssh-keygen. The public half needs neither.
 */
export interface LockedApproverKey {
  readonly kind: 'passphrase' | 'security-key';
  readonly type: string;
  readonly path: string;
  readonly pem: Buffer;
  /** SSH wire blob. */
  readonly publicKey: Buffer;
}

const MAGIC = Buffer.from('openssh-key-v1\0');
const TYPE = 'ssh-ed25519';
const SECURITY_KEYS = ['sk-ssh-ed25519@openssh.com', 'sk-ecdsa-sha2-nistp256@openssh.com'];
const MAX_LINE = 4_096;

/**
 * Reads an approver's key file without opening it: a private key, or the public half (`.pub`) of a security key that an agent holds.
 * Refused: a private file that others can read or own (FILE_MODE), a key without a passphrase (KEY_UNENCRYPTED), anything but one
 * ed25519 or security key in OpenSSH's format (KEY_INVALID), none (KEY_MISSING).
 */
export const readApproverKey = async (path: string): Promise<LockedApproverKey> => {
  if (path.endsWith('.pub')) return readPublicHalf(path);
  const pem = await readPrivateKeyFile(path, 'approver');
  const invalid = (cause?: unknown): PraError => new PraError('KEY_INVALID', { path }, cause);
  const body =
    /^-----BEGIN OPENSSH PRIVATE KEY-----\r?\n([A-Za-z0-9+/=\r\n]+)-----END OPENSSH PRIVATE KEY-----\s*$/u.exec(
      pem.toString('latin1'),
    )?.[1];
  if (body === undefined) throw invalid();
  let cipher: string;
  let publicKey: Buffer;
  let type: string;
  try {
    // openssh-portable PROTOCOL.key: magic, cipher, kdf, kdf options, number of keys, public keys, encrypted rest.
    const reader = new SshReader(Buffer.from(body, 'base64'));
    if (!reader.bytes(MAGIC.length).equals(MAGIC)) throw invalid();
    cipher = reader.text();
    reader.text();
    reader.string();
    if (reader.uint32() !== 1) throw invalid();
    publicKey = Buffer.from(reader.string());
    type = new SshReader(publicKey).text();
    if (type !== TYPE && !SECURITY_KEYS.includes(type)) throw invalid();
  } catch (error) {
    throw error instanceof PraError ? error : invalid(error);
  }
  if (type !== TYPE) return { kind: 'security-key', type, path, pem, publicKey };
  if (cipher === 'none') throw new PraError('KEY_UNENCRYPTED', { path });
  return { kind: 'passphrase', type, path, pem, publicKey };
};

/** A software key's public half is no key to approve with: its private half in an agent signs without asking anybody. */
const readPublicHalf = async (path: string): Promise<LockedApproverKey> => {
  const pem = await readFile(path).catch((error: unknown) => {
    throw new PraError('KEY_MISSING', { account: 'approver', path }, error);
  });
  const line = pem.length > MAX_LINE ? '' : pem.toString('latin1').replace(/\n$/u, '');
  const publicKey = line.includes('\n') ? undefined : readPublicKeyLine(line);
  const type = publicKey === undefined ? '' : new SshReader(publicKey).text();
  if (publicKey === undefined || !SECURITY_KEYS.includes(type)) throw new PraError('KEY_INVALID', { path });
  return { kind: 'security-key', type, path, pem, publicKey };
};

/** Opens it with the passphrase that a person just typed; the passphrase's bytes are wiped either way. Throws KEY_PASSPHRASE, KEY_INVALID. */
export const unlockApproverKey = (
  locked: LockedApproverKey,
  passphrase: Buffer,
  openPrivateKey: OpenPrivateKey,
): OpenedKey => {
  try {
    if (locked.kind !== 'passphrase') throw new PraError('KEY_INVALID', { path: locked.path });
    const key = openPrivateKey(locked.pem, passphrase);
    if (key.type !== TYPE || !key.publicKey.equals(locked.publicKey))
      throw new PraError('KEY_INVALID', { path: locked.path });
    return key;
  } finally {
    passphrase.fill(0);
  }
};
