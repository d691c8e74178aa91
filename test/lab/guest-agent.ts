import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Captured } from './capture.ts';

// The guest agent of QEMU: how a test runs programs as root in a virtual machine without ssh. One JSON object a line;
// its socket serves one connection at a time, so that each request has a short connection of its own.
// https://www.qemu.org/docs/master/interop/qemu-ga-ref.html

/** Each question is work for an emulated processor, and a line in the guest's journal: fewer, the longer it takes. */
const FIRST_POLL_MS = 30;
const LAST_POLL_MS = 1_000;

/**
 * Runs a program as root in the guest and keeps what it wrote (at most 16 MiB). `code` is 128 + signal number when a
 * signal ended it. After `timeoutMs` (default 180 s) it is killed and the promise rejects.
 */
export async function runInGuest(
  socketPath: string,
  argv: readonly string[],
  options: {
    readonly input?: string | Buffer;
    readonly timeoutMs?: number;
    readonly env?: Record<string, string>;
  } = {},
): Promise<Captured> {
  const timeoutMs = options.timeoutMs ?? 180_000;
  const deadline = Date.now() + timeoutMs;
  const [path, ...args] = argv;
  const started = await ask<{ pid: number }>(socketPath, 'guest-exec', {
    path,
    arg: args,
    env: Object.entries(options.env ?? {}).map(([name, value]) => `${name}=${value}`),
    'input-data': Buffer.from(options.input ?? '').toString('base64'),
    'capture-output': true,
  });
  for (let pollMs = FIRST_POLL_MS; ; pollMs = Math.min(1.5 * pollMs, LAST_POLL_MS)) {
    const status = await ask<ExecStatus>(socketPath, 'guest-exec-status', { pid: started.pid });
    if (status.exited) {
      return {
        code: status.signal === undefined ? (status.exitcode ?? 0) : 128 + status.signal,
        stdout: decode(status['out-data']),
        stderr: decode(status['err-data']),
      };
    }
    if (Date.now() > deadline) {
      await ask(socketPath, 'guest-exec', { path: '/usr/bin/kill', arg: ['-KILL', String(started.pid)] });
      throw new Error(`${String(path)} was stopped after ${String(timeoutMs)} ms`);
    }
    await sleep(pollMs);
  }
}

interface ExecStatus {
  readonly exited: boolean;
  readonly exitcode?: number;
  readonly signal?: number;
  readonly 'out-data'?: string;
  readonly 'err-data'?: string;
}

const decode = (data: string | undefined): string => Buffer.from(data ?? '', 'base64').toString('utf8');

/** The byte after which a reply to guest-sync-delimited begins: whatever an earlier client left is before it. */
const DELIMITER = 0xff;

async function ask<T>(
  socketPath: string,
  execute: string,
  parameters: object,
  timeoutMs = 30_000,
): Promise<T> {
  const socket = connect(socketPath);
  socket.setTimeout(timeoutMs, () => socket.destroy(new Error(`the guest agent is silent: ${execute}`)));
  try {
    await once(socket, 'connect');
    const id = Math.floor(Math.random() * 2 ** 31);
    const sync = JSON.stringify({ execute: 'guest-sync-delimited', arguments: { id } });
    const command = JSON.stringify({ execute, arguments: parameters });
    socket.write(Buffer.concat([Buffer.from([DELIMITER]), Buffer.from(`${sync}\n`)]));
    const left = await readLine(socket, DELIMITER);
    if ((JSON.parse(left) as { return: number }).return !== id)
      throw new Error('the guest agent is out of step');
    socket.write(`${command}\n`);
    const answer = JSON.parse(await readLine(socket)) as { return?: T; error?: { desc: string } };
    if (answer.error !== undefined) throw new Error(`${execute}: ${answer.error.desc}`);
    return answer.return as T;
  } finally {
    socket.destroy();
  }
}

/** The next line; with `after`, the next one behind the last such byte. */
async function readLine(socket: Socket, after?: number): Promise<string> {
  let data: Buffer = Buffer.alloc(0);
  const ended = once(socket, 'close').then(() => {
    throw new Error('the guest agent hung up');
  });
  ended.catch(() => {});
  for (;;) {
    const [chunk] = (await Promise.race([once(socket, 'data'), ended])) as [Buffer];
    data = Buffer.concat([data, chunk]);
    const begin = after === undefined ? 0 : data.lastIndexOf(after) + 1;
    if (after !== undefined && begin === 0) continue;
    const end = data.indexOf(0x0a, begin);
    if (end >= 0) return data.subarray(begin, end).toString('utf8');
  }
}
