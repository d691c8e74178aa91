import { createHash, generateKeyPairSync, sign as signRaw } from 'node:crypto';
import { signedData } from '../../src/request/sshsig.ts';

const APPLICATION = 'ssh:';

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

export const makeTokenKey = (kind: 'ed25519' | 'ecdsa' = 'ed25519'): TokenKey => {
  const { type, blob, sign } = kind === 'ed25519' ? ed25519() : ecdsa();
  return {
    blob,
    line: `${type} ${blob.toString('base64')}`,
    sign: (text, namespace, flags) => {
      const counted = Buffer.from([flags, 0, 0, 0, 9]);
      const message = Buffer.concat([hash(APPLICATION), counted, hash(signedData(namespace, text))]);
      const inner = Buffer.concat([string(type), string(sign(message)), counted]);
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

interface Raw {
  readonly type: string;
  readonly blob: Buffer;
  readonly sign: (message: Buffer) => Buffer;
}

const ed25519 = (): Raw => {
  const type = 'sk-ssh-ed25519@openssh.com';
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const raw = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32);
  const blob = Buffer.concat([string(type), string(raw), string(APPLICATION)]);
  return { type, blob, sign: (message) => signRaw(null, message, privateKey) };
};

const ecdsa = (): Raw => {
  const type = 'sk-ecdsa-sha2-nistp256@openssh.com';
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const point = publicKey.export({ format: 'der', type: 'spki' }).subarray(-65);
  const blob = Buffer.concat([string(type), string('nistp256'), string(point), string(APPLICATION)]);
  return {
    type,
    blob,
    sign: (message) => {
      const pair = signRaw('sha256', message, { key: privateKey, dsaEncoding: 'ieee-p1363' });
      return Buffer.concat([mpint(pair.subarray(0, 32)), mpint(pair.subarray(32))]);
    },
  };
};

/** A positive number in its shortest form, with a zero before a first bit that is set. */
const mpint = (magnitude: Buffer): Buffer => {
  const short = magnitude.subarray(magnitude.findIndex((byte) => byte !== 0));
  return string((short[0] ?? 0) < 0x80 ? short : Buffer.concat([Buffer.from([0]), short]));
};
