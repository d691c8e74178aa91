import { asObjects } from '../json-output.ts';
import type { FactParser } from '../parser.ts';
import { countIn, ipObjects, textIn, wordsIn } from './ip-json.ts';

/** ip -j address show (ip-address(8)). */
export const addresses: FactParser = (sections) => {
  const links = ipObjects(sections.get('addresses'));
  const rows = links.flatMap((link) =>
    asObjects(link['addr_info']).map((one) => ({
      interface: textIn(link['ifname']),
      family: textIn(one['family']),
      address: textIn(one['local']),
      prefix: countIn(one['prefixlen']),
      scope: textIn(one['scope']),
      temporary: one['temporary'] === true ? true : undefined,
      deprecated: one['deprecated'] === true ? true : undefined,
      // Duplicate address detection found another holder (RFC 4862).
      duplicate: one['dadfailed'] === true ? true : undefined,
    })),
  );
  const global = (family: string): string =>
    rows
      .filter((row) => row.family === family && row.scope === 'global')
      .map(({ address }) => address)
      .join(' ') || 'none';
  return {
    interfaces: links.length,
    up: links.filter((link) => wordsIn(link['flags']).includes('LOWER_UP')).length,
    ipv4: global('inet'),
    ipv6: global('inet6'),
    addresses: rows,
    links: links.map((link) => ({
      interface: textIn(link['ifname']),
      state: textIn(link['operstate']),
      mtu: countIn(link['mtu']),
      mac: textIn(link['address']),
    })),
  };
};
