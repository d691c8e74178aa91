import { integerOf, outputLines, words } from '../../output-lines.ts';
import type { FactParser } from '../parser.ts';
import { topologyOf } from './topology.ts';

interface Use {
  readonly cpu: string;
  readonly busy_percent: number;
  readonly user_percent: number;
  readonly system_percent: number;
  readonly iowait_percent: number;
  readonly irq_percent: number;
  readonly steal_percent: number;
}

/**
 * `before`, `after`: the cpu lines of /proc/stat (proc(5): user nice system idle iowait irq softirq steal …); `model`: of
 * /proc/cpuinfo; `topology`: lscpu --parse, comma separated.
 */
export const cpu: FactParser = (sections) => {
  const before = ticksOf(sections.get('before'));
  const uses = [...ticksOf(sections.get('after'))]
    .map(([name, ticks]) => useOf(name, before.get(name), ticks))
    .filter((use) => use !== undefined);
  const all = uses.find((use) => use.cpu === 'cpu');
  const each = uses.filter((use) => use !== all).toSorted((a, b) => b.busy_percent - a.busy_percent);
  const { cpus, cores, sockets } = topologyOf(sections.get('topology'));
  return {
    model: sections.get('model')?.split(':')[1]?.trim(),
    cpus,
    cores,
    sockets,
    busy_percent: all?.busy_percent,
    iowait_percent: all?.iowait_percent,
    steal_percent: all?.steal_percent,
    busiest_cpu: each[0]?.cpu,
    busiest_percent: each[0]?.busy_percent,
    per_cpu: each,
  };
};

const ticksOf = (text: string | undefined): ReadonlyMap<string, readonly number[]> =>
  new Map(
    outputLines(text ?? '').flatMap((line) => {
      const [name = '', ...cells] = words(line);
      const ticks = cells.slice(0, 8).map((cell) => integerOf(cell) ?? 0);
      return /^cpu[0-9]{0,5}$/u.test(name) && ticks.length === 8 ? [[name, ticks] as const] : [];
    }),
  );

const useOf = (
  name: string,
  before: readonly number[] | undefined,
  after: readonly number[],
): Use | undefined => {
  if (before === undefined) return undefined;
  // Counters of idle and iowait may go back a little (proc(5)).
  const spent = after.map((ticks, index) => Math.max(0, ticks - (before[index] ?? 0)));
  const total = spent.reduce((sum, ticks) => sum + ticks, 0);
  if (total <= 0) return undefined;
  const share = (...columns: readonly number[]): number =>
    Math.round((1_000 * columns.reduce((sum, column) => sum + (spent[column] ?? 0), 0)) / total) / 10;
  return {
    cpu: name,
    busy_percent: share(0, 1, 2, 5, 6),
    user_percent: share(0, 1),
    system_percent: share(2),
    iowait_percent: share(4),
    irq_percent: share(5, 6),
    steal_percent: share(7),
  };
};
