import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

export interface PtyStep {
  /** Regular expression (Python) for what must be on the screen since the last step. */
  readonly expect: string;
  readonly send: string;
}

export interface PtyResult {
  readonly code: number;
  readonly screen: string;
  /** The expression that never matched. */
  readonly missed: string | null;
}

/** Runs a command on a real pseudo-terminal and types the steps (pty.py). */
export const onPty = async (
  argv: readonly string[],
  steps: readonly PtyStep[],
  options: { readonly env: NodeJS.ProcessEnv; readonly cwd?: string; readonly seconds?: number },
): Promise<PtyResult> => {
  const child = spawn('python3', ['-I', join(import.meta.dirname, 'pty.py')], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  child.stdin.end(
    JSON.stringify({ argv, steps, env: options.env, cwd: options.cwd, seconds: options.seconds ?? 60 }),
  );
  return JSON.parse(await text(child.stdout)) as PtyResult;
};
