import { df } from './df.ts';
import { failedUnits } from './failed-units.ts';
import { journal } from './journal.ts';
import { keyExpiry } from './key-expiry.ts';
import { meminfo } from './meminfo.ts';
import type { FactParser } from './parser.ts';
import { sockets } from './sockets.ts';
import { uptime } from './uptime.ts';

/** The parsers a diagnostic may name (`parse: {parser: df}`). */
export const parsers: ReadonlyMap<string, FactParser> = new Map([
  ['df', df],
  ['failed_units', failedUnits],
  ['journal', journal],
  ['key_expiry', keyExpiry],
  ['meminfo', meminfo],
  ['sockets', sockets],
  ['uptime', uptime],
]);
