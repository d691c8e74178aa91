import { integerOf, outputLines, words } from '../../output-lines.ts';
import type { FactParser } from '../parser.ts';

/** One filesystem as df -P tells it: bytes with -B1, inodes with -i. */
export interface Usage {
  readonly source: string;
  readonly mount: string;
  readonly size: number | undefined;
  readonly used: number | undefined;
  readonly available: number | undefined;
  readonly percent: number | undefined;
}

/** `bytes`: df -P -B1, `inodes`: df -P -i (df(1)). The mount point comes last and may contain spaces. */
export const df: FactParser = (sections) => {
  const inodes = new Map(usages(sections.get('inodes')).map((usage) => [usage.mount, usage.percent]));
  const rows = usages(sections.get('bytes')).map((usage) => ({
    mount: usage.mount,
    source: usage.source,
    size_bytes: usage.size,
    used_bytes: usage.used,
    available_bytes: usage.available,
    used_percent: usage.percent,
    inodes_used_percent: inodes.get(usage.mount),
  }));
  const fullest = highest(rows, (row) => row.used_percent);
  const fewestInodes = highest(rows, (row) => row.inodes_used_percent);
  return {
    filesystems: rows,
    fullest_mount: fullest?.mount,
    fullest_percent: fullest?.used_percent,
    fewest_inodes_mount: fewestInodes?.mount,
    fewest_inodes_percent: fewestInodes?.inodes_used_percent,
  };
};

/** The filesystems of an output of df -P; lines that are none are left out. */
export const usages = (text: string | undefined): readonly Usage[] =>
  outputLines(text ?? '')
    .map(usageOf)
    .filter((usage) => usage !== undefined);

/** `source size used available percent mount`; the percentage, which only the header lacks, says where the mount begins. */
const usageOf = (line: string): Usage | undefined => {
  const fields = words(line);
  const at = fields.findIndex((field, index) => index >= 4 && /^(?:[0-9]{1,3}%|-)$/u.test(field));
  const mount = fields.slice(at + 1).join(' ');
  if (at < 0 || mount === '') return undefined;
  return {
    source: fields.slice(0, at - 3).join(' '),
    mount,
    size: integerOf(fields[at - 3]),
    used: integerOf(fields[at - 2]),
    available: integerOf(fields[at - 1]),
    percent: integerOf(fields[at]?.slice(0, -1)),
  };
};

const highest = <T>(rows: readonly T[], of: (row: T) => number | undefined): T | undefined =>
  rows.reduce<T | undefined>((best, row) => {
    const value = of(row);
    if (value === undefined) return best;
    return best === undefined || value > (of(best) ?? -1) ? row : best;
  }, undefined);
