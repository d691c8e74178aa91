import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { readApproverKey } from '../../../src/approver/approver-keys.ts';
import { allowedSigner } from '../../../src/approver/enrol.ts';
import { fingerprint } from '../../../src/request/sshsig.ts';
import { onPty } from '../../support/on-pty.ts';
import { makeKey, temporaryDirectory } from '../../support/ssh-keys.ts';

const folder = temporaryDirectory('enrol');
afterAll(() => folder[Symbol.dispose]());
const module = join(import.meta.dirname, '../../../src/approver/enrol.ts');
const PASSPHRASE = 'correct horse battery';

/** Makes a key in a child on a real terminal, typing `passphrase` at both of ssh-keygen's prompts. */
const enrol = async (path: string, passphrase: string): Promise<{ code: number; screen: string }> => {
  const program = `import(${JSON.stringify(module)}).then(({ makeApproverKey }) => makeApproverKey({ path: ${JSON.stringify(path)}, principal: 'alice@example' })).then((made) => console.log(JSON.stringify(made)), (error) => { console.log(error.code); process.exitCode = 3; })`;
  const step = (expect_: string): { expect: string; send: string } => ({
    expect: expect_,
    send: `${passphrase}\n`,
  });
  const steps = existsSync(path) ? [] : [step('Enter passphrase'), step('same passphrase')];
  const env = { PATH: process.env['PATH'], TERM: 'dumb', SSH_ASKPASS: '/bin/false', DISPLAY: ':0' };
  return onPty([process.execPath, '--no-warnings', '-e', program], steps, { env, seconds: 30 });
};

describe('enrolling an approver', () => {
  it("makes an encrypted key, typed at ssh-keygen's own prompt and shown nowhere", async () => {
    const path = join(folder.path, 'new', 'approver_ed25519');
    const { code, screen } = await enrol(path, PASSPHRASE);
    expect(screen).toContain('"allowedSigner"');
    expect(code).toBe(0);
    expect(screen).not.toContain(PASSPHRASE);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(statSync(join(folder.path, 'new')).mode & 0o777).toBe(0o700);
    const { publicKey } = await readApproverKey(path);
    const lines = screen.replaceAll('\r', '').split('\n');
    const made: unknown = JSON.parse(lines.find((line) => line.startsWith('{')) ?? '');
    expect(made).toEqual({
      path,
      fingerprint: fingerprint(publicKey),
      allowedSigner: `alice@example namespaces="mcp-pra-low,mcp-pra-medium,mcp-pra-high" ssh-ed25519 ${publicKey.toString('base64')}`,
    });
  });

  it('keeps no key with an empty passphrase', async () => {
    const path = join(folder.path, 'empty');
    const { code, screen } = await enrol(path, '');
    expect(screen).toContain('KEY_UNENCRYPTED');
    expect(code).toBe(3);
    expect([existsSync(path), existsSync(`${path}.pub`)]).toEqual([false, false]);
  });

  it('never touches a file that is there', async () => {
    const path = join(folder.path, 'there');
    writeFileSync(path, 'mine', { mode: 0o600 });
    const { code, screen } = await enrol(path, PASSPHRASE);
    expect(screen).toContain('USAGE');
    expect(code).toBe(3);
    expect(readFileSync(path, 'utf8')).toBe('mine');
  });
});

describe('the line for allowed_signers', () => {
  const { line, blob } = makeKey(folder.path, 'line');

  it('names one principal, its namespaces and the key, without the comment', () => {
    expect(allowedSigner('alice', `${line} some comment\n`, 'x')).toBe(
      `alice namespaces="mcp-pra-low,mcp-pra-medium,mcp-pra-high" ssh-ed25519 ${blob.toString('base64')}`,
    );
  });

  it.each(['', '*', 'a,b', 'a b', '!a', 'a\nb', 'é', 'a'.repeat(65)])(
    'refuses the principal %j',
    (principal) => {
      expect(() => allowedSigner(principal, line, 'x')).toThrow('private key');
    },
  );

  it('refuses what is no public key', () => {
    expect(() => allowedSigner('alice', 'ssh-ed25519 AAAA', 'x')).toThrow('private key');
  });
});
