import { backupsParsers } from './backups/registry.ts';
import { certificatesParsers } from './certificates/registry.ts';
import { compositeParsers } from './composite/registry.ts';
import { containersParsers } from './containers/registry.ts';
import { databasesParsers } from './databases/registry.ts';
import { diskParsers } from './disk/registry.ts';
import { hostParsers } from './host/registry.ts';
import { logsParsers } from './logs/registry.ts';
import { networkParsers } from './network/registry.ts';
import { packagesParsers } from './packages/registry.ts';
import { processesParsers } from './processes/registry.ts';
import { securityParsers } from './security/registry.ts';
import { servicesParsers } from './services/registry.ts';
import { webParsers } from './web/registry.ts';
import type { FactParser } from './parser.ts';

/** The parsers a diagnostic may name (`parse: {parser: df}`). Throws RangeError when two have one name. */
export const parsers: ReadonlyMap<string, FactParser> = once([
  ...backupsParsers,
  ...certificatesParsers,
  ...compositeParsers,
  ...containersParsers,
  ...databasesParsers,
  ...diskParsers,
  ...hostParsers,
  ...logsParsers,
  ...networkParsers,
  ...packagesParsers,
  ...processesParsers,
  ...securityParsers,
  ...servicesParsers,
  ...webParsers,
]);

function once(all: readonly (readonly [string, FactParser])[]): ReadonlyMap<string, FactParser> {
  const map = new Map(all);
  if (map.size < all.length) throw new RangeError('two parsers have one name');
  return map;
}
