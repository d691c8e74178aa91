import type { FactParser } from '../parser.ts';
import { jsonRows, textIn } from './json-rows.ts';

/** systemctl list-sockets --output=json: one object an address. */
export const socketUnits: FactParser = (sections) => {
  if (sections.get('sockets')?.trim().startsWith('[') !== true) return {};
  const rows = jsonRows(sections.get('sockets')).map((row) => ({
    listen: textIn(row, 'listen'),
    unit: textIn(row, 'unit'),
    starts: textIn(row, 'activates'),
  }));
  const isNetwork = ({ listen }: (typeof rows)[number]): boolean =>
    listen !== undefined && /^(?:\[.*\]|[0-9.]+|\*)?:?[0-9]+$/u.test(listen);
  return {
    count: rows.length,
    network: rows.filter(isNetwork).length,
    sockets: rows.toSorted((a, b) => Number(isNetwork(b)) - Number(isNetwork(a))),
  };
};
