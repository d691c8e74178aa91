import type { FactParser } from '../parser.ts';
import { readiness } from './readiness.ts';

/** Parsers of diagnostics about backups, by the name a definition gives. */
export const backupsParsers: readonly (readonly [name: string, parser: FactParser])[] = [
  ['readiness', readiness],
];
