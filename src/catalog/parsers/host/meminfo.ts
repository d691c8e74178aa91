import { integerOf, outputLines, words } from '../../output-lines.ts';
import type { FactParser } from '../parser.ts';

const FIELDS = {
  total_kb: 'MemTotal:',
  available_kb: 'MemAvailable:',
  free_kb: 'MemFree:',
  buffers_kb: 'Buffers:',
  cached_kb: 'Cached:',
  shared_kb: 'Shmem:',
  dirty_kb: 'Dirty:',
  swap_total_kb: 'SwapTotal:',
  swap_free_kb: 'SwapFree:',
} as const;

/** /proc/meminfo (proc(5)): `Name:   123 kB`. */
export const meminfo: FactParser = (sections) => {
  const values = new Map<string, number | undefined>();
  for (const line of outputLines([...sections.values()].join('\n'))) {
    const [name = '', value, unit] = words(line);
    if (unit === 'kB' && !values.has(name)) values.set(name, integerOf(value));
  }
  const facts = Object.fromEntries(Object.entries(FIELDS).map(([fact, name]) => [fact, values.get(name)]));
  return { ...facts, available_percent: percent(facts['available_kb'], facts['total_kb']) };
};

const percent = (part: number | undefined, whole: number | undefined): number | undefined =>
  part === undefined || whole === undefined || whole <= 0 ? undefined : Math.round((100 * part) / whole);
