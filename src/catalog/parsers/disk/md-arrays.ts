import { decimalOf, integerOf, outputLines, words } from '../../output-lines.ts';
import type { FactParser } from '../parser.ts';

/** `md0 : active (auto-read-only) raid1 sdb1[1] sda1[0](F)`; an inactive array has no level. */
const HEAD =
  /^(md[A-Za-z0-9_-]{1,32}) : (active|inactive)((?: \([a-z-]+\))*)(?: (?!\S*\[)(\S+))?((?: \S+\[[0-9]+\]\S*)*)$/u;
const MAP = / \[([0-9]{1,4})\/([0-9]{1,4})\] \[([U_]+)\]/u;
const ACTIVITY =
  /\b(recovery|resync|check|reshape|repair) *= *(?:([0-9]{1,3}(?:\.[0-9]+)?)%|(DELAYED|PENDING))/u;

/** /proc/mdstat (md(4)): the head of an array, then indented lines about it. */
export const mdArrays: FactParser = (sections) => {
  const lines = outputLines(sections.get('mdstat') ?? '');
  const heads = lines.flatMap((line, index) => {
    const found = HEAD.exec(line.trimEnd());
    return found === null ? [] : [{ index, found }];
  });
  const arrays = heads.map(({ index, found }, at) => {
    const [, name = '', state = '', flags = '', level, members = ''] = found;
    const about = lines
      .slice(index + 1, heads[at + 1]?.index)
      .filter((line) => /^\s/u.test(line))
      .join('\n');
    const [, wanted, present, map] = MAP.exec(about) ?? [];
    const [, activity, percent, waits] = ACTIVITY.exec(about) ?? [];
    return {
      name,
      state: `${state}${flags}`,
      level,
      members: words(members).join(' '),
      wanted: integerOf(wanted),
      present: integerOf(present),
      map,
      activity: activity === undefined ? 'none' : waits === undefined ? activity : `${activity} ${waits}`,
      activity_percent: decimalOf(percent),
      finish_minutes: decimalOf(/\bfinish=([0-9.]+)min/u.exec(about)?.[1]),
    };
  });
  const degraded = arrays.filter(
    ({ wanted, present, state }) =>
      state.startsWith('inactive') || (wanted !== undefined && present !== undefined && present < wanted),
  );
  const failed = arrays.flatMap(({ members }) => words(members).filter((member) => member.endsWith('(F)')));
  return {
    arrays: arrays.length,
    degraded: degraded.length,
    degraded_arrays: degraded.map(({ name }) => name).join(' ') || 'none',
    failed_members: failed.map((member) => member.replace(/\[.*$/u, '')).join(' ') || 'none',
    rebuilding: arrays.filter(({ activity }) => activity !== 'none').length,
    array_list: arrays,
  };
};
