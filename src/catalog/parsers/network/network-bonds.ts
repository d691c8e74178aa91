import { integerOf, outputLines } from '../../output-lines.ts';
import type { FactParser } from '../parser.ts';

/** grep -r -H -e : /proc/net/bonding: `path:key: value`; the part before the first `Slave Interface` is of the bond itself (bonding.txt of the kernel). */
const LINE = /^\/proc\/net\/bonding\/([^:/]{1,64}):[ \t]*([A-Za-z0-9 ()]{1,64}): ?(.*)$/u;

interface Part {
  readonly bond: string;
  readonly slave: string | undefined;
  readonly values: Map<string, string>;
}

/** A bond and its slaves, in the order of the kernel. */
export const networkBonds: FactParser = (sections) => {
  const parts: Part[] = [];
  for (const line of outputLines(sections.get('bonds') ?? '')) {
    const [, bond = '', key = '', value = ''] = LINE.exec(line) ?? [];
    if (bond === '') continue;
    const last = parts.at(-1);
    if (key === 'Slave Interface') parts.push({ bond, slave: value.trim(), values: new Map() });
    else if (last?.bond === bond) setOnce(last.values, key, value.trim());
    else parts.push({ bond, slave: undefined, values: new Map([[key, value.trim()]]) });
  }
  const slaves = parts.filter(({ slave }) => slave !== undefined);
  const isDown = ({ values }: Part): boolean => values.get('MII Status') !== 'up';
  return {
    count: new Set(parts.map(({ bond }) => bond)).size,
    slaves_down: slaves.filter(isDown).length,
    bonds: parts
      .filter(({ slave }) => slave === undefined)
      .map(({ bond, values }) => ({
        bond,
        mode: values.get('Bonding Mode'),
        status: values.get('MII Status'),
        active_slave: values.get('Currently Active Slave'),
        slaves: slaves.filter((slave) => slave.bond === bond).length,
        slaves_down: slaves.filter((slave) => slave.bond === bond && isDown(slave)).length,
      })),
    slaves: slaves.map(({ bond, slave, values }) => ({
      bond,
      slave,
      status: values.get('MII Status'),
      speed: values.get('Speed'),
      duplex: values.get('Duplex'),
      link_failures: integerOf(values.get('Link Failure Count')),
      aggregator: integerOf(values.get('Aggregator ID')),
    })),
  };
};

/** Details of LACP repeat names below: the first is the one of the slave. */
const setOnce = (values: Map<string, string>, key: string, value: string): void => {
  if (!values.has(key)) values.set(key, value);
};
