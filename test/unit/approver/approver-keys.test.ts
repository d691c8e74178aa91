import { chmodSync, copyFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { readApproverKey, unlockApproverKey } from '../../../src/approver/approver-keys.ts';
import { PraError } from '../../../src/errors.ts';
import { sshString } from '../../../src/request/ssh-reader.ts';
import { openPrivateKey } from '../../../src/ssh/private-key.ts';
import { makeKey, temporaryDirectory } from '../../support/ssh-keys.ts';

const folder = temporaryDirectory('approver');
afterAll(() => folder[Symbol.dispose]());
const file = (name: string): string => join(folder.path, name);
const alice = makeKey(folder.path, 'alice', { passphrase: 'correct horse' });

const codeOf = async (work: () => unknown): Promise<string> => {
  try {
    await work();
    return 'ok';
  } catch (error) {
    if (error instanceof PraError) return error.code;
    throw error;
  }
};

describe('an approver key on disk', () => {
  it('shows its public half without the passphrase', async () => {
    expect((await readApproverKey(alice.path)).publicKey).toEqual(alice.blob);
  });

  it('without a passphrase is refused', async () => {
    const { path } = makeKey(folder.path, 'bare');
    expect(await codeOf(() => readApproverKey(path))).toBe('KEY_UNENCRYPTED');
  });

  it.each([0o640, 0o604, 0o660, 0o700, 0o620])('of mode %o is refused', async (mode) => {
    const path = file(`mode-${mode.toString(8)}`);
    copyFileSync(alice.path, path);
    chmodSync(path, mode);
    expect(await codeOf(() => readApproverKey(path))).toBe('FILE_MODE');
  });

  it.each([0o600, 0o400])('of mode %o is read', async (mode) => {
    const path = file(`fine-${mode.toString(8)}`);
    copyFileSync(alice.path, path);
    chmodSync(path, mode);
    expect(await codeOf(() => readApproverKey(path))).toBe('ok');
  });

  it('behind a link is judged by its own mode', async () => {
    const target = file('linked');
    copyFileSync(alice.path, target);
    chmodSync(target, 0o644);
    symlinkSync(target, file('link'));
    expect(await codeOf(() => readApproverKey(file('link')))).toBe('FILE_MODE');
  });

  it('may be the public half of a security key, and of no other key', async () => {
    const raw = Buffer.concat([
      sshString('sk-ssh-ed25519@openssh.com'),
      sshString(Buffer.alloc(32, 1)),
      sshString('ssh:'),
    ]);
    const line = `sk-ssh-ed25519@openssh.com ${raw.toString('base64')} touch\n`;
    writeFileSync(file('touch.pub'), line);
    expect(await readApproverKey(file('touch.pub'))).toMatchObject({ kind: 'security-key', publicKey: raw });
    writeFileSync(file('two.pub'), line + line);
    expect(await codeOf(() => readApproverKey(file('two.pub')))).toBe('KEY_INVALID');
    expect(await codeOf(() => readApproverKey(alice.pubPath))).toBe('KEY_INVALID');
    expect(await codeOf(() => readApproverKey(file('none.pub')))).toBe('KEY_MISSING');
  });

  it('that is not there, or a folder, is refused', async () => {
    expect(await codeOf(() => readApproverKey(file('nobody')))).toBe('KEY_MISSING');
    expect(await codeOf(() => readApproverKey(folder.path))).toBe('KEY_INVALID');
  });

  it.each([
    ['of another kind', () => makeKey(folder.path, 'rsa', { sort: 'rsa', passphrase: 'x1234' }).path],
    ['that is its public half', () => alice.pubPath],
    ['that is empty', () => '/dev/null'],
    ['cut short', () => cut(200)],
    ['cut in its header', () => cut(80)],
  ])('%s is refused', async (_, path) => {
    const chosen = path();
    if (chosen !== '/dev/null') chmodSync(chosen, 0o600);
    expect(await codeOf(() => readApproverKey(chosen))).toBe('KEY_INVALID');
  });
});

const cut = (bytes: number): string => {
  const path = file(`cut-${String(bytes)}`);
  const begin = '-----BEGIN OPENSSH PRIVATE KEY-----\n';
  const body = alice.blob.toString('base64').repeat(3).slice(0, bytes);
  writeFileSync(path, `${begin}${body}\n-----END OPENSSH PRIVATE KEY-----\n`, { mode: 0o600 });
  return path;
};

const open = (pem: Buffer, passphrase: Buffer | undefined): ReturnType<typeof openPrivateKey> =>
  openPrivateKey(pem, passphrase, { account: 'approver', path: alice.path });

describe('opening it', () => {
  it('takes the passphrase, and wipes it', async () => {
    const passphrase = Buffer.from('correct horse');
    expect(unlockApproverKey(await readApproverKey(alice.path), passphrase, open).publicKey).toEqual(
      alice.blob,
    );
    expect(passphrase.every((byte) => byte === 0)).toBe(true);
  });

  it('refuses a wrong one, and wipes that too', async () => {
    const locked = await readApproverKey(alice.path);
    const passphrase = Buffer.from('wrong');
    expect(await codeOf(() => unlockApproverKey(locked, passphrase, open))).toBe('KEY_PASSPHRASE');
    expect(passphrase.every((byte) => byte === 0)).toBe(true);
  });

  it('refuses a key whose public half is another one', async () => {
    const locked = { ...(await readApproverKey(alice.path)), publicKey: makeKey(folder.path, 'other').blob };
    expect(await codeOf(() => unlockApproverKey(locked, Buffer.from('correct horse'), open))).toBe(
      'KEY_INVALID',
    );
  });
});
