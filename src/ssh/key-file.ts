import { SshReader } from '../request/ssh-reader.ts';

const MAGIC = 'openssh-key-v1\0';

const opensshBody = (pem: Buffer): Buffer | undefined => {
  const body = /-----BEGIN OPENSSH PRIVATE KEY-----([A-Za-z0-9+/=\s]+)-----END/u.exec(
    pem.toString('latin1'),
  )?.[1];
  return body === undefined ? undefined : Buffer.from(body, 'base64');
};

/** True when a private key needs a passphrase: from the cipher named in the OpenSSH format, or the PEM headers. */
export const isEncryptedKey = (pem: Buffer): boolean => {
  const blob = opensshBody(pem);
  if (blob === undefined) return /ENCRYPTED|^Encryption: (?!none)/mu.test(pem.toString('latin1'));
  if (blob.length < MAGIC.length + 4 || blob.toString('latin1', 0, MAGIC.length) !== MAGIC) return false;
  const end = MAGIC.length + 4 + blob.readUInt32BE(MAGIC.length);
  return blob.toString('latin1', MAGIC.length + 4, end) !== 'none';
};

/** The public half (wire blob) that the OpenSSH format carries outside its encrypted part; undefined for other formats. */
export const publicBlobOf = (pem: Buffer): Buffer | undefined => {
  const blob = opensshBody(pem);
  if (blob === undefined || blob.toString('latin1', 0, MAGIC.length) !== MAGIC) return undefined;
  try {
    const reader = new SshReader(blob.subarray(MAGIC.length));
    for (let field = 0; field < 3; field += 1) reader.string(); // cipher, kdf and its options
    return reader.uint32() === 1 ? reader.string() : undefined;
  } catch {
    return undefined;
  }
};
