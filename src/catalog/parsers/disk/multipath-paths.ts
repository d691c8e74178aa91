import { outputLines } from '../../output-lines.ts';
import type { FactParser } from '../parser.ts';

interface Path {
  readonly path: string;
  readonly address: string;
  readonly group: string;
  readonly dm_state: string;
  readonly checker: string;
  readonly device_state: string;
}

interface MultipathMap {
  readonly map: string;
  readonly wwid: string;
  readonly device: string;
  readonly product: string;
  size: string | undefined;
  queues: boolean;
  readonly paths: Path[];
}

const MAP = /^(?:[a-z]+: )?(\S{1,128})(?: \((\S{1,128})\))? (dm-[0-9]{1,5}) (\S.*)$/u;
const SIZE = /^size=([0-9.]+[KMGTP]?) features='([^']*)'/u;
const GROUP = /^[|` ]*-\+- .*\bstatus=([a-z]+)/u;
const PATH =
  /^[|` ]*[|`]- (\S+:\S+:\S+:\S+) +(\S{1,64}) +[0-9#]+:[0-9#]+ +([a-z]+) +([a-z/ ]+?) +([a-z]+) *$/u;

/** What multipathd shows of its maps: the form of multipath -ll (multipath(8)). */
export const multipathPaths: FactParser = (sections, codes) => {
  if (codes.get('topology') !== 0) return { answers: false };
  const maps = mapsOf(sections.get('topology') ?? '');
  const failedOf = ({ paths }: MultipathMap): number => paths.filter(hasFailed).length;
  const isDead = (map: MultipathMap): boolean => failedOf(map) === map.paths.length;
  const rows = maps.map((map) => ({
    map: map.map,
    wwid: map.wwid,
    device: map.device,
    product: map.product,
    size: map.size,
    paths: map.paths.length,
    failed: failedOf(map),
    queues: map.queues,
  }));
  const paths = maps.flatMap(({ map, paths: own }) => own.map((path) => ({ map, ...path })));
  return {
    answers: true,
    maps: maps.length,
    paths: paths.length,
    failed_paths: paths.filter(hasFailed).length,
    maps_degraded: maps.filter((map) => failedOf(map) > 0 && !isDead(map)).length,
    maps_without_path: maps.filter(isDead).length,
    maps_queueing: maps.filter((map) => isDead(map) && map.queues).length,
    rows: rows.toSorted((a, b) => a.paths - a.failed - (b.paths - b.failed)),
    path_rows: [...paths.filter(hasFailed), ...paths.filter((path) => !hasFailed(path))],
  };
};

const mapsOf = (text: string): readonly MultipathMap[] => {
  const maps: MultipathMap[] = [];
  let group = '';
  for (const line of outputLines(text)) {
    const [, size, features] = SIZE.exec(line) ?? [];
    const [, status] = GROUP.exec(line) ?? [];
    const [, address, path, dm = '', checker = '', state = ''] = PATH.exec(line) ?? [];
    const [, name, wwid, device, product = ''] = MAP.exec(line) ?? [];
    const last = maps.at(-1);
    if (size !== undefined && last !== undefined) {
      last.size = size;
      last.queues = features?.includes('queue_if_no_path') === true;
    } else if (status !== undefined) group = status;
    else if (address !== undefined && path !== undefined)
      last?.paths.push({ path, address, group, dm_state: dm, checker, device_state: state });
    else if (name !== undefined && device !== undefined)
      maps.push({
        map: name,
        wwid: wwid ?? name,
        device,
        product: product
          .split(',')
          .map((part) => part.trim())
          .join(' '),
        size: undefined,
        queues: false,
        paths: [],
      });
  }
  return maps;
};

/** For the kernel, for the checker (multipath-tools: checkers.h), or because its device was taken offline. A ghost is a path that waits. */
const hasFailed = ({ dm_state, checker, device_state }: Path): boolean =>
  dm_state === 'failed' ||
  ['faulty', 'shaky', 'i/o timeout', 'timeout', 'offline'].includes(checker) ||
  device_state === 'offline';
