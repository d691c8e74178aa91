import { utcTime } from '../../utc-time.ts';
import type { FactParser } from '../parser.ts';
import { journalEvents, packageChanges, windowOf, type HostEvent } from './host-events.ts';

/** Rows that are shown: the newest. What happened last matters most, and the model reads in order of time. */
const MOST_ROWS = 120;

/** Sections of catalog/diagnostics/timeline.yaml. */
export const timeline: FactParser = (sections) => {
  const [from, to] = windowOf(sections);
  const packages = packageChanges(sections)
    .filter(({ at }) => at >= from && at <= to)
    .map((one) => ({ at: one.at, kind: 'package', what: packageText(one) }));
  const events = [...journalEvents(sections), ...packages].toSorted((a, b) => a.at - b.at);
  const rows = merged(events);
  return {
    events: events.length,
    left_out: Math.max(0, rows.length - MOST_ROWS),
    rows: rows.slice(-MOST_ROWS).map(({ at, kind, what, count, last }) => ({
      time: utcTime(at),
      kind,
      what,
      ...(count === 1 ? {} : { count, last: utcTime(last) }),
    })),
  };
};

const packageText = (one: {
  readonly change: string;
  readonly package: string;
  readonly to: string;
}): string => `${one.change} ${one.package} ${one.to}`;

interface Row extends HostEvent {
  readonly count: number;
  readonly last: number;
}

/** From the third time on, the same thing is counted where it happened first: a unit that flaps fills no table. */
const merged = (events: readonly HostEvent[]): readonly Row[] => {
  const times = new Map<string, number>();
  const keyOf = ({ kind, what }: HostEvent): string => `${kind} ${what}`;
  for (const event of events) times.set(keyOf(event), (times.get(keyOf(event)) ?? 0) + 1);
  const rows: Row[] = [];
  const many = new Map<string, number>();
  for (const event of events) {
    const key = keyOf(event);
    const index = many.get(key);
    const row = index === undefined ? undefined : rows[index];
    if (index !== undefined && row !== undefined) {
      rows[index] = { ...row, count: row.count + 1, last: event.at };
      continue;
    }
    if ((times.get(key) ?? 0) > 2) many.set(key, rows.length);
    rows.push({ ...event, count: 1, last: event.at });
  }
  return rows;
};
