import type { FactParser } from '../parser.ts';
import { pendingUpdates } from './pending-updates.ts';

/** Parsers of diagnostics about packages, by the name a definition gives. */
export const packagesParsers: readonly (readonly [name: string, parser: FactParser])[] = [
  ['pending_updates', pendingUpdates],
];
