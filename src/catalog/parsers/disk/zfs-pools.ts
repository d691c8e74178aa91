import { decimalOf, integerOf, outputLines, words } from '../../output-lines.ts';
import type { FactParser } from '../parser.ts';

interface Device {
  readonly pool: string;
  readonly device: string;
  readonly state: string;
  readonly read_errors: number | undefined;
  readonly write_errors: number | undefined;
  readonly checksum_errors: number | undefined;
  readonly note: string | undefined;
}

/** A device and the columns before its name: what stands further right below it is a part of it. */
interface Line {
  readonly indent: number;
  readonly device: Device;
}

interface Pool {
  readonly pool: string;
  readonly fields: Map<string, string>;
  readonly lines: Line[];
}

const FIELD = /^ *(pool|state|status|action|see|scan|config|errors): ?(.*)$/u;
const DEVICE = /^([ \t]+)(\S{1,256}) +([A-Z]{4,10})(?: +([0-9]+) +([0-9]+) +([0-9]+))?(?: +(\S.*))?$/u;

/** zpool-status(8) with -p, and the columns that are asked of zpool-list(8) -H -p. */
export const zfsPools: FactParser = (sections, codes) => {
  const status = sections.get('status') ?? '';
  if (codes.get('status') !== 0) return { answers: false };
  const pools = poolsOf(status);
  const sizes = new Map(
    outputLines(sections.get('list') ?? '').map((line) => {
      const [name = '', ...columns] = words(line);
      return [name, columns] as const;
    }),
  );
  const devices = pools.flatMap((pool) => leaves(pool.lines));
  const rows = pools.map(({ pool, fields }) => {
    const [size, allocated, free, fragmentation, used, dedup] = sizes.get(pool) ?? [];
    return {
      pool,
      state: fields.get('state'),
      size_bytes: integerOf(size),
      allocated_bytes: integerOf(allocated),
      free_bytes: integerOf(free),
      used_percent: integerOf(used),
      fragmentation_percent: integerOf(fragmentation),
      dedup_ratio: decimalOf(dedup),
      data_errors: dataErrors(fields.get('errors')),
      scan: fields.get('scan'),
    };
  });
  const isWell = ({ state }: { readonly state: string | undefined }): boolean => state === 'ONLINE';
  const used = rows.flatMap(({ used_percent }) => used_percent ?? []);
  return {
    answers: true,
    pools: rows.length,
    pools_not_online: rows.filter((row) => !isWell(row)).length,
    devices_not_online: devices.filter((one) => !isWell(one) && !isSpare(one)).length,
    device_errors: devices.reduce((sum, one) => sum + errorsOf(one), 0),
    data_errors: rows.reduce<number | undefined>(
      (sum, { data_errors }) =>
        sum === undefined || data_errors === undefined ? undefined : sum + data_errors,
      0,
    ),
    scanning: rows.filter(({ scan }) => scan?.includes(' in progress ') === true).length,
    fullest_percent: used.length === 0 ? undefined : Math.max(...used),
    rows: [...rows.filter((row) => !isWell(row)), ...rows.filter(isWell)],
    devices: devices.filter((one) => (!isWell(one) && !isSpare(one)) || errorsOf(one) > 0),
  };
};

/** Pools in their order; a line that goes on below another field belongs to nobody. */
const poolsOf = (text: string): readonly Pool[] => {
  const pools: Pool[] = [];
  let field = '';
  for (const line of outputLines(text)) {
    const [, name, value = ''] = FIELD.exec(line) ?? [];
    const pool = pools.at(-1);
    if (name === 'pool') pools.push({ pool: value.trim(), fields: new Map(), lines: [] });
    else if (name !== undefined) pool?.fields.set(name, value.trim());
    else if (pool !== undefined && field === 'config') pool.lines.push(...lineOf(pool.pool, line));
    field = name ?? field;
  }
  return pools;
};

const lineOf = (pool: string, line: string): readonly Line[] => {
  const [, indent = '', device = '', state = '', read, write, checksum, note] = DEVICE.exec(line) ?? [];
  if (device === '' || device === 'NAME') return [];
  return [
    {
      indent: indent.replaceAll('\t', '        ').length,
      device: {
        pool,
        device,
        state,
        read_errors: integerOf(read),
        write_errors: integerOf(write),
        checksum_errors: integerOf(checksum),
        // Where a device was names its maker's number, and says no more than that it is gone.
        note: note?.startsWith('was /') === true ? 'was there before' : note,
      },
    },
  ];
};

/** Devices without parts: disks, partitions and files, not the mirrors they are in. */
const leaves = (lines: readonly Line[]): readonly Device[] =>
  lines
    .filter(({ indent }, at) => at > 0 && (lines[at + 1]?.indent ?? 0) <= indent)
    .map(({ device }) => device);

const isSpare = ({ state }: Device): boolean => state === 'AVAIL' || state === 'INUSE';

const errorsOf = (one: Device): number =>
  (one.read_errors ?? 0) + (one.write_errors ?? 0) + (one.checksum_errors ?? 0);

const dataErrors = (text: string | undefined): number | undefined =>
  text === 'No known data errors' ? 0 : integerOf(/^([0-9]+) data errors/u.exec(text ?? '')?.[1]);
