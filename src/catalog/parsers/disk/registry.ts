import type { FactParser } from '../parser.ts';
import { bigDirectories } from './big-directories.ts';
import { blockDevices } from './block-devices.ts';
import { df } from './df.ts';
import { diskGrowth } from './disk-growth.ts';
import { ioStatistics } from './io-statistics.ts';
import { journalVolume } from './journal-volume.ts';
import { mdArrays } from './md-arrays.ts';
import { mounts } from './mounts.ts';
import { multipathPaths } from './multipath-paths.ts';
import { remoteMounts } from './remote-mounts.ts';
import { zfsPools } from './zfs-pools.ts';

/** Parsers of diagnostics about disk, by the name a definition gives. */
export const diskParsers: readonly (readonly [name: string, parser: FactParser])[] = [
  ['big_directories', bigDirectories],
  ['block_devices', blockDevices],
  ['df', df],
  ['disk_growth', diskGrowth],
  ['io_statistics', ioStatistics],
  ['journal_volume', journalVolume],
  ['md_arrays', mdArrays],
  ['mounts', mounts],
  ['multipath_paths', multipathPaths],
  ['remote_mounts', remoteMounts],
  ['zfs_pools', zfsPools],
];
