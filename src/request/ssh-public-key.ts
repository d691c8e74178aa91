import { createPublicKey, type KeyObject } from 'node:crypto';
import { SshDataError, SshReader } from './ssh-reader.ts';

/** How an ECDSA key type signs (RFC 5656): its curve, the bytes of a coordinate, its hash, and the curve's JWK name. */
export interface Curve {
  readonly name: string;
  readonly bytes: number;
  readonly hash: string;
  readonly jwk: string;
}

const P256: Curve = { name: 'nistp256', bytes: 32, hash: 'sha256', jwk: 'P-256' };
const CURVES: Readonly<Record<string, Curve>> = {
  'ecdsa-sha2-nistp256': P256,
  'ecdsa-sha2-nistp384': { name: 'nistp384', bytes: 48, hash: 'sha384', jwk: 'P-384' },
  'ecdsa-sha2-nistp521': { name: 'nistp521', bytes: 66, hash: 'sha512', jwk: 'P-521' },
  'sk-ecdsa-sha2-nistp256@openssh.com': P256,
};
const ED25519 = new Set(['ssh-ed25519', 'sk-ssh-ed25519@openssh.com']);

const MIN_RSA_BITS = 2_048;
const MAX_RSA_BITS = 16_384;

/** A public key's wire blob, taken apart (RFC 4253 §6.6, RFC 5656, RFC 8709, openssh-portable PROTOCOL.u2f). */
export interface SshPublicKey {
  readonly type: string;
  readonly kind: 'ed25519' | 'ecdsa' | 'rsa';
  /** Of ECDSA keys. */
  readonly curve: Curve | undefined;
  /** Bytes of the modulus, of RSA keys. */
  readonly modulusBytes: number;
  /** Of security keys: what they were made for, `ssh:` by default. */
  readonly application: string | undefined;
  readonly jwk: Readonly<Record<string, string>>;
}

const base64url = (bytes: Buffer): string => bytes.toString('base64url');

const bitLength = (magnitude: Buffer): number => magnitude.length * 8 - Math.clz32(magnitude[0] ?? 0) + 24;

/** Throws SshDataError for anything else than an ed25519, ECDSA or RSA (2048–16384 bit) key or the two security key types. */
export const parsePublicKey = (blob: Buffer): SshPublicKey => {
  const reader = new SshReader(blob);
  const type = reader.text();
  const key = { type, curve: undefined, modulusBytes: 0 };
  const done = (): string | undefined => {
    const application = type.startsWith('sk-') ? reader.text() : undefined;
    reader.end();
    return application;
  };
  if (ED25519.has(type)) {
    const point = reader.string();
    if (point.length !== 32) throw new SshDataError('ed25519');
    const jwk = { kty: 'OKP', crv: 'Ed25519', x: base64url(point) };
    return { ...key, kind: 'ed25519', application: done(), jwk };
  }
  const curve = Object.hasOwn(CURVES, type) ? CURVES[type] : undefined;
  if (curve !== undefined) {
    const named = reader.text();
    const point = reader.string();
    if (named !== curve.name || point[0] !== 4 || point.length !== 1 + 2 * curve.bytes)
      throw new SshDataError('ecdsa');
    const [x, y] = [point.subarray(1, 1 + curve.bytes), point.subarray(1 + curve.bytes)];
    const jwk = { kty: 'EC', crv: curve.jwk, x: base64url(x), y: base64url(y) };
    return { ...key, kind: 'ecdsa', curve, application: done(), jwk };
  }
  if (type !== 'ssh-rsa') throw new SshDataError('type');
  const [exponent, modulus] = [reader.positive(), reader.positive()];
  const bits = bitLength(modulus);
  if (bits < MIN_RSA_BITS || bits > MAX_RSA_BITS) throw new SshDataError('rsa');
  const jwk = { kty: 'RSA', e: base64url(exponent), n: base64url(modulus) };
  return { ...key, kind: 'rsa', modulusBytes: modulus.length, application: done(), jwk };
};

/** For node:crypto. Throws SshDataError for a point that is not on its curve. */
export const toKeyObject = (key: SshPublicKey): KeyObject => {
  try {
    return createPublicKey({ key: key.jwk, format: 'jwk' });
  } catch {
    throw new SshDataError('key');
  }
};

/** The blob of a public key file's line or an authorized_keys line without options (`type base64 comment`); undefined when it is none. */
export const readPublicKeyLine = (line: string): Buffer | undefined => {
  const [type, base64] = line.trim().split(/[ \t]+/u);
  const blob = Buffer.from(base64 ?? '', 'base64');
  try {
    return parsePublicKey(blob).type === type ? blob : undefined;
  } catch {
    return undefined;
  }
};
