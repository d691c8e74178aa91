import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

export interface PtyStep {
  /** Regular expression (Python) for what must be on the screen since the last step. */
  readonly expect: string;
  readonly send: string;
  /** Sent to the program itself, after the typing. */
  readonly signal?: NodeJS.Signals;
  /** A file that is made now, for a test to wait for. */
  readonly touch?: string;
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

/** Runs a command on a real pseudo-terminal and types the steps (pty.py). */
export const onPty = async (
  argv: readonly string[],
  steps: readonly PtyStep[],
  options: {
    readonly env: NodeJS.ProcessEnv;
    readonly cwd?: string;
    readonly seconds?: number;
    readonly rows?: number;
    readonly columns?: number;
  },
): Promise<PtyResult> => {
  const child = spawn('python3', ['-I', join(import.meta.dirname, 'pty.py')], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const { env, cwd, seconds = 60, rows, columns } = options;
  child.stdin.end(JSON.stringify({ argv, steps, env, cwd, seconds, rows, columns }));
  return JSON.parse(await text(child.stdout)) as PtyResult;
};
