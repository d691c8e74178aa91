import { execFileSync, spawn } from 'node:child_process';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeGrant } from '../../src/request/grant.ts';
import type { Channel } from '../../src/request/ports.ts';
import { openChannel } from '../../src/ssh/open-channel.ts';
import { startEmbeddedTarget, type EmbeddedTarget } from '../support/embedded-target.ts';
import { isAlive } from '../support/is-alive.ts';
import { until } from '../support/ssh-test-host.ts';

let target: EmbeddedTarget;
let channel: Channel;
beforeAll(async () => {
  target = await startEmbeddedTarget({ name: 'web1' });
  channel = openChannel(target.sshOptions);
});
afterAll(async () => {
  await channel.close();
  await target.stop();
});

const read = (
  line: string,
  { seconds = 20, bytes = 200_000, signal }: { seconds?: number; bytes?: number; signal?: AbortSignal } = {},
) =>
  channel.run(
    makeGrant({ account: 'reader', host: 'web1', line, input: 'hold', seconds, bytes }),
    signal === undefined ? {} : { signal },
  );

/** Pids of programs whose parent, or parent's parent, is one of these. */
const below = (pids: readonly number[]): number[] => {
  const rows = execFileSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' }).trim().split('\n');
  const pairs = rows.map((row) => row.trim().split(/\s+/u).map(Number) as [number, number]);
  const children = pairs.filter(([, parent]) => pids.includes(parent)).map(([pid]) => pid);
  return children.length === 0 ? [] : [...children, ...below(children)];
};
const sleepers = (): number[] => {
  const wrappers = target
    .processes()
    .filter((pid) => readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes('mcp-wrapper'));
  return below(wrappers).filter(
    (pid) => isAlive(pid) && readFileSync(`/proc/${pid}/comm`, 'latin1') === 'sleep\n',
  );
};

interface Said {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end. Never synchronously: the server it talks to is in this very process. */
const run = (program: string, args: readonly string[]): Promise<Said> =>
  new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const text = { stdout: '', stderr: '' };
    child.stdout.on('data', (chunk: Buffer) => (text.stdout += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (text.stderr += chunk.toString()));
    child.once('error', reject);
    child.once('close', (status) => resolve({ status, ...text }));
  });

describe('the real mcp-wrapper behind the channel', () => {
  it('answers a diagnostic', async () => {
    const answer = await read('demo_process');
    expect(answer).toMatchObject({ exit: 0, stderr: Buffer.alloc(0) });
    expect(answer.stdout.toString()).toContain(`Pid=${target.demo.pid()}\nState=running\n`);
    expect(isAlive(target.demo.pid())).toBe(true);
  });

  it('answers 20 calls at once over one connection', async () => {
    const before = target.server.accepted();
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, n) => read(n % 2 === 0 ? 'uptime' : 'demo_process')),
    );
    expect(answers.map(({ exit }) => exit)).toEqual(answers.map(() => 0));
    expect(target.server.refusedSessions()).toBe(0);
    expect(target.server.accepted() - before).toBeLessThanOrEqual(1);
  });

  it('refuses by itself what is not listed', async () => {
    const answer = await read('cat_shadow');
    expect([answer.exit, answer.stderr.toString(), answer.stdout.length]).toEqual([
      126,
      'refused wrapper VERB_UNLISTED\n',
      0,
    ]);
  });

  it('stops its program when the call is cancelled', async () => {
    const stop = new AbortController();
    const running = read('demo_sleep 60', { signal: stop.signal });
    await until(() => sleepers().length === 1);
    const [pid = 0] = sleepers();
    stop.abort();
    await expect(running).rejects.toMatchObject({ code: 'CANCELLED' });
    // Its own limit is 20 s; the test's, 30 s, would not be reached by waiting for that, so look sooner.
    await Promise.race([until(() => !isAlive(pid)), sleep(10_000)]);
    expect(isAlive(pid)).toBe(false);
    await until(() => target.processes().every((one) => one === target.demo.pid()));
  });

  it('stops its program when the deadline passes, and when the connection is lost', async () => {
    await expect(read('demo_sleep 59', { seconds: 1 })).rejects.toMatchObject({ code: 'DEADLINE' });
    await Promise.race([until(() => sleepers().length === 0), sleep(10_000)]);
    expect(sleepers()).toEqual([]);
    const running = read('demo_sleep 58');
    await until(() => sleepers().length === 1);
    // An answer on the same connection: what was sent before it, the line `hold`, has arrived too.
    await read('demo_process');
    target.server.dropConnections();
    expect(await running).toMatchObject({ exit: undefined });
    await Promise.race([until(() => sleepers().length === 0), sleep(10_000)]);
    expect(sleepers()).toEqual([]);
  });

  it('cuts output at its own limit, and the channel at the grant', async () => {
    // 65,536 bytes is the limit of demo_output; 100,000 numbers are 588,895 bytes.
    const cut = await read('demo_output 100000');
    expect(cut.exit).toBe(0);
    expect(cut.stdout.toString()).toMatch(/\n--[0-9a-f]{32} numbers rc=\d+ ms=\d+ cut=1\n$/u);
    expect(cut.stdout.length).toBeGreaterThan(65_536);
    expect(cut.stdout.length).toBeLessThan(65_536 + 256);
    await expect(read('demo_output 100000', { bytes: 60_000 })).rejects.toMatchObject({
      code: 'OUTPUT_TOO_LARGE',
    });
    expect((await read('demo_output 3')).stdout.toString()).toContain('\n1\n2\n3\n');
  });
});

const common = (key: string): string[] =>
  [
    'IdentitiesOnly=yes',
    'BatchMode=yes',
    `UserKnownHostsFile=${target.knownHostsPath}`,
    'GlobalKnownHostsFile=none',
    'LogLevel=ERROR',
  ]
    .flatMap((option) => ['-o', option])
    .concat('-F', 'none', '-i', key);

const keyOf = (user: string): string => (user === 'mcp-reader' ? target.readerKey : target.runnerKey);

/** The real OpenSSH client, as whom and with which key. */
const ssh = (
  user: string,
  {
    options = [],
    words = [],
    key = keyOf(user),
  }: { options?: readonly string[]; words?: readonly string[]; key?: string } = {},
): Promise<Said> =>
  run('ssh', [...common(key), '-p', String(target.port), ...options, `${user}@127.0.0.1`, ...words]);

describe('what the embedded target allows, shown by the real ssh client', () => {
  it('runs the forced command with the request line', async () => {
    expect(await ssh('mcp-reader', { words: ['demo_process'] })).toMatchObject({ status: 0, stderr: '' });
    const version = await ssh('pra-runner', { words: ['version'] });
    expect(version.stdout).toMatch(/^mcp-pra 1\n\{"event":"version","host":"web1"/u);
  });

  it.each([
    ['a shell', 'mcp-reader', [], [], 126, 'refused wrapper LOGIN'],
    ['a shell', 'pra-runner', [], [], 126, 'refused pra-exec LOGIN'],
    ['another command', 'mcp-reader', [], ['id; cat /etc/passwd'], 64, 'refused wrapper LINE_FORM'],
    ['an unlisted word', 'pra-runner', [], ['melt'], 126, 'refused pra-exec WORD_UNLISTED'],
    ['more than a word', 'pra-runner', [], ['restart_demo demo'], 64, 'refused pra-exec LINE_FORM'],
    ['sftp', 'mcp-reader', ['-s'], ['sftp'], 255, 'subsystem request failed'],
    ['a forwarded port', 'pra-runner', ['-W', '127.0.0.1:22'], [], 255, 'forward'],
  ] as const)('refuses %s (%s)', async (_, user, options, words, status, text) => {
    const said = await ssh(user, { options, words });
    expect(said.stderr).toContain(text);
    expect(said).toMatchObject({ status, stdout: '' });
  });

  it('gives no terminal', async () => {
    const said = await ssh('mcp-reader', {
      options: ['-tt', '-o', 'LogLevel=INFO'],
      words: ['demo_process'],
    });
    expect(said.stderr).toContain('PTY allocation request failed');
  });

  it('refuses to forward ports of its own', async () => {
    const said = await ssh('mcp-reader', {
      options: ['-N', '-o', 'ExitOnForwardFailure=yes', '-R', '0:127.0.0.1:22'],
    });
    expect(said.status).toBe(255);
    expect(said.stderr).toContain('remote port forwarding failed');
  });

  it.each(['mcp-reader', 'pra-runner'])('refuses scp as %s', async (user) => {
    const stolen = join(target.operatorDir, 'stolen');
    const from = ['-P', String(target.port), `${user}@127.0.0.1:/etc/passwd`, stolen];
    for (const protocol of [['-O'], []]) {
      expect((await run('scp', [...common(keyOf(user)), ...protocol, ...from])).status).not.toBe(0);
    }
    expect(existsSync(stolen)).toBe(false);
  });

  it.each([
    ['pra-runner', 'mcp-reader'],
    ['mcp-reader', 'pra-runner'],
    ['root', 'mcp-reader'],
  ])('refuses on the account %s the key of %s', async (user, owner) => {
    const said = await ssh(user, { key: keyOf(owner), words: ['version'] });
    expect(said).toMatchObject({ status: 255, stdout: '' });
    expect(said.stderr).toContain('Permission denied (publickey)');
  });

  it('does not kill a program whose client is gone without a word', async () => {
    const args = [
      ...common(target.readerKey),
      '-p',
      String(target.port),
      'mcp-reader@127.0.0.1',
      'demo_sleep 2',
    ];
    const client = spawn('ssh', args, { stdio: ['pipe', 'ignore', 'ignore'] });
    await until(() => sleepers().length === 1);
    const [pid = 0] = sleepers();
    const ended = new Promise((resolve) => client.once('close', resolve));
    client.kill('SIGKILL');
    await ended;
    // Nobody said `hold`: it runs to its end.
    expect(isAlive(pid)).toBe(true);
    await until(() => !isAlive(pid));
  });
});

const script = (name: string, ...args: string[]): Promise<Said> =>
  run(join(target.prefix, 'lib/scripts', name), args);

describe('its actions', () => {
  it('restart_demo gives the process another pid', async () => {
    const before = target.demo.pid();
    const said = await script('restart-demo', 'demo');
    expect(said).toEqual({
      status: 0,
      stderr: '',
      stdout: `stopped ${before}\nstarted ${target.demo.pid()}\n`,
    });
    expect(target.demo.pid()).not.toBe(before);
    expect([isAlive(before), isAlive(target.demo.pid())]).toEqual([false, true]);
  });

  it('restart_demo does not stop a stranger that has the pid by now', async () => {
    const state = join(target.demo.directory, 'process');
    const real = target.demo.pid();
    writeFileSync(state, readFileSync(state, 'utf8').replace(`Pid=${real}`, `Pid=${process.pid}`));
    expect((await script('restart-demo', 'demo')).status).toBe(0);
    process.kill(real, 'SIGKILL');
    expect(target.demo.pid()).not.toBe(process.pid);
  });

  it('rotate_demo starts a new log of the same process', async () => {
    const [pid, rotations] = [target.demo.pid(), target.demo.rotations()];
    expect(await script('rotate-demo')).toMatchObject({ status: 0, stderr: '' });
    expect([target.demo.pid(), target.demo.rotations()]).toEqual([pid, rotations + 1]);
    expect(statSync(join(target.demo.directory, 'log.1')).isFile()).toBe(true);
  });

  it('slow_demo counts its runs', async () => {
    expect(target.demo.slowRuns()).toBe(0);
    expect((await script('slow-demo', '1')).stdout).toBe('second 1\n');
    expect((await script('slow-demo', '1; id')).status).toBe(3);
    expect(target.demo.slowRuns()).toBe(1);
  });
});

it('leaves nothing behind', async () => {
  const other = await startEmbeddedTarget();
  const pid = other.demo.pid();
  expect(isAlive(pid)).toBe(true);
  spawn(join(other.prefix, 'lib/scripts/slow-demo'), ['20'], { stdio: 'ignore', detached: true }).unref();
  await until(() => other.processes().length === 2);
  await other.stop();
  expect(isAlive(pid)).toBe(false);
  expect(other.processes()).toEqual([]);
  expect(existsSync(other.prefix)).toBe(false);
});
