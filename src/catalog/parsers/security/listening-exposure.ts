import { outputLines } from '../../output-lines.ts';
import { socketOf } from '../network/sockets.ts';
import type { FactParser } from '../parser.ts';

/** What listens at a port by convention (IANA, or the program's own default); `true`: not for everybody to reach. */
const SERVICES: ReadonlyMap<number, readonly [service: string, sensitive: boolean]> = new Map([
  [21, ['ftp', false]],
  [22, ['ssh', false]],
  [23, ['telnet', true]],
  [25, ['smtp', false]],
  [53, ['dns', false]],
  [80, ['http', false]],
  [111, ['rpcbind', true]],
  [123, ['ntp', false]],
  [143, ['imap', false]],
  [389, ['ldap', true]],
  [443, ['https', false]],
  [445, ['smb', true]],
  [465, ['smtps', false]],
  [587, ['submission', false]],
  [873, ['rsync', true]],
  [993, ['imaps', false]],
  [2049, ['nfs', true]],
  [2375, ['docker without tls', true]],
  [2379, ['etcd', true]],
  [3306, ['mysql', true]],
  [4369, ['epmd', true]],
  [5432, ['postgresql', true]],
  [5672, ['amqp', true]],
  [5984, ['couchdb', true]],
  [6379, ['redis', true]],
  [6443, ['kubernetes api', true]],
  [8500, ['consul', true]],
  [9000, ['php-fpm', true]],
  [9200, ['elasticsearch', true]],
  [10_250, ['kubelet', true]],
  [11_211, ['memcached', true]],
  [15_672, ['rabbitmq management', true]],
  [27_017, ['mongodb', true]],
]);
const MOST_ROWS = 60;

type Reach = 'all' | 'address' | 'loopback';

interface Listener {
  readonly protocol: string;
  readonly port: number;
  readonly reach: Reach;
  readonly addresses: string;
  readonly service: string | undefined;
  readonly sensitive: boolean;
}

/** ss -H -l -n -t -u (ss(8)): what listens on more than loopback, one row a protocol and port. */
export const listeningExposure: FactParser = (sections, codes) => {
  if (codes.get('sockets') !== 0) return {};
  const byPort = new Map<string, { protocol: string; port: number; addresses: Set<string> }>();
  for (const line of outputLines(sections.get('sockets') ?? '')) {
    const socket = socketOf(line);
    if (socket === undefined) continue;
    const { protocol, port, address } = socket;
    const key = `${protocol} ${String(port)}`;
    const known = byPort.get(key) ?? { protocol, port, addresses: new Set<string>() };
    known.addresses.add(address);
    byPort.set(key, known);
  }
  const listeners = [...byPort.values()].map(listenerOf).toSorted(worstFirst);
  const exposed = listeners.filter(({ reach }) => reach !== 'loopback');
  const sensitive = exposed.filter((listener) => listener.sensitive);
  const tcp = exposed.filter(({ protocol }) => protocol === 'tcp').map(({ port }) => port);
  return {
    exposed: exposed.length,
    exposed_tcp_ports: tcp.toSorted((a, b) => a - b).join(' ') || 'none',
    exposed_sensitive: sensitive.length,
    sensitive_ports:
      sensitive.map(({ port, service }) => `${String(port)} ${service ?? ''}`).join(', ') || 'none',
    loopback_only: listeners.length - exposed.length,
    listeners: listeners.slice(0, MOST_ROWS),
  };
};

const listenerOf = ({
  protocol,
  port,
  addresses,
}: {
  readonly protocol: string;
  readonly port: number;
  readonly addresses: ReadonlySet<string>;
}): Listener => {
  const reaches = [...addresses].map(reachOf);
  const reach = reaches.includes('all') ? 'all' : reaches.includes('address') ? 'address' : 'loopback';
  const [service, sensitive = false] = SERVICES.get(port) ?? [];
  return { protocol, port, reach, addresses: [...addresses].join(' '), service, sensitive };
};

/** ss writes `127.0.0.53%lo`, `[::1]`, `*` (all of both families) and `[::ffff:127.0.0.1]`. */
const reachOf = (address: string): Reach => {
  const bare = address.replace(/^\[|\]$/gu, '').replace(/%.*$/u, '');
  if (bare === '*' || bare === '0.0.0.0' || bare === '::') return /%lo\b/u.test(address) ? 'loopback' : 'all';
  return /^(?:127\.|::1$|::ffff:127\.)/u.test(bare) ? 'loopback' : 'address';
};

const REACHES: readonly Reach[] = ['all', 'address', 'loopback'];

const worstFirst = (one: Listener, other: Listener): number =>
  weight(one) - weight(other) ||
  REACHES.indexOf(one.reach) - REACHES.indexOf(other.reach) ||
  one.port - other.port ||
  (one.protocol < other.protocol ? -1 : 1);

const weight = ({ sensitive, reach }: Listener): number => (reach === 'loopback' ? 2 : sensitive ? 0 : 1);
