import type { FactParser } from '../parser.ts';
import { coreDumps } from './core-dumps.ts';
import { failedUnits } from './failed-units.ts';
import { socketUnits } from './socket-units.ts';
import { timers } from './timers.ts';
import { unitDependencies } from './unit-dependencies.ts';

/** Parsers of diagnostics about services, by the name a definition gives. */
export const servicesParsers: readonly (readonly [name: string, parser: FactParser])[] = [
  ['core_dumps', coreDumps],
  ['failed_units', failedUnits],
  ['socket_units', socketUnits],
  ['timers', timers],
  ['unit_dependencies', unitDependencies],
];
