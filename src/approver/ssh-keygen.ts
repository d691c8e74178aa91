import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';

/**
 * Variables of the person's session that ssh-keygen gets, and no others: PATH finds it, TERM is for its questions; with a security key
 * also HOME, the agent (SSH_AUTH_SOCK) and the middleware of the device (SSH_SK_PROVIDER, a library that ssh-keygen loads).
 */
type Passed = 'PATH' | 'TERM' | 'HOME' | 'SSH_AUTH_SOCK' | 'SSH_SK_PROVIDER';

export interface KeygenCall {
  readonly args: readonly string[];
  readonly pass: readonly Passed[];
  /** Its standard input; the terminal's when there is none. */
  readonly input?: string;
  /** What it says on standard output is given back, or is for the person at the terminal. */
  readonly output: 'taken' | 'shown';
  /** What it says on standard error. */
  readonly errors: 'dropped' | 'shown';
  /** After which it is killed; never unless told, since a person types. */
  readonly seconds?: number;
}

/** Runs the system's ssh-keygen, without any askpass program. Rejects when it is not there; `code` is null when it was killed. */
export const runSshKeygen = async (
  call: KeygenCall,
): Promise<{ readonly code: number | null; readonly output: string }> => {
  const env: NodeJS.ProcessEnv = { SSH_ASKPASS_REQUIRE: 'never' };
  for (const name of call.pass) if (process.env[name] !== undefined) env[name] = process.env[name];
  const child = spawn('ssh-keygen', call.args, {
    stdio: [
      call.input === undefined ? 'inherit' : 'pipe',
      call.output === 'taken' ? 'pipe' : 'inherit',
      call.errors === 'dropped' ? 'ignore' : 'inherit',
    ],
    env,
    killSignal: 'SIGKILL',
    ...(call.seconds === undefined ? {} : { timeout: call.seconds * 1_000 }),
  });
  const { promise, resolve, reject } = Promise.withResolvers<number | null>();
  child.once('error', reject);
  child.once('close', resolve);
  // It may end before it has read everything.
  child.stdin?.on('error', () => undefined);
  child.stdin?.end(call.input);
  const [output, code] = await Promise.all([child.stdout === null ? '' : text(child.stdout), promise]);
  return { code, output };
};
