import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { PROGRAM, type Operator } from './operator.ts';

/** A JSON-RPC message as the server sent it. */
export interface RpcMessage {
  readonly jsonrpc: string;
  readonly id?: number | string;
  readonly method?: string;
  readonly params?: Record<string, unknown>;
  readonly result?: Record<string, unknown>;
  readonly error?: { readonly code: number; readonly message: string };
}

/** `mcp-pra serve` with its bare standard streams: for what a well-behaved client never does. */
export interface RawMcp extends AsyncDisposable {
  readonly pid: number;
  /** Lines of standard output as they came. */
  readonly lines: string[];
  readonly stderr: () => string;
  /** Bytes as they are. */
  write(bytes: string | Buffer): void;
  /** A request; resolves with its answer. */
  ask(method: string, params?: Record<string, unknown>): Promise<RpcMessage>;
  notify(method: string, params?: Record<string, unknown>): void;
  /** initialize and initialized. */
  greet(client?: string): Promise<RpcMessage>;
  /** Calls a tool; the text of the answer. */
  call(
    name: string,
    args?: Record<string, unknown>,
  ): Promise<{ readonly text: string; readonly isError: boolean }>;
  /** Closes standard input. */
  end(): void;
  kill(signal: NodeJS.Signals): void;
  /** The exit code, or the signal. */
  readonly exited: Promise<number | NodeJS.Signals | null>;
}

export const startRawMcp = (operator: Pick<Operator, 'env'>): RawMcp => {
  const child = spawn(process.execPath, [PROGRAM, 'serve'], { env: operator.env, stdio: 'pipe' });
  const { pid } = child;
  if (pid === undefined) throw new Error('serve did not start');
  const lines: string[] = [];
  const waiting = new Map<number | string, (message: RpcMessage) => void>();
  let stderr = '';
  let next = 1;
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  child.stdin.on('error', () => {});
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(line);
    const message = JSON.parse(line) as RpcMessage;
    if (message.id !== undefined) waiting.get(message.id)?.(message);
  });
  const exited = new Promise<number | NodeJS.Signals | null>((resolve) => {
    child.once('close', (code, signal) => resolve(code ?? signal));
  });
  const write = (bytes: string | Buffer): void => void child.stdin.write(bytes);
  const send = (message: object): void => write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
  const ask = (method: string, params?: Record<string, unknown>): Promise<RpcMessage> => {
    const id = next;
    next += 1;
    return new Promise((resolve, reject) => {
      waiting.set(id, resolve);
      void exited.then((how) => reject(new Error(`serve ended (${String(how)}): ${stderr}`)));
      send({ id, method, params });
    });
  };
  const notify = (method: string, params?: Record<string, unknown>): void => send({ method, params });
  return {
    pid,
    lines,
    stderr: () => stderr,
    write,
    ask,
    notify,
    greet: async (client = 'raw-client') => {
      const answer = await ask('initialize', {
        protocolVersion: '2025-06-18',
        capabilities: {},
        clientInfo: { name: client, version: '1' },
      });
      notify('notifications/initialized');
      return answer;
    },
    call: async (name, args = {}) => {
      const { result, error } = await ask('tools/call', { name, arguments: args });
      if (result === undefined) throw new Error(JSON.stringify(error));
      const content = result['content'] as readonly { readonly text: string }[];
      return { text: content.map(({ text }) => text).join('\n'), isError: result['isError'] === true };
    },
    end: () => void child.stdin.end(),
    kill: (signal) => void child.kill(signal),
    exited,
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL');
      await exited;
    },
  };
};
