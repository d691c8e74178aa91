// What is particular to the system's ssh: its processes and files.
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { startJumpServer } from '../support/jump-server.ts';
import { makeKey } from '../support/ssh-keys.ts';
import { runLine, startSshTestHost, until, type SshTestHost } from '../support/ssh-test-host.ts';
import { transportUnderTest } from '../support/transport-under-test.ts';

transportUnderTest.name = 'openssh';

let host: SshTestHost;
let runtime: string;
const stack: AsyncDisposable[] = [];

beforeEach(async () => {
  runtime = mkdtempSync(join(tmpdir(), 'rt-'));
  vi.stubEnv('XDG_RUNTIME_DIR', runtime);
  host = await startSshTestHost();
});
afterEach(async () => {
  for (const made of stack.splice(0).reverse()) await made[Symbol.asyncDispose]();
  await host[Symbol.asyncDispose]();
  vi.unstubAllEnvs();
  rmSync(runtime, { recursive: true, force: true });
});

/** Processes of ssh that use our directory. */
const sshProcesses = (): string[] =>
  readdirSync('/proc')
    .filter((pid) => /^[0-9]+$/u.test(pid))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'latin1').startsWith(`ssh\0-F\0${runtime}/`);
      } catch {
        return false;
      }
    });
const folders = (): string[] => readdirSync(runtime);
const source = (path: string): string => pathToFileURL(join(import.meta.dirname, '../../src', path)).href;

/** A program with an open connection that waits for ever. */
const startProgram = async (words: string): Promise<ChildProcess> => {
  const program = `
    import { openChannel } from '${source('ssh/open-channel.ts')}';
    import { makeGrant } from '${source('request/grant.ts')}';
    const channel = openChannel(${JSON.stringify(host.options)});
    await channel.run(makeGrant({ account: 'reader', host: 'web1', line: 'echo x', input: 'hold', seconds: 20, bytes: 100 }));
    console.log('open');
    ${words}`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, XDG_RUNTIME_DIR: runtime },
  });
  await new Promise((resolve) => child.stdout?.once('data', resolve));
  return child;
};

describe('a master', () => {
  it('ends with the process that started it, also when that was killed', async () => {
    const child = await startProgram('setInterval(() => {}, 1_000);');
    expect(sshProcesses()).toHaveLength(1);
    expect(host.server.open()).toBe(1);
    child.kill('SIGKILL');
    await until(() => sshProcesses().length === 0);
    await until(() => host.server.open() === 0);
    expect(sshProcesses()).toEqual([]);
  });

  it('and its files end with process.exit()', async () => {
    const child = await startProgram('process.exit(3);');
    await new Promise((resolve) => child.once('exit', resolve));
    await until(() => sshProcesses().length === 0);
    expect(folders()).toEqual([]);
  });

  it('has no terminal, and nothing of our environment but the path', async () => {
    vi.stubEnv('SECRET_OF_OURS', 'x');
    await runLine(host.channel(), 'echo x');
    const [pid = ''] = sshProcesses();
    const names = readFileSync(`/proc/${pid}/environ`, 'latin1')
      .split('\0')
      .filter((entry) => entry !== '')
      .map((entry) => entry.split('=')[0]);
    expect(new Set(names)).toEqual(new Set(['LC_ALL', 'PATH', 'SSH_ASKPASS_REQUIRE']));
    // Field 6 is the session: its own, so that no signal of our terminal reaches it.
    expect(readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.split(' ')[3]).toBe(pid);
  });

  it('leaves nothing after close()', async () => {
    const channel = host.channel();
    await Promise.all(Array.from({ length: 12 }, () => runLine(channel, 'echo x')));
    expect(folders()).toHaveLength(1);
    await channel.close();
    expect(folders()).toEqual([]);
    expect(sshProcesses()).toEqual([]);
  });
});

describe('the files', () => {
  it('are private and hold no secret; those of an exec are gone when it is', async () => {
    const channel = host.channel();
    await runLine(channel, 'echo x');
    await runLine(channel, 'input', { account: 'runner', input: Buffer.from('ticket') });
    const [name = ''] = folders();
    const folder = join(runtime, name);
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    const files = readdirSync(folder);
    expect(files.filter((file) => file.endsWith('.log'))).toEqual([]);
    for (const file of files.map((entry) => join(folder, entry)).filter((path) => statSync(path).isFile())) {
      expect(statSync(file).mode & 0o777).toBe(0o600);
      expect(readFileSync(file, 'latin1')).not.toMatch(/PRIVATE KEY|ticket/u);
    }
  });

  it('of a connection are gone when it is', async () => {
    const channel = host.channel({ limits: { idleMs: 20 } });
    await runLine(channel, 'echo x');
    await until(() => sshProcesses().length === 0);
    const [name = ''] = folders();
    const ofConnections = (): string[] =>
      readdirSync(join(runtime, name)).filter((file) => !file.startsWith('key'));
    await until(() => ofConnections().length === 0);
    expect(ofConnections()).toEqual([]);
  });

  it('are of one kind for a path with any characters', async () => {
    const odd = join(host.root, 'a "b" %h ${HOME}');
    execFileSync('cp', ['-p', host.readerKey.path, odd]);
    const accounts = { ...host.options.accounts, reader: { user: 'mcp-reader', keyPath: odd } };
    expect((await runLine(host.channel({ accounts }), 'echo x')).exit).toBe(0);
  });
});

describe('a key file that was replaced', () => {
  it('is read again for the next connection', async () => {
    const channel = host.channel();
    await runLine(channel, 'echo x');
    const next = makeKey(host.root, 'next');
    execFileSync('mv', [next.path, host.readerKey.path]);
    writeFileSync(host.keysFile, `${next.line}\n`);
    host.server.dropConnections();
    await until(() => host.server.open() === 0);
    expect((await runLine(channel, 'echo x')).exit).toBe(0);
  });
});

describe('a jump host', () => {
  it('keeps its other connections when one host behind it does not answer', async () => {
    const jumpKey = makeKey(host.root, 'jump_key');
    const jumpHostKey = makeKey(host.root, 'jump_host_key');
    const jump = await startJumpServer({ hostKey: jumpHostKey, user: 'hopper', key: jumpKey, deafTo: 9 });
    stack.push(jump);
    execFileSync('sh', ['-c', `echo "bastion ${jumpHostKey.line}" >> "$1"`, 'sh', host.knownHostsPath]);
    const at = { address: '127.0.0.1', jump: 'bastion', transport: 'openssh' } as const;
    const channel = host.channel({
      hosts: {
        web1: { ...at, name: 'web1', port: host.server.port, hostKeyAlias: 'web1' },
        dead: { ...at, name: 'dead', port: 9, hostKeyAlias: 'dead' },
      },
      jumps: {
        bastion: {
          name: 'bastion',
          address: '127.0.0.1',
          port: jump.port,
          hostKeyAlias: 'bastion',
          key: { user: 'hopper', keyPath: jumpKey.path },
        },
      },
      limits: { connectMs: 1_500 },
    });
    const gate = host.path('go');
    const long = runLine(channel, `gate ${gate}`);
    await until(() => existsSync(host.path('calls')));
    await expect(runLine(channel, 'echo x', { host: 'dead' })).rejects.toMatchObject({
      code: 'UNREACHABLE',
      values: { host: 'dead', cause: 'timeout' },
    });
    // Only now does the jump host answer for the dead one, to a client that gave up.
    jump.answerTheDeaf();
    expect((await runLine(channel, 'echo still')).exit).toBe(0);
    execFileSync('touch', [gate]);
    expect((await long).exit).toBe(0);
    expect(jump.accepted()).toBe(1);
  });
});
