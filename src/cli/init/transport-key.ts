import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { PraError } from '../../errors.ts';
import { say } from '../say.ts';

const keygen = (argv: readonly string[]): string => {
  const done = spawnSync('ssh-keygen', argv, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  if (done.status !== 0) throw new PraError('USAGE', { what: say('init.keygen') }, done.error);
  return done.stdout;
};

/**
 * Makes an ed25519 key without a passphrase (0600, as ssh-keygen writes it) unless there is one. True when it was made.
 * A transport key opens a forced command and nothing else; its passphrase would have to lie beside it. Throws USAGE.
 */
export const ensureTransportKey = (path: string, comment: string): boolean => {
  if (existsSync(path) || existsSync(`${path}.pub`)) return false;
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  keygen(['-q', '-t', 'ed25519', '-N', '', '-C', comment, '-f', path]);
  return true;
};

/** The public line of a key; read from the private file (unencrypted ones only) when there is no .pub. */
export const publicLine = (path: string): string =>
  existsSync(`${path}.pub`) ? readFileSync(`${path}.pub`, 'utf8') : keygen(['-y', '-P', '', '-f', path]);
