import { asObject, type JsonObject } from '../json-output.ts';
import type { FactParser } from '../parser.ts';
import { countIn, ipObjects, textIn, wordsIn } from './ip-json.ts';

/** ip -j -s -d link show (ip-link(8)): counters are since the interface was made. */
export const linkErrors: FactParser = (sections) => {
  const links = ipObjects(sections.get('links')).map(linkOf);
  const sum = (of: (link: Link) => number): number => links.reduce((total, link) => total + of(link), 0);
  const rows = links.toSorted((a, b) => troubleOf(b) - troubleOf(a));
  const [worst] = rows;
  return {
    interfaces: links.length,
    without_carrier: links.filter(({ up, carrier }) => up && !carrier).length,
    errors: sum((link) => link.rx_errors + link.tx_errors),
    dropped: sum((link) => link.rx_dropped + link.tx_dropped),
    worst_interface: worst !== undefined && troubleOf(worst) > 0 ? worst.interface : 'none',
    mtus:
      [...new Set(links.filter((link) => link.kind !== 'loopback').map(({ mtu }) => mtu))].join(' ') ||
      'none',
    links: rows.map(({ up: _up, ...row }) => row),
  };
};

interface Link {
  readonly interface: string | undefined;
  readonly kind: string | undefined;
  readonly state: string | undefined;
  readonly up: boolean;
  readonly carrier: boolean;
  readonly mtu: number | undefined;
  readonly vlan: number | undefined;
  readonly master: string | undefined;
  readonly rx_bytes: number | undefined;
  readonly tx_bytes: number | undefined;
  readonly rx_errors: number;
  readonly tx_errors: number;
  readonly rx_dropped: number;
  readonly tx_dropped: number;
  readonly carrier_errors: number | undefined;
  readonly collisions: number | undefined;
}

const linkOf = (link: JsonObject): Link => {
  const flags = wordsIn(link['flags']);
  const info = asObject(link['linkinfo']);
  const stats = asObject(link['stats64']);
  const [rx, tx] = [asObject(stats['rx']), asObject(stats['tx'])];
  return {
    interface: textIn(link['ifname']),
    kind: textIn(info['info_kind']) ?? textIn(link['link_type']),
    state: textIn(link['operstate']),
    up: flags.includes('UP'),
    carrier: flags.includes('LOWER_UP'),
    mtu: countIn(link['mtu']),
    vlan: countIn(asObject(info['info_data'])['id']),
    master: textIn(link['master']),
    rx_bytes: countIn(rx['bytes']),
    tx_bytes: countIn(tx['bytes']),
    rx_errors: countIn(rx['errors']) ?? 0,
    tx_errors: countIn(tx['errors']) ?? 0,
    rx_dropped: countIn(rx['dropped']) ?? 0,
    tx_dropped: countIn(tx['dropped']) ?? 0,
    carrier_errors: countIn(tx['carrier_errors']),
    collisions: countIn(tx['collisions']),
  };
};

const troubleOf = (link: Link): number => link.rx_errors + link.tx_errors + link.rx_dropped + link.tx_dropped;
