import type { FactParser } from '../parser.ts';

/** Parsers of diagnostics about containers, by the name a definition gives. */
export const containersParsers: readonly (readonly [name: string, parser: FactParser])[] = [];
