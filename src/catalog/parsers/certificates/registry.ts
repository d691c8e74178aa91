import type { FactParser } from '../parser.ts';

/** Parsers of diagnostics about certificates, by the name a definition gives. */
export const certificatesParsers: readonly (readonly [name: string, parser: FactParser])[] = [];
