import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { verifySshsig } from '../../src/request/sshsig.ts';
import { nextKeyStatement } from '../../src/ssh/host-key-rotation.ts';
import { RenderedTarget } from '../support/rendered-target.ts';
import { makeKey, temporaryDirectory, type SshKeyPair } from '../support/ssh-keys.ts';

// What rotate-host-key does to the files of a host. The switch itself, with sshd, systemd and Ansible: test/lab/rotation-host.test.ts.

let folder: ReturnType<typeof temporaryDirectory>;
let target: RenderedTarget;
let key: SshKeyPair;

const rotate = (...argv: string[]) => {
  const done = spawnSync(target.path('lib/rotate-host-key'), argv, { encoding: 'utf8' });
  const words = Object.fromEntries(
    done.stdout.split('\n').map((line) => [line.split(' ', 1)[0] ?? '', line.split(' ').slice(1).join(' ')]),
  );
  return { exit: done.status, err: done.stderr, words };
};
const fingerprint = (path: string): string =>
  execFileSync('ssh-keygen', ['-lf', path], { encoding: 'utf8' }).split(' ')[1] ?? '';

beforeEach(() => {
  folder = temporaryDirectory('rotate-host-key');
  key = makeKey(folder.path, 'ssh_host_ed25519_key');
  target = new RenderedTarget({ hostKey: key.path });
  const policy = { v: 1, host: 'web1', impact: {}, deny: [], values: {}, auto: [] };
  const people = { quorum: { MEDIUM: 1, HIGH: 1 }, signer: { MEDIUM: 'software-key', HIGH: 'software-key' } };
  const limits = { auto_limits: { pair_per_hour: 3, host_per_day: 20 }, offer_seconds: 480 };
  writeFileSync(target.path('etc/policy.json'), JSON.stringify({ ...policy, ...people, ...limits }));
});
afterEach(() => {
  target.remove();
  folder[Symbol.dispose]();
});

it('makes the next key once, signed by the one in use for exactly this host, and takes it away again', () => {
  const before = readFileSync(key.path);
  expect(rotate('state')).toMatchObject({ exit: 0, words: { key: `${fingerprint(key.path)} ${key.line}` } });
  const made = rotate('make');
  expect(made, made.err).toMatchObject({ exit: 0, words: { changed: `${key.path}.next` } });
  const next = `${key.path}.next`;
  expect(statSync(next).mode & 0o777).toBe(0o600);
  expect(statSync(`${next}.pub`).mode & 0o777).toBe(0o644);
  const line = made.words['next']?.split(' ').slice(1).join(' ') ?? '';
  expect(readFileSync(`${next}.pub`, 'utf8')).toBe(`${line} ssh_host_ed25519_key\n`);
  const signed = verifySshsig({
    message: nextKeyStatement('web1', fingerprint(key.path), line),
    signatureBase64: made.words['signature'] ?? '',
    namespace: 'mcp-pra-host-key',
  });
  expect(signed.publicKey.equals(key.blob)).toBe(true);

  expect(rotate('make').words).toMatchObject({ same: next, next: made.words['next'] });
  expect(rotate('state').words['next']).toBe(made.words['next']);
  expect(readFileSync(key.path)).toEqual(before);
  expect(rotate('forget')).toMatchObject({ exit: 0 });
  expect([existsSync(next), existsSync(`${next}.pub`)]).toEqual([false, false]);
  expect(rotate('forget')).toMatchObject({ exit: 0, words: { same: `${next} is not there` } });
});

it('does not go on with half of a pair', () => {
  rotate('make');
  rmSync(`${key.path}.next.pub`);
  const again = rotate('make');
  expect(again, again.err).toMatchObject({ exit: 0, words: { changed: `${key.path}.next` } });
  expect(fingerprint(`${key.path}.next`)).toBe(again.words['next']?.split(' ')[0]);
});

it('refuses a public half of another key, which sshd and pra-run would refuse too', () => {
  const other = makeKey(folder.path, 'other');
  renameSync(other.pubPath, `${key.path}.pub`);
  expect(rotate('make')).toMatchObject({ exit: 1, err: expect.stringContaining('does not belong to') });
});

it('switches only to the key that it made, and confirms only the key that is in use', () => {
  rotate('make');
  const stranger = fingerprint(makeKey(folder.path, 'stranger').path);
  expect(rotate('switch', '--new', stranger)).toMatchObject({
    exit: 1,
    err: expect.stringContaining('is not the next key'),
  });
  expect(rotate('confirm', '--new', fingerprint(`${key.path}.next`))).toMatchObject({
    exit: 1,
    err: expect.stringContaining('was put back'),
  });
  expect(readFileSync(`${key.path}.pub`, 'utf8')).toContain(key.line);
});

it('leaves a change of sshd’s rules that waits for its confirmation alone', () => {
  mkdirSync(target.path('etc/rollback'), { mode: 0o700 });
  writeFileSync(target.path('etc/rollback/armed'), '2027-01-01T00:00:00Z\n');
  writeFileSync(target.path('etc/rollback/list'), 'file 1 /etc/ssh/sshd_config.d/00-mcp-pra.conf\n');
  expect(rotate('state').words['armed']).toBe('2027-01-01T00:00:00Z');
  for (const order of [['make'], ['forget'], ['switch', '--new', fingerprint(key.path)], ['restore']]) {
    expect(rotate(...order)).toMatchObject({
      exit: 1,
      err: expect.stringContaining("a change of sshd's rules waits"),
    });
  }
  expect(existsSync(join(target.path('etc/rollback'), 'armed'))).toBe(true);
});

it.each([
  [['switch'], 'needs --new'],
  [['switch', '--new', 'SHA256:short'], 'a fingerprint'],
  [['confirm'], 'needs --new'],
  [['switch', '--new', `SHA256:${'A'.repeat(43)}`, '--seconds', '29'], '30 to 3600'],
  [['switch', '--new', `SHA256:${'A'.repeat(43)}`, '--seconds', '3601'], '30 to 3600'],
  [['make', '--old', 'x'], 'unrecognized'],
])('%j is no order', (argv, words) => {
  expect(rotate(...argv)).toMatchObject({ exit: 2, err: expect.stringContaining(words) });
});
