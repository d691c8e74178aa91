import { decimalOf } from '../../output-lines.ts';
import type { FactParser } from '../parser.ts';
import { usages, type Usage } from './df.ts';

interface Growth {
  readonly mount: string;
  readonly source: string;
  readonly bytes_per_second: number;
  readonly available_bytes: number | undefined;
  readonly used_percent: number | undefined;
  readonly full_in_seconds: number | undefined;
}

/** `before`, `after`: df -P -B1; `began`, `ended`: date +%s.%N between them. */
export const diskGrowth: FactParser = (sections) => {
  const [began, ended] = [secondsOf(sections.get('began')), secondsOf(sections.get('ended'))];
  const elapsed = began === undefined || ended === undefined ? 0 : Number((ended - began).toFixed(3));
  // A clock that was set meanwhile says nothing about a rate.
  if (elapsed <= 0 || elapsed > 3_600) return {};
  const before = new Map(usages(sections.get('before')).map((usage) => [usage.mount, usage]));
  const changed = usages(sections.get('after'))
    .map((usage) => growthOf(before.get(usage.mount), usage, elapsed))
    .filter((growth) => growth !== undefined)
    .toSorted((a, b) => b.bytes_per_second - a.bytes_per_second);
  const growing = changed.filter(({ bytes_per_second: rate }) => rate > 0);
  const [first] = growing.toSorted((a, b) => (a.full_in_seconds ?? 0) - (b.full_in_seconds ?? 0));
  return {
    seconds: elapsed,
    growing: growing.length,
    fastest_mount: growing[0]?.mount,
    fastest_bytes_per_second: growing[0]?.bytes_per_second,
    full_first_mount: first?.mount,
    full_in_seconds: first?.full_in_seconds,
    filesystems: changed,
  };
};

const growthOf = (before: Usage | undefined, after: Usage, elapsed: number): Growth | undefined => {
  const isSame = before?.source === after.source && before.size === after.size;
  if (!isSame || before.used === undefined || after.used === undefined || before.used === after.used)
    return undefined;
  const rate = (after.used - before.used) / elapsed;
  const left = after.available;
  return {
    mount: after.mount,
    source: after.source,
    bytes_per_second: Math.round(rate),
    available_bytes: left,
    used_percent: after.percent,
    full_in_seconds: rate <= 0 || left === undefined ? undefined : Math.floor(Math.max(0, left) / rate),
  };
};

const secondsOf = (text: string | undefined): number | undefined => decimalOf(text?.trim());
