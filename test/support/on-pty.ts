import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

export interface PtyStep {
  /** Regular expression (Python) for what must be on the screen since the last step: what came with that, in one piece, counts to it. */
  readonly expect: string;
  /** `{code}` in it is the one-time code of the secret that was found. */
  readonly send: string;
  /** Finds a base32 secret on the screen: group 1. */
  readonly secret?: string;
  /** Sent to the program itself, after the typing. */
  readonly signal?: NodeJS.Signals;
  /** A file that is made now, for a test to wait for. */
  readonly touch?: string;
  /** Typed only when this file is there. */
  readonly after?: string;
  /** The terminal gets another size. */
  readonly size?: readonly [rows: number, columns: number];
}

export interface PtyResult {
  readonly code: number;
  readonly screen: string;
  /** The expression that never matched. */
  readonly missed: string | null;
  /** The terminal was left as it was: with echo, and line by line. */
  readonly cooked: boolean;
}

export interface PtyOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly cwd?: string;
  readonly seconds?: number;
  readonly rows?: number;
  readonly columns?: number;
}

/** Runs a command on a real pseudo-terminal and types the steps (pty.py). Rejects with the screen when one of them never comes. */
export const onPty = (
  argv: readonly string[],
  steps: readonly PtyStep[],
  options: PtyOptions,
): Promise<PtyResult> => startOnPty(argv, steps, options).result;

/** The same, for whoever wants its process: the only child of `pid`. */
export const startOnPty = (
  argv: readonly string[],
  steps: readonly PtyStep[],
  options: PtyOptions,
): { readonly pid: number; readonly result: Promise<PtyResult> } => {
  const child = spawn('python3', ['-I', join(import.meta.dirname, 'pty.py')], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const { env, cwd, seconds = 50, rows, columns } = options;
  child.stdin.end(JSON.stringify({ argv, steps, env, cwd, seconds, rows, columns }));
  const result = text(child.stdout).then((said) => {
    const done = JSON.parse(said) as PtyResult;
    if (done.missed === null) return done;
    const end = JSON.stringify(done.screen.slice(-3_000));
    throw new Error(`${argv.join(' ')}: never showed ${done.missed}; the end of what it showed: ${end}`);
  });
  return { pid: child.pid ?? 0, result };
};
