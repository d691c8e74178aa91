import type { FactParser } from '../parser.ts';
import { addresses } from './addresses.ts';
import { linkErrors } from './link-errors.ts';
import { neighbours } from './neighbours.ts';
import { networkBonds } from './network-bonds.ts';
import { resolverConfig } from './resolver-config.ts';
import { routes } from './routes.ts';
import { socketSummary } from './socket-summary.ts';
import { tcpHealth } from './tcp-health.ts';
import { sockets } from './sockets.ts';

/** Parsers of diagnostics about network, by the name a definition gives. */
export const networkParsers: readonly (readonly [name: string, parser: FactParser])[] = [
  ['addresses', addresses],
  ['link_errors', linkErrors],
  ['neighbours', neighbours],
  ['network_bonds', networkBonds],
  ['resolver_config', resolverConfig],
  ['routes', routes],
  ['socket_summary', socketSummary],
  ['tcp_health', tcpHealth],
  ['sockets', sockets],
];
