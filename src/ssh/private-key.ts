// Imports ssh2: load this module lazily (`await import`), it costs half of the start of mcp-pra.
import ssh2 from 'ssh2';
import { PraError } from '../errors.ts';
import { sshEcdsaSignature } from './ecdsa-signature.ts';
import { isEncryptedKey } from './key-file.ts';

/** An opened private key. */
export interface PrivateKey {
  /** As in the public key blob: `ssh-ed25519`, `ssh-rsa`, `ecdsa-sha2-nistp256`… */
  readonly type: string;
  /** SSH wire blob. */
  readonly publicKey: Buffer;
  /**
   * The raw signature as RFC 4253 §6.6 wants it inside a signature blob: ed25519 64 bytes; RSA the PKCS#1 v1.5 signature
   * with SHA-512 (`rsa-sha2-512`); ECDSA the two mpints of RFC 5656.
   */
  sign(data: Buffer): Buffer;
}

/** Whose key it is, for the refusals KEY_PASSPHRASE and KEY_INVALID. */
export interface KeyLabel {
  readonly account: string;
  readonly path: string;
}

const TYPES = ['ssh-ed25519', 'ssh-rsa', 'ecdsa-sha2-nistp256', 'ecdsa-sha2-nistp384', 'ecdsa-sha2-nistp521'];

/** ssh2's own form of a key, for authentication. Throws KEY_PASSPHRASE or KEY_INVALID. Opening an encrypted key takes about 0.3 s. */
export const parsePrivateKey = (
  pem: Buffer,
  passphrase: Buffer | undefined,
  label: KeyLabel,
): ssh2.ParsedKey => {
  const encrypted = isEncryptedKey(pem);
  if (encrypted && passphrase === undefined) throw new PraError('KEY_PASSPHRASE', { account: label.account });
  const key = ssh2.utils.parseKey(pem, encrypted ? passphrase : undefined);
  if (key instanceof Error) {
    throw encrypted
      ? new PraError('KEY_PASSPHRASE', { account: label.account }, key)
      : new PraError('KEY_INVALID', { path: label.path }, key);
  }
  if (!key.isPrivateKey() || !TYPES.includes(key.type))
    throw new PraError('KEY_INVALID', { path: label.path });
  return key;
};

/**
 * Opens an OpenSSH or PEM private key for signing. `passphrase` is ignored for a key that is not encrypted.
 * Throws KEY_PASSPHRASE, KEY_INVALID, and INTERNAL when signing fails.
 */
export const openPrivateKey = (
  pem: Buffer,
  passphrase?: Buffer,
  label: KeyLabel = { account: 'signing', path: 'signing key' },
): PrivateKey => {
  const key = parsePrivateKey(pem, passphrase, label);
  return {
    type: key.type,
    publicKey: key.getPublicSSH(),
    sign: (data) => {
      const made: unknown = key.sign(data, key.type === 'ssh-rsa' ? 'sha512' : undefined);
      if (!Buffer.isBuffer(made)) throw new PraError('INTERNAL', {}, made);
      return key.type.startsWith('ecdsa-') ? sshEcdsaSignature(made) : made;
    },
  };
};
