import { integerOf, outputLines, words } from '../../output-lines.ts';
import type { FactParser } from '../parser.ts';

/** ss -H -l -n -t -u (ss(8)): `netid state recv-q send-q local:port peer:port`. */
export const sockets: FactParser = (sections) => {
  const found = outputLines([...sections.values()].join('\n'))
    .map(socketOf)
    .filter((socket) => socket !== undefined);
  return {
    count: found.length,
    sockets: found,
    tcp_ports: ports(found.filter(({ protocol }) => protocol === 'tcp')),
    udp_ports: ports(found.filter(({ protocol }) => protocol === 'udp')),
  };
};

interface Socket {
  readonly protocol: string;
  readonly address: string;
  readonly port: number;
  readonly queued: number | undefined;
}

/** One line of ss; undefined for what is none. */
export const socketOf = (line: string): Socket | undefined => {
  const [protocol, , queued, , local = ''] = words(line);
  const colon = local.lastIndexOf(':');
  const port = integerOf(local.slice(colon + 1));
  if ((protocol !== 'tcp' && protocol !== 'udp') || colon < 1 || port === undefined) return undefined;
  return { protocol, address: local.slice(0, colon), port, queued: integerOf(queued) };
};

/** The distinct ports in order, as one line a person can read. */
const ports = (found: readonly Socket[]): string =>
  [...new Set(found.map(({ port }) => port))].sort((a, b) => a - b).join(' ') || 'none';
