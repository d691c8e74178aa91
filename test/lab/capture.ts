import { spawn } from 'node:child_process';

/** What a finished process left. `code` is 128 + signal number when a signal ended it, as a shell has it. */
export interface Captured {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CaptureOptions {
  readonly input?: string | Buffer;
  /** After this long the whole process group is killed and the promise rejects. Default 180 s. */
  readonly timeoutMs?: number;
  readonly env?: Record<string, string>;
  readonly cwd?: string;
  /** Called with each complete line of standard output or standard error. */
  readonly onLine?: (line: string) => void;
  /** Kills the whole process group at once when it aborts; that is a result too (code 137). */
  readonly kill?: AbortSignal | undefined;
}

const SIGNAL_NUMBERS: Partial<Record<NodeJS.Signals, number>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGABRT: 6,
  SIGKILL: 9,
  SIGPIPE: 13,
  SIGTERM: 15,
};

/**
 * Runs a program to its end and keeps what it wrote. A non-zero exit is a result, not an error.
 * The child is the head of a process group of its own, so a timeout also ends what it started.
 */
export async function capture(
  program: string,
  argv: readonly string[],
  options: CaptureOptions = {},
): Promise<Captured> {
  const timeoutMs = options.timeoutMs ?? 180_000;
  return await new Promise<Captured>((resolve, reject) => {
    const child = spawn(program, argv, {
      stdio: 'pipe',
      detached: true,
      env: options.env ?? process.env,
      cwd: options.cwd,
    });
    const chunks = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
    for (const name of ['stdout', 'stderr'] as const) {
      let partial = '';
      child[name].on('data', (chunk: Buffer) => {
        chunks[name].push(chunk);
        if (options.onLine === undefined) return;
        const lines = (partial + chunk.toString('utf8')).split('\n');
        partial = lines.pop() ?? '';
        for (const line of lines) options.onLine(line);
      });
    }
    const killGroup = (): void => {
      if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, 'SIGKILL');
    };
    options.kill?.addEventListener('abort', killGroup, { once: true });
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      killGroup();
    }, timeoutMs);
    child.on('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      options.kill?.removeEventListener('abort', killGroup);
      const captured = {
        code: code ?? 128 + ((signal === null ? undefined : SIGNAL_NUMBERS[signal]) ?? 0),
        stdout: Buffer.concat(chunks.stdout).toString('utf8'),
        stderr: Buffer.concat(chunks.stderr).toString('utf8'),
      };
      if (timedOut) {
        reject(
          new Error(`${program} was stopped after ${timeoutMs} ms\n${captured.stdout}${captured.stderr}`),
        );
      } else resolve(captured);
    });
    // A program that does not read its input closes the pipe early: that is its choice, not our failure.
    child.stdin.on('error', () => {});
    child.stdin.end(options.input ?? '');
  });
}

/** As `capture`, for steps that have to succeed: a non-zero exit rejects with what the program said. */
export async function mustRun(
  program: string,
  argv: readonly string[],
  options: CaptureOptions = {},
): Promise<string> {
  const { code, stdout, stderr } = await capture(program, argv, options);
  if (code !== 0) throw new Error(`${program} ${argv.join(' ')} ended with ${code}: ${stderr || stdout}`);
  return stdout;
}
