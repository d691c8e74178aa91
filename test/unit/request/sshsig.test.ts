import { execFileSync, spawnSync } from 'node:child_process';
import { createHash, generateKeyPairSync, sign as signRaw } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { SshReader, sshString, sshUint32 } from '../../../src/request/ssh-reader.ts';
import { readPublicKeyLine } from '../../../src/request/ssh-public-key.ts';
import {
  armour,
  buildSshsig,
  fingerprint,
  parseSshsig,
  signedData,
  verifySshsig,
} from '../../../src/request/sshsig.ts';
import { makeKey, temporaryDirectory } from '../../support/ssh-keys.ts';

// Both ways against the machine's own ssh-keygen, with keys made for this run.

const NAMESPACE = 'mcp-pra-medium';
const MESSAGE = 'mcp-pra ticket v1\nnot really\n';
const folder = temporaryDirectory('sshsig');
afterAll(() => folder[Symbol.dispose]());

const signWithKeygen = (path: string): string => {
  const armoured = execFileSync('ssh-keygen', ['-q', '-Y', 'sign', '-f', path, '-n', NAMESPACE], {
    input: MESSAGE,
  });
  return armoured
    .toString()
    .replace(/-----[A-Z ]+-----/gu, '')
    .replaceAll('\n', '');
};

const keygenVerifies = (line: string, armoured: string, message = MESSAGE): boolean => {
  const signers = join(folder.path, 'signers');
  const signature = join(folder.path, 'signature');
  writeFileSync(signers, `alice namespaces="${NAMESPACE}" ${line}\n`);
  writeFileSync(signature, armoured);
  const args = ['-Y', 'verify', '-f', signers, '-I', 'alice', '-n', NAMESPACE, '-s', signature];
  return spawnSync('ssh-keygen', args, { input: message }).status === 0;
};

const tail = (byte: number): Buffer => Buffer.concat([Buffer.from([byte]), sshUint32(7)]);
const sha256 = (data: Buffer | string): Buffer => createHash('sha256').update(data).digest();
const flagsOf = (sshsig: Buffer): unknown =>
  verifySshsig({ message: MESSAGE, signatureBase64: sshsig.toString('base64'), namespace: NAMESPACE })
    .securityKey;
const algorithm = (name: string, size = 64): Buffer =>
  Buffer.concat([sshString(name), sshString(Buffer.alloc(size, 1))]);

const ed25519 = makeKey(folder.path, 'ed25519');
const good = signWithKeygen(ed25519.path);

describe.each(['ed25519', 'rsa', 'ecdsa', 'ecdsa384', 'ecdsa521'] as const)(
  'a %s signature of ssh-keygen',
  (sort) => {
    const key = makeKey(folder.path, `key-${sort}`, { sort });
    const signature = signWithKeygen(key.path);

    it('verifies here, and names its key', () => {
      const sshsig = verifySshsig({ message: MESSAGE, signatureBase64: signature, namespace: NAMESPACE });
      expect(sshsig.publicKey).toEqual(key.blob);
      expect(sshsig.keyType).toBe(key.type);
      expect(sshsig.securityKey).toBeUndefined();
      const listed = execFileSync('ssh-keygen', ['-lf', key.pubPath]).toString();
      expect(listed).toContain(` ${fingerprint(key.blob)} `);
      expect(readPublicKeyLine(`${key.line} a comment`)).toEqual(key.blob);
    });

    it('comes back from our armour', () => {
      expect(keygenVerifies(key.line, armour(Buffer.from(signature, 'base64')))).toBe(true);
    });

    it('does not verify over another message, namespace or key', () => {
      const other = makeKey(folder.path, `other-${sort}`, { sort });
      expect(() =>
        verifySshsig({ message: `${MESSAGE} `, signatureBase64: signature, namespace: NAMESPACE }),
      ).toThrow('signature');
      expect(() =>
        verifySshsig({ message: MESSAGE, signatureBase64: signature, namespace: 'mcp-pra-high' }),
      ).toThrow('namespace');
      const swapped = Buffer.from(signature, 'base64')
        .toString('latin1')
        .replace(key.blob.toString('latin1'), () => other.blob.toString('latin1'));
      const signatureBase64 = Buffer.from(swapped, 'latin1').toString('base64');
      expect(() => verifySshsig({ message: MESSAGE, signatureBase64, namespace: NAMESPACE })).toThrow(
        'signature',
      );
    });

    it('never verifies with one bit changed', () => {
      const blob = Buffer.from(signature, 'base64');
      // Every 37th bit reaches each part of the blob.
      for (let bit = 0; bit < blob.length * 8; bit += 37) {
        const changed = Buffer.from(blob);
        changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        const verify = (): unknown =>
          verifySshsig({
            message: MESSAGE,
            signatureBase64: changed.toString('base64'),
            namespace: NAMESPACE,
          });
        expect(verify, `bit ${String(bit)}`).toThrow(/SIGNATURE_FORM|namespace|signature/u);
      }
    });
  },
);

describe('our own signatures', () => {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const raw = Buffer.from(String(publicKey.export({ format: 'jwk' }).x), 'base64url');
  const blob = Buffer.concat([sshString('ssh-ed25519'), sshString(raw)]);
  const line = `ssh-ed25519 ${blob.toString('base64')}`;
  const build = (namespace = NAMESPACE): Buffer =>
    buildSshsig({
      namespace,
      message: MESSAGE,
      publicKey: blob,
      sign: (data) => signRaw(null, data, privateKey),
    });

  it('verify with ssh-keygen, and not over another message or namespace', () => {
    expect(keygenVerifies(line, armour(build()))).toBe(true);
    expect(keygenVerifies(line, armour(build()), `${MESSAGE}x`)).toBe(false);
    expect(keygenVerifies(line, armour(build('mcp-pra-high')))).toBe(false);
  });

  it('are made with ed25519 keys only', () => {
    const rsa = makeKey(folder.path, 'rsa-build', { sort: 'rsa' });
    expect(() =>
      buildSshsig({
        namespace: NAMESPACE,
        message: MESSAGE,
        publicKey: rsa.blob,
        sign: () => Buffer.alloc(256),
      }),
    ).toThrow('SIGNATURE_FORM');
    expect(() =>
      buildSshsig({ namespace: NAMESPACE, message: MESSAGE, publicKey: blob, sign: () => Buffer.alloc(63) }),
    ).toThrow('SIGNATURE_FORM');
  });
});

describe('security keys', () => {
  // What a FIDO token does, done in software: PROTOCOL.u2f.
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const raw = Buffer.from(String(publicKey.export({ format: 'jwk' }).x), 'base64url');
  const type = 'sk-ssh-ed25519@openssh.com';
  const blob = Buffer.concat([sshString(type), sshString(raw), sshString('ssh:')]);
  const touched = (flags: number, claimed = flags): Buffer => {
    const signature = signRaw(
      null,
      Buffer.concat([sha256('ssh:'), tail(flags), sha256(signedData(NAMESPACE, MESSAGE))]),
      privateKey,
    );
    const inner = Buffer.concat([sshString(type), sshString(signature), tail(claimed)]);
    const head = Buffer.concat([
      Buffer.from('SSHSIG'),
      sshUint32(1),
      sshString(blob),
      sshString(NAMESPACE),
      sshString(''),
      sshString('sha512'),
    ]);
    return Buffer.concat([head, sshString(inner)]);
  };

  it('are verified with their flags, as ssh-keygen does', () => {
    expect(flagsOf(touched(0x05))).toEqual({ flags: 5, present: true, verified: true, counter: 7 });
    expect(flagsOf(touched(0x01))).toMatchObject({ present: true, verified: false });
    expect(keygenVerifies(`${type} ${blob.toString('base64')}`, armour(touched(0x05)))).toBe(true);
  });

  it('cannot have their flags raised afterwards', () => {
    expect(() => flagsOf(touched(0x01, 0x05))).toThrow('signature');
  });
});

describe('a blob that is not quite one', () => {
  const blob = Buffer.from(good, 'base64');
  const reader = new SshReader(blob.subarray(10));
  const [key, namespace, reserved, hash, inner] = [
    reader.string(),
    reader.string(),
    reader.string(),
    reader.string(),
    reader.string(),
  ];
  const rebuilt = (parts: {
    version?: number;
    key?: Buffer;
    namespace?: Buffer | string;
    reserved?: string;
    hash?: string;
    inner?: Buffer;
    tail?: string;
  }): Buffer =>
    Buffer.concat([
      Buffer.from('SSHSIG'),
      sshUint32(parts.version ?? 1),
      sshString(parts.key ?? key),
      sshString(parts.namespace ?? namespace),
      sshString(parts.reserved ?? reserved),
      sshString(parts.hash ?? hash),
      sshString(parts.inner ?? inner),
      Buffer.from(parts.tail ?? ''),
    ]);
  const point = sshString(Buffer.alloc(32, 1));

  /** An RSA key of this exponent and modulus (mpints), and a signature of its length. */
  const rsa = (exponent: Buffer, modulus: Buffer): { key: Buffer; inner: Buffer } => ({
    key: Buffer.concat([sshString('ssh-rsa'), sshString(exponent), sshString(modulus)]),
    inner: algorithm('rsa-sha2-512', modulus[0] === 0 ? modulus.length - 1 : modulus.length),
  });
  const nistp256 = (form: number): Buffer => {
    const onNoCurve = Buffer.concat([Buffer.from([form]), Buffer.alloc(64, 1)]);
    return Buffer.concat([sshString('ecdsa-sha2-nistp256'), sshString('nistp256'), sshString(onNoCurve)]);
  };
  const pair = sshString(Buffer.concat([sshString(Buffer.from([1])), sshString(Buffer.from([1]))]));
  const ecdsa = Buffer.concat([sshString('ecdsa-sha2-nistp256'), pair]);

  it('may have an RSA key of 16,384 bits', () => {
    const { key: largest, inner: signature } = rsa(
      Buffer.from([3]),
      Buffer.concat([Buffer.from([0]), Buffer.alloc(2_048, 0xff)]),
    );
    expect(parseSshsig(rebuilt({ key: largest, inner: signature })).keyType).toBe('ssh-rsa');
  });

  it('is rebuilt from its parts', () => {
    expect(rebuilt({})).toEqual(blob);
    expect(parseSshsig(blob).algorithm).toBe('ssh-ed25519');
  });

  it.each([
    ['empty', Buffer.alloc(0)],
    ['another magic', Buffer.concat([Buffer.from('SSHSIH'), blob.subarray(6)])],
    ['version 2', rebuilt({ version: 2 })],
    ['trailing bytes', rebuilt({ tail: '\0' })],
    ['cut short', blob.subarray(0, -1)],
    ['trailing bytes in the signature', rebuilt({ inner: Buffer.concat([inner, Buffer.from([0])]) })],
    ['trailing bytes in the key', rebuilt({ key: Buffer.concat([key, Buffer.from([0])]) })],
    ['something reserved', rebuilt({ reserved: 'x' })],
    ['sha256', rebuilt({ hash: 'sha256' })],
    ['no namespace', rebuilt({ namespace: '' })],
    ['a namespace with a line end', rebuilt({ namespace: 'a\nb' })],
    ['another algorithm than its key', rebuilt({ inner: algorithm('rsa-sha2-512') })],
    [
      'ssh-rsa, that is SHA-1',
      rebuilt({ key: makeKey(folder.path, 'sha1', { sort: 'rsa' }).blob, inner: algorithm('ssh-rsa', 256) }),
    ],
    ['a short signature', rebuilt({ inner: algorithm('ssh-ed25519', 63) })],
    [
      'a DSA key',
      rebuilt({ key: Buffer.concat([sshString('ssh-dss'), point]), inner: algorithm('ssh-dss', 40) }),
    ],
    [
      'a certificate',
      rebuilt({ key: Buffer.concat([sshString('ssh-ed25519-cert-v01@openssh.com'), point, point]) }),
    ],
    [
      'a small RSA key',
      rebuilt({
        key: Buffer.concat([
          sshString('ssh-rsa'),
          sshString(Buffer.from([1, 0, 1])),
          sshString(Buffer.concat([Buffer.from([0]), Buffer.alloc(128, 0xff)])),
        ]),
        inner: algorithm('rsa-sha2-512', 128),
      }),
    ],
    [
      'an RSA key of 16,385 bits',
      rebuilt(rsa(Buffer.from([3]), Buffer.concat([Buffer.from([1]), Buffer.alloc(2_048, 0xff)]))),
    ],
    [
      'more than 8 KiB that are otherwise in order',
      rebuilt(rsa(Buffer.alloc(5_000, 0x7f), Buffer.concat([Buffer.from([0]), Buffer.alloc(2_048, 0xff)]))),
    ],
    ['a point of another form', rebuilt({ key: nistp256(5), inner: ecdsa })],
    ['a length beyond its end', Buffer.concat([Buffer.from('SSHSIG'), sshUint32(1), sshUint32(0xffff_ffff)])],
    ['more than 8 KiB', rebuilt({ inner: algorithm('ssh-ed25519', 9_000) })],
  ])('is refused: %s', (_, bad) => {
    expect(() => parseSshsig(bad)).toThrow('SIGNATURE_FORM');
  });

  it.each([
    ['spaces', ` ${good}`],
    ['a line end', `${good}\n`],
    ['no padding', good.replace(/=*$/u, '') + (good.endsWith('=') ? '' : '=')],
    ['the URL alphabet', `-${good.slice(1)}`],
    ['nothing', ''],
  ])('is refused in base64 with %s', (_, signatureBase64) => {
    expect(() => verifySshsig({ message: MESSAGE, signatureBase64, namespace: NAMESPACE })).toThrow(
      'SIGNATURE_FORM',
    );
  });

  it.each([1, 2, 3, 0x7f])('an odd RSA key with exponent %i verifies nothing', (exponent) => {
    const odd = rebuilt(
      rsa(Buffer.from([exponent]), Buffer.concat([Buffer.from([0]), Buffer.alloc(256, 0xfe)])),
    );
    expect(() =>
      verifySshsig({ message: MESSAGE, signatureBase64: odd.toString('base64'), namespace: NAMESPACE }),
    ).toThrow('signature');
  });

  it('a point that is on no curve verifies nothing', () => {
    const bad = rebuilt({ key: nistp256(4), inner: ecdsa });
    expect(() =>
      verifySshsig({ message: MESSAGE, signatureBase64: bad.toString('base64'), namespace: NAMESPACE }),
    ).toThrow('signature');
  });
});

it('reads public key lines strictly', () => {
  expect(readPublicKeyLine(readFileSync(ed25519.pubPath, 'utf8'))).toEqual(ed25519.blob);
  expect(readPublicKeyLine(ed25519.line.replace('ssh-ed25519', 'ssh-rsa'))).toBeUndefined();
  expect(readPublicKeyLine('ssh-ed25519')).toBeUndefined();
});
