import { spawnSync } from 'node:child_process';
import { PraError } from '../../errors.ts';
import { say } from '../say.ts';

const MOST_BYTES = 64 * 1_048_576;
const SECONDS = 120;

/**
 * What a program of this machine says, started as a list of words; it may speak to the person on standard error. Throws USAGE when
 * it is not installed, fails, or says more than 64 MiB.
 */
export const runProgram = (program: string, argv: readonly string[]): string => {
  const done = spawnSync(program, argv, {
    encoding: 'utf8',
    maxBuffer: MOST_BYTES,
    timeout: SECONDS * 1_000,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const error: NodeJS.ErrnoException | undefined = done.error;
  if (error?.code === 'ENOENT')
    throw new PraError('USAGE', { what: say('import.no_program', { program }) }, done.error);
  if (done.status !== 0)
    throw new PraError('USAGE', { what: say('import.program', { program }) }, done.error);
  return done.stdout;
};
