import { decimalOf, integerOf, outputLines, words } from '../../output-lines.ts';
import type { FactParser } from '../parser.ts';

/** Sectors of /proc/diskstats, whatever the device's own are. */
const SECTOR = 512;
/** Devices whose bytes are counted: what stands on them (partitions, dm, md, loops) would count them again. */
const WHOLE_DISK = /^(?:[shv]d[a-z]{1,3}|xvd[a-z]{1,2}|nvme[0-9]+n[0-9]+|mmcblk[0-9]+)$/u;

interface Activity {
  readonly device: string;
  readonly busy_percent: number;
  readonly reads_per_second: number;
  readonly writes_per_second: number;
  readonly read_bytes_per_second: number;
  readonly write_bytes_per_second: number;
  readonly await_ms: number | undefined;
  readonly in_flight: number;
}

/**
 * `before`, `after`: /proc/diskstats (the kernel's Documentation/admin-guide/iostats.rst): major, minor, name, then reads, merged,
 * sectors, milliseconds; the same for writes; requests in flight, milliseconds in use, …
 */
export const ioStatistics: FactParser = (sections) => {
  const [began, ended] = [decimalOf(sections.get('began')?.trim()), decimalOf(sections.get('ended')?.trim())];
  const elapsed = began === undefined || ended === undefined ? 0 : Number((ended - began).toFixed(3));
  if (elapsed <= 0 || elapsed > 3_600) return {};
  const before = countersOf(sections.get('before'));
  const devices = [...countersOf(sections.get('after'))]
    .map(([device, counters]) => activityOf(device, before.get(device), counters, elapsed))
    .filter((activity) => activity !== undefined)
    .toSorted((a, b) => b.busy_percent - a.busy_percent);
  const disks = devices.filter(({ device }) => WHOLE_DISK.test(device));
  const waits = devices.map(({ await_ms: wait }) => wait).filter((wait) => wait !== undefined);
  return {
    seconds: elapsed,
    busiest: devices[0]?.device ?? 'none',
    busiest_percent: devices[0]?.busy_percent ?? 0,
    slowest_await_ms: waits.length === 0 ? undefined : Math.max(...waits),
    read_bytes_per_second: disks.reduce((sum, disk) => sum + disk.read_bytes_per_second, 0),
    write_bytes_per_second: disks.reduce((sum, disk) => sum + disk.write_bytes_per_second, 0),
    devices,
  };
};

const countersOf = (text: string | undefined): ReadonlyMap<string, readonly number[]> =>
  new Map(
    outputLines(text ?? '').flatMap((line) => {
      const [, , name = '', ...cells] = words(line);
      const counters = cells.slice(0, 10).map((cell) => integerOf(cell) ?? 0);
      return counters.length === 10 ? [[name, counters] as const] : [];
    }),
  );

/** Undefined for a device that did nothing. */
const activityOf = (
  device: string,
  before: readonly number[] | undefined,
  after: readonly number[],
  elapsed: number,
): Activity | undefined => {
  if (before === undefined) return undefined;
  const done = after.map((value, index) => Math.max(0, value - (before[index] ?? 0)));
  const [reads = 0, , readSectors = 0, readMs = 0, writes = 0, , writeSectors = 0, writeMs = 0] = done;
  const inFlight = after[8] ?? 0;
  const busyMs = done[9] ?? 0;
  if (reads + writes + inFlight + busyMs === 0) return undefined;
  const perSecond = (count: number): number => Math.round((10 * count) / elapsed) / 10;
  return {
    device,
    busy_percent: Math.min(100, Math.round(busyMs / elapsed) / 10),
    reads_per_second: perSecond(reads),
    writes_per_second: perSecond(writes),
    read_bytes_per_second: Math.round((readSectors * SECTOR) / elapsed),
    write_bytes_per_second: Math.round((writeSectors * SECTOR) / elapsed),
    await_ms:
      reads + writes === 0 ? undefined : Math.round((10 * (readMs + writeMs)) / (reads + writes)) / 10,
    in_flight: inFlight,
  };
};
