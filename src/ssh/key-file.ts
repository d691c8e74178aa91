const MAGIC = 'openssh-key-v1\0';

/** True when a private key needs a passphrase: from the cipher named in the OpenSSH format, or the PEM headers. */
export const isEncryptedKey = (pem: Buffer): boolean => {
  const text = pem.toString('latin1');
  const body = /-----BEGIN OPENSSH PRIVATE KEY-----([A-Za-z0-9+/=\s]+)-----END/u.exec(text)?.[1];
  if (body === undefined) return /ENCRYPTED|^Encryption: (?!none)/mu.test(text);
  const blob = Buffer.from(body, 'base64');
  if (blob.length < MAGIC.length + 4 || blob.toString('latin1', 0, MAGIC.length) !== MAGIC) return false;
  const end = MAGIC.length + 4 + blob.readUInt32BE(MAGIC.length);
  return blob.toString('latin1', MAGIC.length + 4, end) !== 'none';
};
