import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import type { Store } from '../../src/request/ports.ts';
import { openStore } from '../../src/store/open.ts';
import { enrolInStore, type EnrolledForTest } from './authenticator.ts';
import { checkOutput } from './checked-output.ts';
import { onPty, type PtyResult, type PtyStep } from './on-pty.ts';

const ROOT = join(import.meta.dirname, '../..');
/** The program as it is published; `npm test` builds it first. */
export const PROGRAM = join(ROOT, 'dist/main.js');

/** An operator's machine: a home of its own with configuration, keys and database, and the real program. */
export interface Operator {
  readonly home: string;
  readonly config: string;
  readonly stateDir: string;
  readonly env: NodeJS.ProcessEnv;
  /** Runs `mcp-pra …` without a terminal. */
  cli(
    ...argv: string[]
  ): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }>;
  /** The rows of the ledger with this code, oldest first. */
  ledger(code: string): Promise<
    readonly {
      readonly kind: string;
      readonly host?: string;
      readonly detail: Readonly<Record<string, unknown>>;
    }[]
  >;
  /** Runs `mcp-pra …` on a real pseudo-terminal and types. */
  typed(argv: readonly string[], steps: readonly PtyStep[], seconds?: number): Promise<PtyResult>;
  /** `mcp-pra serve` as a child, with a real MCP client on its stdio. Close it. */
  serve(): Promise<McpSession>;
}

export interface McpSession {
  readonly client: Client;
  readonly pid: number | null;
  /** Calls a tool and checks the form of its data; `text` is all text content. */
  call(name: string, args?: Record<string, unknown>): Promise<ToolAnswer>;
  close(): Promise<void>;
}

export interface ToolAnswer {
  readonly text: string;
  readonly isError: boolean;
  readonly data: Record<string, unknown>;
}

export interface OperatorOptions {
  /** Directory that is this operator's alone. */
  readonly home: string;
  readonly hosts: Readonly<
    Record<
      string,
      {
        readonly address: string;
        readonly port?: number;
        readonly tags?: readonly string[];
        readonly jump?: string;
        readonly transport?: 'ssh2' | 'openssh';
        readonly certificate?: boolean;
      }
    >
  >;
  readonly keys: { readonly reader: string; readonly runner: string; readonly auto?: string };
  readonly approver?: { readonly principal: string; readonly key: string };
  readonly knownHosts: string;
  /** More of mcp-pra.yaml. */
  readonly more?: Readonly<Record<string, unknown>>;
}

/** Lays out an operator's machine. JSON is YAML. */
export const makeOperator = (options: OperatorOptions): Operator => {
  const { home } = options;
  const configDir = join(home, '.config/mcp-pra');
  mkdirSync(configDir, { recursive: true, mode: 0o700 });
  const config = join(configDir, 'mcp-pra.yaml');
  const { hosts, keys, approver, knownHosts, more } = options;
  writeFileSync(
    config,
    JSON.stringify({ version: 1, hosts, keys, approver, known_hosts: knownHosts, ...more }, undefined, 2),
    {
      mode: 0o600,
    },
  );
  // Nothing of the machine's own settings, and no agent.
  const env = { PATH: process.env['PATH'], HOME: home, LANG: 'C.UTF-8', TERM: 'xterm', NO_COLOR: '1' };
  const cli: Operator['cli'] = async (...argv) => {
    const child = spawn(process.execPath, [PROGRAM, ...argv], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    const ended = new Promise<number>((resolve) => child.on('close', (code) => resolve(code ?? -1)));
    const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
    return { code, stdout, stderr };
  };
  return {
    home,
    config,
    stateDir: join(home, '.local/state/mcp-pra'),
    env,
    cli,
    ledger: async (wanted) => {
      const { stdout } = await cli('audit', 'tail', '-n', '200', '--json');
      const rows = stdout
        .split('\n')
        .filter((line) => line !== '')
        .map(
          (line) =>
            JSON.parse(line) as {
              kind: string;
              code: string;
              host?: string;
              detail: Record<string, unknown>;
            },
        );
      return rows.filter(({ code }) => code === wanted);
    },
    typed: (argv, steps, seconds) =>
      onPty([process.execPath, PROGRAM, ...argv], steps, { env, seconds: seconds ?? 60, cwd: home }),
    serve: () => serve(env as Record<string, string>),
  };
};

const serve = async (env: Record<string, string>): Promise<McpSession> => {
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: [PROGRAM, 'serve'],
    env,
    stderr: 'ignore',
  });
  const client = new Client({ name: 'test-client', version: '1.0.0' });
  await client.connect(transport);
  return {
    client,
    pid: transport.pid,
    call: async (name, args = {}) => {
      const result = await client.callTool({ name, arguments: args }, undefined, { timeout: 60_000 });
      if (result.isError !== true) checkOutput(name, result.structuredContent);
      const content = result.content as readonly { type: string; text?: string }[];
      return {
        text: content.map((part) => part.text ?? '').join('\n'),
        isError: result.isError === true,
        data: (result.structuredContent ?? {}) as Record<string, unknown>,
      };
    },
    close: () => client.close(),
  };
};

/** What a person types at `mcp-pra approve`: yes, then the passphrase. */
export const approveSteps = (passphrase: string): readonly PtyStep[] => [
  { expect: '\\[y/N\\]', send: 'y\n' },
  { expect: '[Pp]assphrase', send: `${passphrase}\n` },
];

/** The same for HIGH: the name of the host, the passphrase, and a code or a recovery code. */
export const approveHighSteps = (host: string, passphrase: string, code: string): readonly PtyStep[] => [
  { expect: 'type the name of the host', send: `${host}\n` },
  { expect: '[Pp]assphrase', send: `${passphrase}\n` },
  { expect: 'Code of', send: `${code}\n` },
];

/** Works on the database of an operator's machine. */
export const inStore = async <T>(
  operator: Pick<Operator, 'stateDir'>,
  work: (store: Store) => T | Promise<T>,
): Promise<T> => {
  const store = await openStore({ dir: operator.stateDir, clock: Date });
  try {
    return await work(store);
  } finally {
    store.close();
  }
};

/** Gives the approver of an operator's machine a one-time password. */
export const enrolOperator = (
  operator: Pick<Operator, 'stateDir'>,
  who: { readonly principal: string; readonly passphrase: string; readonly key?: string },
): Promise<EnrolledForTest> => inStore(operator, (store) => enrolInStore(store, who));
