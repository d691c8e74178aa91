import { createHash, createPublicKey, verify } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { chmodSync, closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import { openIdentity } from '../../../src/ssh/identity.ts';
import { openPrivateKey } from '../../../src/ssh/private-key.ts';
import { makeKey, temporaryDirectory } from '../../support/ssh-keys.ts';

const room = temporaryDirectory('private-key');
afterAll(() => room[Symbol.dispose]());
afterEach(() => vi.unstubAllEnvs());

const plain = makeKey(room.path, 'plain');
const locked = makeKey(room.path, 'locked', { passphrase: 'correct horse' });
const data = Buffer.from('what is signed');

const sshString = (value: Buffer | string): Buffer => {
  const bytes = Buffer.from(value);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
};

/** Has ssh-keygen judge a raw signature, wrapped as SSHSIG (PROTOCOL.sshsig). */
const judgedBySshKeygen = (
  key: ReturnType<typeof makeKey>,
  algorithm: string,
  sign: (data: Buffer) => Buffer,
): string => {
  const head = [sshString('test'), sshString(''), sshString('sha512')];
  const signed = Buffer.concat([
    Buffer.from('SSHSIG'),
    ...head,
    sshString(createHash('sha512').update(data).digest()),
  ]);
  const signature = Buffer.concat([sshString(algorithm), sshString(sign(signed))]);
  const blob = Buffer.concat([
    Buffer.from('SSHSIG'),
    Buffer.from([0, 0, 0, 1]),
    sshString(key.blob),
    ...head,
    sshString(signature),
  ]);
  const [signers, file] = [join(room.path, 'signers'), join(room.path, 'signature')];
  writeFileSync(signers, `someone namespaces="test" ${key.line}\n`);
  writeFileSync(
    file,
    `-----BEGIN SSH SIGNATURE-----\n${blob.toString('base64').replace(/.{70}/gu, '$&\n')}\n-----END SSH SIGNATURE-----\n`,
  );
  const args = ['-Y', 'verify', '-f', signers, '-I', 'someone', '-n', 'test', '-s', file];
  return execFileSync('ssh-keygen', args, { input: data, encoding: 'utf8' });
};

describe('openPrivateKey', () => {
  it('signs ed25519 as 64 raw bytes that node:crypto verifies', () => {
    const key = openPrivateKey(readFileSync(plain.path));
    expect(key.type).toBe('ssh-ed25519');
    expect(key.publicKey).toEqual(plain.blob);
    const signature = key.sign(data);
    expect(signature).toHaveLength(64);
    const raw = plain.blob.subarray(-32).toString('base64url');
    const publicKey = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: raw }, format: 'jwk' });
    expect(verify(null, data, publicKey, signature)).toBe(true);
  });

  it.each([
    ['ed25519', 'ssh-ed25519'],
    ['rsa', 'rsa-sha2-512'],
    ['ecdsa', 'ecdsa-sha2-nistp256'],
    ['ecdsa384', 'ecdsa-sha2-nistp384'],
    ['ecdsa521', 'ecdsa-sha2-nistp521'],
  ] as const)('makes %s signatures that ssh-keygen accepts', (sort, algorithm) => {
    const made = makeKey(room.path, `sign-${sort}`, { sort });
    const key = openPrivateKey(readFileSync(made.path));
    // Several: ECDSA integers vary in length.
    for (let i = 0; i < 4; i += 1)
      expect(judgedBySshKeygen(made, algorithm, (bytes) => key.sign(bytes))).toContain('Good');
  });

  it('opens an encrypted key with its passphrase only', () => {
    const pem = readFileSync(locked.path);
    expect(openPrivateKey(pem, Buffer.from('correct horse')).publicKey).toEqual(locked.blob);
    for (const passphrase of [undefined, Buffer.from('wrong'), Buffer.alloc(0)]) {
      expect(() => openPrivateKey(pem, passphrase)).toThrow(
        expect.objectContaining({ code: 'KEY_PASSPHRASE' }),
      );
    }
  });

  it.each(['', 'rubbish', '-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n'])(
    'refuses %j',
    (text) => {
      expect(() => openPrivateKey(Buffer.from(text))).toThrow(
        expect.objectContaining({ code: 'KEY_INVALID' }),
      );
    },
  );

  it('refuses a public key', () => {
    expect(() => openPrivateKey(readFileSync(plain.pubPath))).toThrow(
      expect.objectContaining({ code: 'KEY_INVALID' }),
    );
  });
});

const open = (keyPath: string, passphrase?: Parameters<typeof openIdentity>[1]['passphrase']) =>
  openIdentity('reader', { user: 'mcp-reader', keyPath, passphrase });

describe('openIdentity', () => {
  it('opens a key whose file only its owner can read', async () => {
    for (const mode of [0o600, 0o400]) {
      chmodSync(plain.path, mode);
      await expect(open(plain.path)).resolves.toMatchObject({ type: 'publickey', username: 'mcp-reader' });
    }
  });

  it.each([0o640, 0o604, 0o660, 0o700, 0o644])('refuses mode %o', async (mode) => {
    const key = makeKey(room.path, `mode-${mode.toString(8)}`);
    chmodSync(key.path, mode);
    await expect(open(key.path)).rejects.toMatchObject({
      code: 'FILE_MODE',
      values: { mode: mode.toString(8).padStart(4, '0') },
    });
  });

  it('says what is missing', async () => {
    await expect(open(join(room.path, 'none'))).rejects.toMatchObject({
      code: 'KEY_MISSING',
      values: { account: 'reader' },
    });
  });

  it('takes the passphrase from the environment', async () => {
    vi.stubEnv('TEST_PASSPHRASE', 'correct horse');
    await expect(open(locked.path, { env: 'TEST_PASSPHRASE' })).resolves.toMatchObject({ type: 'publickey' });
    vi.stubEnv('TEST_PASSPHRASE', 'wrong');
    await expect(open(locked.path, { env: 'TEST_PASSPHRASE' })).rejects.toMatchObject({
      code: 'KEY_PASSPHRASE',
    });
    await expect(open(locked.path, { env: 'TEST_NOT_SET' })).rejects.toMatchObject({
      code: 'KEY_PASSPHRASE',
    });
    await expect(open(locked.path)).rejects.toMatchObject({ code: 'KEY_PASSPHRASE' });
  });

  it('takes the first line of a file descriptor, once for several keys', async () => {
    const path = join(room.path, 'passphrase');
    writeFileSync(path, 'correct horse\nand more\n');
    const fd = openSync(path, 'r');
    await expect(open(locked.path, { fd })).resolves.toMatchObject({ type: 'publickey' });
    await expect(open(locked.path, { fd })).resolves.toMatchObject({ type: 'publickey' });
    // It was closed after reading.
    expect(() => closeSync(fd)).toThrow('EBADF');
  });

  it('never reads a passphrase from the descriptors of the protocol and the terminal', async () => {
    for (const fd of [0, 1, 2])
      await expect(open(locked.path, { fd })).rejects.toMatchObject({ code: 'KEY_PASSPHRASE' });
  });

  it('puts no passphrase into what it throws', async () => {
    vi.stubEnv('TEST_PASSPHRASE', 'hunter2hunter2');
    const thrown = await open(locked.path, { env: 'TEST_PASSPHRASE' }).catch(
      (error: unknown) => error as Error,
    );
    expect(
      JSON.stringify([thrown, String((thrown as Error).stack), String((thrown as Error).cause)]),
    ).not.toContain('hunter2');
  });
});
