import { integerOf, outputLines, words } from '../../output-lines.ts';
import type { FactParser } from '../parser.ts';

/** `areas`: swapon --show=NAME,TYPE,SIZE,USED,PRIO --raw; `before`, `after`: counters of /proc/vmstat a second apart. */
export const swap: FactParser = (sections) => {
  const areas = outputLines(sections.get('areas') ?? '').flatMap((line) => {
    const [name = '', kind = '', size, used, priority] = words(line);
    const [bytes, usedBytes] = [integerOf(size), integerOf(used)];
    if (bytes === undefined || usedBytes === undefined) return [];
    return [{ name, kind, size_bytes: bytes, used_bytes: usedBytes, priority: integerOf(priority) }];
  });
  const size = areas.reduce((sum, area) => sum + area.size_bytes, 0);
  const used = areas.reduce((sum, area) => sum + area.used_bytes, 0);
  const [before, after] = [countersOf(sections.get('before')), countersOf(sections.get('after'))];
  const moved = (name: string): number | undefined => {
    const [from, to] = [before.get(name), after.get(name)];
    return from === undefined || to === undefined ? undefined : Math.max(0, to - from);
  };
  return {
    areas: areas.length,
    size_bytes: size,
    used_bytes: used,
    used_percent: size > 0 ? Math.round((100 * used) / size) : undefined,
    in_pages_per_second: moved('pswpin'),
    out_pages_per_second: moved('pswpout'),
    swappiness: integerOf(sections.get('swappiness')?.trim()),
    swap_areas: areas,
  };
};

const countersOf = (text: string | undefined): ReadonlyMap<string, number | undefined> =>
  new Map(outputLines(text ?? '').map((line) => [words(line)[0] ?? '', integerOf(words(line)[1])]));
