import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { AccountKey } from '../../src/ssh/identity.ts';
import { makeKey } from '../support/ssh-keys.ts';
import { runLine, startSshTestHost, until, type SshTestHost } from '../support/ssh-test-host.ts';
import { opensshIsTried } from '../support/transport-under-test.ts';

let host: SshTestHost;
afterEach(async () => {
  vi.unstubAllEnvs();
  agent?.kill();
  await host[Symbol.asyncDispose]();
});

const sayAs = (reader: Partial<AccountKey>): Promise<string> => {
  const accounts = { ...host.options.accounts, reader: { ...host.options.accounts.reader, ...reader } };
  return runLine(host.channel({ accounts }), 'echo hello').then(({ stdout }) => stdout.toString());
};

describe('the reader key', () => {
  it('may be encrypted: passphrase from the environment or from a descriptor', async () => {
    host = await startSshTestHost({ readerPassphrase: 'correct horse' });
    vi.stubEnv('TEST_PASSPHRASE', 'correct horse');
    expect(await sayAs({ passphrase: { env: 'TEST_PASSPHRASE' } })).toBe('hello\n');
    const file = join(host.root, 'passphrase');
    writeFileSync(file, 'correct horse\n');
    expect(await sayAs({ passphrase: { fd: openSync(file, 'r') } })).toBe('hello\n');
  });

  it('is opened once, and tried again when the passphrase was wrong', async () => {
    host = await startSshTestHost({ readerPassphrase: 'correct horse' });
    const reader = { ...host.options.accounts.reader, passphrase: { env: 'TEST_PASSPHRASE' } };
    const channel = host.channel({ accounts: { ...host.options.accounts, reader } });
    vi.stubEnv('TEST_PASSPHRASE', 'wrong');
    await expect(runLine(channel, 'echo x')).rejects.toMatchObject({
      code: 'KEY_PASSPHRASE',
      values: { account: 'reader' },
    });
    expect(host.server.accepted()).toBe(0);
    vi.stubEnv('TEST_PASSPHRASE', 'correct horse');
    expect((await runLine(channel, 'echo x')).exit).toBe(0);
    vi.stubEnv('TEST_PASSPHRASE', 'wrong');
    host.server.dropConnections();
    expect((await runLine(channel, 'echo x')).exit).toBe(0);
  });

  it('must be readable by its owner only', async () => {
    host = await startSshTestHost();
    chmodSync(host.readerKey.path, 0o640);
    await expect(sayAs({})).rejects.toMatchObject({ code: 'FILE_MODE', exit: 2 });
    expect(host.server.accepted()).toBe(0);
  });

  // The embedded server announces no rsa-sha2-512 that OpenSSH could read; the lab tries RSA with sshd.
  it.each(opensshIsTried() ? (['ecdsa'] as const) : (['rsa', 'ecdsa'] as const))(
    'may be %s',
    async (sort) => {
      host = await startSshTestHost();
      const key = makeKey(host.root, 'other', { sort });
      writeFileSync(host.keysFile, `${key.line}\n`);
      expect(await sayAs({ keyPath: key.path })).toBe('hello\n');
    },
  );

  it('is refused when the host does not list it, and not offered again at once', async () => {
    host = await startSshTestHost();
    const key = makeKey(host.root, 'stranger');
    const accounts = { ...host.options.accounts, reader: { user: 'mcp-reader', keyPath: key.path } };
    const channel = host.channel({ accounts });
    const refused = { code: 'AUTH_REFUSED', exit: 5, values: { host: 'web1', account: 'reader' } };
    await expect(runLine(channel, 'echo x')).rejects.toMatchObject(refused);
    await expect(runLine(channel, 'echo x')).rejects.toMatchObject(refused);
    expect(host.server.accepted()).toBe(1);
    expect(existsSync(host.path('calls'))).toBe(false);
  });

  it('is refused for a user that the host does not have', async () => {
    host = await startSshTestHost();
    await expect(sayAs({ user: 'root' })).rejects.toMatchObject({ code: 'AUTH_REFUSED' });
  });
});

let agent: ChildProcess | undefined;
/** Starts a real ssh-agent that holds these keys; it ends with the test. */
const startAgent = async (...keys: readonly string[]): Promise<void> => {
  const socket = join(host.root, 'agent');
  agent = spawn('ssh-agent', ['-D', '-a', socket], { stdio: 'ignore' });
  // The file is there before the agent listens on it. ssh-add -l ends with 2 when nobody answers.
  await until(
    () => spawnSync('ssh-add', ['-l'], { env: { ...process.env, SSH_AUTH_SOCK: socket } }).status !== 2,
  );
  vi.stubEnv('SSH_AUTH_SOCK', socket);
  execFileSync('ssh-add', ['-q', ...keys], { stdio: 'ignore' });
};

describe('a key in the agent', () => {
  it('is used when it is configured, with only the public half on disk', async () => {
    host = await startSshTestHost();
    await startAgent(host.readerKey.path);
    const keyPath = join(host.root, 'only-public');
    copyFileSync(host.readerKey.pubPath, `${keyPath}.pub`);
    expect(await sayAs({ keyPath, passphrase: { agent: true } })).toBe('hello\n');
    expect(await sayAs({ keyPath: `${keyPath}.pub`, passphrase: { agent: true } })).toBe('hello\n');
  });

  it('is the configured one and no other that the agent has', async () => {
    host = await startSshTestHost();
    const other = makeKey(host.root, 'other');
    await startAgent(host.readerKey.path, other.path);
    await expect(sayAs({ keyPath: other.path, passphrase: { agent: true } })).rejects.toMatchObject({
      code: 'AUTH_REFUSED',
    });
  });

  it('is not there: the agent holds another one, or there is no agent', async () => {
    host = await startSshTestHost();
    const other = makeKey(host.root, 'other');
    await startAgent(other.path);
    await expect(sayAs({ passphrase: { agent: true } })).rejects.toMatchObject({ code: 'KEY_PASSPHRASE' });
    vi.stubEnv('SSH_AUTH_SOCK', join(host.root, 'nowhere'));
    await expect(sayAs({ passphrase: { agent: true } })).rejects.toMatchObject({ code: 'KEY_PASSPHRASE' });
    vi.stubEnv('SSH_AUTH_SOCK', '');
    await expect(sayAs({ passphrase: { agent: true } })).rejects.toMatchObject({ code: 'KEY_PASSPHRASE' });
  });

  it('is not used when it is not configured', async () => {
    host = await startSshTestHost({ readerPassphrase: 'correct horse' });
    const open = join(host.root, 'open');
    copyFileSync(host.readerKey.path, open);
    execFileSync('ssh-keygen', ['-q', '-p', '-P', 'correct horse', '-N', '', '-f', open], {
      stdio: 'ignore',
    });
    await startAgent(open);
    await expect(sayAs({})).rejects.toMatchObject({ code: 'KEY_PASSPHRASE' });
  });
});
