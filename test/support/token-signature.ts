import { createHash, generateKeyPairSync, sign as signRaw } from 'node:crypto';
import { signedData } from '../../src/request/sshsig.ts';

const TYPE = 'sk-ssh-ed25519@openssh.com';

const string = (data: Buffer | string): Buffer => {
  const bytes = Buffer.from(data);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
};
const hash = (data: Buffer | string): Buffer => createHash('sha256').update(data).digest();

/** A security key in memory: its public half, and what it makes (PROTOCOL.u2f). The flags are the caller's to choose. */
export interface TokenKey {
  /** SSH wire blob. */
  readonly blob: Buffer;
  /** `type base64`. */
  readonly line: string;
  /** A base64 SSHSIG blob. Bit 0 of `flags`: touched; bit 2: verified. */
  sign(text: string, namespace: string, flags: number): string;
}

export const makeTokenKey = (): TokenKey => {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const raw = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32);
  const blob = Buffer.concat([string(TYPE), string(raw), string('ssh:')]);
  return {
    blob,
    line: `${TYPE} ${blob.toString('base64')}`,
    sign: (text, namespace, flags) => {
      const counted = Buffer.from([flags, 0, 0, 0, 9]);
      const message = Buffer.concat([hash('ssh:'), counted, hash(signedData(namespace, text))]);
      const inner = Buffer.concat([string(TYPE), string(signRaw(null, message, privateKey)), counted]);
      return Buffer.concat([
        Buffer.from('SSHSIG'),
        Buffer.from([0, 0, 0, 1]),
        string(blob),
        string(namespace),
        string(''),
        string('sha512'),
        string(inner),
      ]).toString('base64');
    },
  };
};
