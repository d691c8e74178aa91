import { createHash, verify as verifySignature } from 'node:crypto';
import { FormError } from './form-error.ts';
import { parsePublicKey, toKeyObject, type SshPublicKey } from './ssh-public-key.ts';
import { SshDataError, SshReader, sshString, sshUint32 } from './ssh-reader.ts';

// openssh-portable PROTOCOL.sshsig and PROTOCOL.u2f. Stricter than ssh-keygen: sha512 only, no trailing bytes anywhere,
// the signature's algorithm must be one of its key's type.

const MAGIC = Buffer.from('SSHSIG');
const MAX_BLOB = 8_192;
const USER_PRESENT = 0x01;
const USER_VERIFIED = 0x04;

export interface Sshsig {
  /** Wire blob of the key that signed, as the signature names it. */
  readonly publicKey: Buffer;
  readonly keyType: string;
  readonly namespace: string;
  readonly hash: 'sha512';
  /** `ssh-ed25519`, `rsa-sha2-512`, … */
  readonly algorithm: string;
  /** The raw signature; for ECDSA the two mpints. */
  readonly signature: Buffer;
  /** Of security keys only: bit 0 the user was present, bit 2 was verified; and the key's use counter. */
  readonly securityKey:
    | {
        readonly flags: number;
        readonly present: boolean;
        readonly verified: boolean;
        readonly counter: number;
      }
    | undefined;
}

interface Parsed extends Sshsig {
  readonly key: SshPublicKey;
}

/** Takes a SSHSIG blob apart. Throws SIGNATURE_FORM. Whether it verifies is another question. */
export const parseSshsig = (blob: Buffer): Sshsig => {
  const { key: _, ...sshsig } = parse(blob);
  return sshsig;
};

/** Blob of a canonical base64 text on one line. Throws SIGNATURE_FORM. */
export const decodeSignature = (base64: string): Buffer => {
  const blob = Buffer.from(base64, 'base64');
  if (blob.length === 0 || blob.toString('base64') !== base64)
    throw new FormError('SIGNATURE_FORM', 'base64');
  return blob;
};

const parse = (blob: Buffer): Parsed => {
  try {
    if (blob.length > MAX_BLOB) throw new SshDataError('size');
    const reader = new SshReader(blob);
    if (!reader.bytes(MAGIC.length).equals(MAGIC) || reader.uint32() !== 1) throw new SshDataError('magic');
    const publicKey = reader.string();
    const namespace = reader.text();
    if (reader.string().length !== 0) throw new SshDataError('reserved');
    if (reader.string().toString('latin1') !== 'sha512') throw new SshDataError('hash');
    const inner = new SshReader(reader.string());
    reader.end();
    const key = parsePublicKey(publicKey);
    const algorithm = inner.text();
    const signature = inner.string();
    checkShape(key, algorithm, signature);
    const securityKey = key.application === undefined ? undefined : readFlags(inner);
    inner.end();
    return {
      publicKey,
      keyType: key.type,
      namespace,
      hash: 'sha512',
      algorithm,
      signature,
      securityKey,
      key,
    };
  } catch (error) {
    if (error instanceof SshDataError) throw new FormError('SIGNATURE_FORM', error.message);
    throw error;
  }
};

const checkShape = (key: SshPublicKey, algorithm: string, signature: Buffer): void => {
  const algorithms = key.kind === 'rsa' ? ['rsa-sha2-256', 'rsa-sha2-512'] : [key.type];
  if (!algorithms.includes(algorithm)) throw new SshDataError('algorithm');
  if (key.kind === 'ed25519' && signature.length !== 64) throw new SshDataError('signature');
  if (key.kind === 'rsa' && signature.length !== key.modulusBytes) throw new SshDataError('signature');
  if (key.kind === 'ecdsa') readPair(signature);
};

const readPair = (signature: Buffer): readonly [r: Buffer, s: Buffer] => {
  const reader = new SshReader(signature);
  const pair = [reader.positive(), reader.positive()] as const;
  reader.end();
  return pair;
};

const readFlags = (inner: SshReader): Sshsig['securityKey'] => {
  const flags = inner.byte();
  const counter = inner.uint32();
  return { flags, present: (flags & USER_PRESENT) !== 0, verified: (flags & USER_VERIFIED) !== 0, counter };
};

/** The bytes that are signed in place of the message. */
export const signedData = (namespace: string, message: Buffer | string): Buffer =>
  Buffer.concat([
    MAGIC,
    sshString(namespace),
    sshString(''),
    sshString('sha512'),
    sshString(createHash('sha512').update(message).digest()),
  ]);

/**
 * Verifies one signature over the message's bytes and says which key made it; whether that key counts is the caller's
 * question, and so are a security key's flags. Throws FormError SIGNATURE_FORM for a malformed blob, and SignatureMismatch.
 */
export const verifySshsig = (signed: {
  readonly message: Buffer | string;
  readonly signatureBase64: string;
  readonly namespace: string;
}): Sshsig => {
  const { key, ...sshsig } = parse(decodeSignature(signed.signatureBase64));
  if (sshsig.namespace !== signed.namespace) throw new SignatureMismatch('namespace');
  if (!isGenuine(key, sshsig, signedData(signed.namespace, signed.message)))
    throw new SignatureMismatch('signature');
  return sshsig;
};

/** A well-formed signature that is of another namespace, key or message. */
export class SignatureMismatch extends Error {
  override readonly name = 'SignatureMismatch';
}

const isGenuine = (key: SshPublicKey, sshsig: Sshsig, data: Buffer): boolean => {
  try {
    const publicKey = toKeyObject(key);
    const subject = key.application === undefined ? data : assertion(key.application, sshsig, data);
    if (key.kind === 'ed25519') return verifySignature(null, subject, publicKey, sshsig.signature);
    if (key.curve === undefined) {
      return verifySignature(
        sshsig.algorithm === 'rsa-sha2-256' ? 'sha256' : 'sha512',
        subject,
        publicKey,
        sshsig.signature,
      );
    }
    const { bytes, hash } = key.curve;
    const pair = readPair(sshsig.signature).map((part) => leftPad(part, bytes));
    return verifySignature(hash, subject, { key: publicKey, dsaEncoding: 'ieee-p1363' }, Buffer.concat(pair));
  } catch {
    // A key or signature that node:crypto will not even compute with verifies nothing.
    return false;
  }
};

/** What a security key signs (PROTOCOL.u2f): hashes of its application and of the data, flags and counter between them. */
const assertion = (application: string, { securityKey }: Sshsig, data: Buffer): Buffer =>
  Buffer.concat([
    createHash('sha256').update(application).digest(),
    Buffer.from([securityKey?.flags ?? 0]),
    sshUint32(securityKey?.counter ?? 0),
    createHash('sha256').update(data).digest(),
  ]);

const leftPad = (magnitude: Buffer, bytes: number): Buffer => {
  if (magnitude.length > bytes) throw new SshDataError('signature');
  return Buffer.concat([Buffer.alloc(bytes - magnitude.length), magnitude]);
};

/**
 * Makes a SSHSIG blob with an ed25519 key: `sign` gets the data to sign and gives the 64 raw bytes. Throws
 * SIGNATURE_FORM for another kind of key.
 */
export const buildSshsig = (parts: {
  readonly namespace: string;
  readonly message: Buffer | string;
  readonly publicKey: Buffer;
  readonly sign: (data: Buffer) => Buffer;
}): Buffer => {
  const algorithm = Buffer.from('ssh-ed25519');
  const raw = parts.sign(signedData(parts.namespace, parts.message));
  const blob = Buffer.concat([
    MAGIC,
    sshUint32(1),
    sshString(parts.publicKey),
    sshString(parts.namespace),
    sshString(''),
    sshString('sha512'),
    sshString(Buffer.concat([sshString(algorithm), sshString(raw)])),
  ]);
  parse(blob);
  return blob;
};

/** A public key's fingerprint, as `ssh-keygen -l` prints it. */
export const fingerprint = (publicKey: Buffer): string =>
  `SHA256:${createHash('sha256').update(publicKey).digest('base64').replace(/=+$/u, '')}`;

/** The blob as `ssh-keygen -Y verify` reads it from a file. */
export const armour = (blob: Buffer): string => {
  const lines = blob.toString('base64').match(/.{1,70}/gu) ?? [];
  return ['-----BEGIN SSH SIGNATURE-----', ...lines, '-----END SSH SIGNATURE-----', ''].join('\n');
};
