import type { FactParser } from '../parser.ts';

/** Parsers of diagnostics about processes, by the name a definition gives. */
export const processesParsers: readonly (readonly [name: string, parser: FactParser])[] = [];
