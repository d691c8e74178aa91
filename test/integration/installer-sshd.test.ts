import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeKey } from '../support/ssh-keys.ts';

// sshd's rules as text (installer/sshd.py). That sshd applies them is shown in the lab.

const RENDER = fileURLToPath(new URL('../support/render-sshd.py', import.meta.url));
const KNOWN = {
  kex: ['diffie-hellman-group1-sha1', 'curve25519-sha256', 'ecdh-sha2-nistp256'],
  cipher: ['3des-cbc', 'aes128-ctr', 'aes256-gcm@openssh.com'],
  mac: ['hmac-md5', 'hmac-sha2-256-etm@openssh.com'],
  HostKeyAlgorithms: ['ssh-rsa', 'rsa-sha2-512', 'ssh-ed25519', 'ecdsa-sha2-nistp256'],
};

let dir: string;
const pub: Record<string, string> = {};

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'mcp-pra-sshd-'));
  for (const name of ['reader', 'runner', 'glass', 'ca'])
    pub[name] = readFileSync(`${makeKey(dir, name).path}.pub`, 'utf8').trim();
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const render = (
  site: Record<string, unknown>,
  kept: readonly number[] = [],
): { dropIn: string; algorithms: string } => {
  const whole = { v: 1, host: 'web1', keys: { reader: [], runner: [] }, allowed_signers: ['a'], ...site };
  const input = JSON.stringify({ site: whole, kept, known: KNOWN });
  return JSON.parse(execFileSync('python3', ['-B', RENDER], { input, encoding: 'utf8' })) as {
    dropIn: string;
    algorithms: string;
  };
};

/** The Match blocks of a drop-in: criteria to rules. */
const blocks = (dropIn: string): Record<string, string[]> =>
  Object.fromEntries(
    dropIn
      .split(/^Match /mu)
      .slice(1)
      .map((block) => {
        const [criteria = '', ...lines] = block.split('\n');
        return [
          criteria,
          lines.map((line) => line.trim()).filter((line) => line !== '' && !line.startsWith('#')),
        ];
      }),
  );

test('without options: one block for each account, nothing global, and the rest of the files goes on as it was', () => {
  const { dropIn } = render({});
  expect(Object.keys(blocks(dropIn))).toEqual(['User mcp-reader', 'User pra-runner', 'all']);
  expect(dropIn).toMatch(/^# [^\n]*\nMatch User mcp-reader\n/u);
  expect(blocks(dropIn)['User mcp-reader']).toEqual(
    expect.arrayContaining([
      'AllowUsers mcp-reader',
      'AuthenticationMethods publickey',
      'AuthorizedKeysFile /etc/mcp-pra/authorized_keys/%u',
      'TrustedUserCAKeys none',
      'AuthorizedPrincipalsFile none',
      'ForceCommand /usr/local/bin/mcp-wrapper',
      'MaxSessions 10',
    ]),
  );
  expect(blocks(dropIn)['User pra-runner']).toContain('ForceCommand /usr/local/bin/pra-exec');
});

test('AllowUsers names the addresses when every key has some, list by list; else the account alone', () => {
  const from = (list: string[]): unknown => [{ key: pub['runner'], from: list }];
  const narrow = render({
    keys: {
      reader: [{ key: pub['reader'] }],
      runner: from(['192.0.2.0/24', '!192.0.2.9']),
      break_glass: [{ key: pub['glass'], from: ['198.51.100.1'] }],
    },
  }).dropIn;
  expect(blocks(narrow)['User mcp-reader']).toContain('AllowUsers mcp-reader');
  expect(blocks(narrow)['User pra-runner']).toContain(
    'AllowUsers pra-runner@192.0.2.0/24,!192.0.2.9 pra-runner@198.51.100.1',
  );
});

test('certificates: the authority and the principals, in the two blocks only', () => {
  const { dropIn } = render({ certificates: { ca_keys: [pub['ca']], from: ['192.0.2.0/24'] } });
  for (const account of ['mcp-reader', 'pra-runner'])
    expect(blocks(dropIn)[`User ${account}`]).toEqual(
      expect.arrayContaining([
        `AllowUsers ${account}@192.0.2.0/24`,
        'TrustedUserCAKeys /etc/mcp-pra/user_ca_keys',
        'AuthorizedPrincipalsFile /etc/mcp-pra/principals/%u',
      ]),
    );
});

test('a port of their own: no key of theirs counts elsewhere, and nobody else logs in there', () => {
  const { dropIn } = render({ sshd: { port: 2222, max_sessions: 5 } }, [22]);
  expect(dropIn).toMatch(/^#[^\n]*\nPort 22\nPort 2222\nMatch /u);
  const found = blocks(dropIn);
  expect(Object.keys(found)).toEqual([
    'User mcp-reader LocalPort 2222',
    'User pra-runner LocalPort 2222',
    'User mcp-reader',
    'User pra-runner',
    'LocalPort 2222 User *,!mcp-reader,!pra-runner',
    'all',
  ]);
  expect(found['User mcp-reader LocalPort 2222']).toContain('MaxSessions 5');
  expect(found['User mcp-reader']).toEqual(
    expect.arrayContaining([
      'AuthorizedKeysFile none',
      'TrustedUserCAKeys none',
      'ForceCommand /usr/local/bin/mcp-wrapper',
    ]),
  );
  expect(found['LocalPort 2222 User *,!mcp-reader,!pra-runner']).toEqual(['DenyUsers *']);
});

test('hardened algorithms: those of ours that this OpenSSH knows, in our order', () => {
  expect(render({}).algorithms.split('\n').slice(1)).toEqual([
    'KexAlgorithms curve25519-sha256',
    'Ciphers aes256-gcm@openssh.com,aes128-ctr',
    'MACs hmac-sha2-256-etm@openssh.com',
    'HostKeyAlgorithms ssh-ed25519,rsa-sha2-512',
    '',
  ]);
});
