import type { FactParser } from '../parser.ts';
import { keyExpiry } from './key-expiry.ts';
import { listeningExposure } from './listening-exposure.ts';
import { loginUsers } from './login-users.ts';

/** Parsers of diagnostics about security, by the name a definition gives. */
export const securityParsers: readonly (readonly [name: string, parser: FactParser])[] = [
  ['key_expiry', keyExpiry],
  ['listening_exposure', listeningExposure],
  ['login_users', loginUsers],
];
