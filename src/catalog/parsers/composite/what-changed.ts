import { integerOf, outputLines } from '../../output-lines.ts';
import { utcTime } from '../../utc-time.ts';
import type { FactParser } from '../parser.ts';
import { journalEvents, packageChanges, windowOf, type HostEvent } from './host-events.ts';

const FAILURES: ReadonlySet<string> = new Set(['unit_failed', 'start_failed', 'unit_oom']);
const SINGLE: ReadonlySet<string> = new Set([
  'boot',
  'shutdown',
  'clock_set',
  'oom_kill',
  'core_dump',
  'action',
]);
const MOST_ROWS = 40;

/** Sections of catalog/diagnostics/what_changed.yaml. */
export const whatChanged: FactParser = (sections) => {
  const [from] = windowOf(sections);
  const events = journalEvents(sections).toSorted((a, b) => b.at - a.at);
  const packages = packageChanges(sections)
    .filter(({ at }) => at >= from)
    .toSorted((a, b) => b.at - a.at);
  const files = changedFiles(sections.get('files') ?? '');
  const count = (is: (kind: string) => boolean): number => events.filter(({ kind }) => is(kind)).length;
  return {
    packages: packages.length,
    files: files.total,
    boots: count((kind) => kind === 'boot'),
    failures: count((kind) => FAILURES.has(kind)),
    logins: count((kind) => kind === 'login'),
    actions: count((kind) => kind === 'action'),
    changed_packages: packages.slice(0, MOST_ROWS).map(({ at, change, package: name, from: before, to }) => ({
      time: utcTime(at),
      change,
      package: name,
      from: before,
      to,
    })),
    changed_files: files.rows.slice(0, MOST_ROWS),
    units: unitsOf(events).slice(0, MOST_ROWS),
    users: usersOf(events).slice(0, MOST_ROWS),
    events: events
      .filter(({ kind }) => SINGLE.has(kind))
      .slice(0, MOST_ROWS)
      .map(({ at, kind, what }) => ({ time: utcTime(at), kind, what })),
  };
};

/** What the helper recent-files says: `<seconds> <path>`, and at the end `total <n> <all|part>`. */
const changedFiles = (
  text: string,
): { readonly total: number | undefined; readonly rows: readonly object[] } => {
  const lines = outputLines(text);
  const [, total] = /^total ([0-9]{1,9}) (?:all|part)$/u.exec(lines.at(-1) ?? '') ?? [];
  const rows = lines.flatMap((line) => {
    const [, at, path] = /^([0-9]{1,12}) (\/.*)$/u.exec(line) ?? [];
    return at === undefined ? [] : [{ time: utcTime(Number(at)), path: String(path) }];
  });
  return { total: integerOf(total), rows };
};

const COLUMNS: Readonly<Record<string, 'failed' | 'restarted' | 'started' | 'stopped'>> = {
  unit_failed: 'failed',
  start_failed: 'failed',
  unit_oom: 'failed',
  unit_restarting: 'restarted',
  unit_started: 'started',
  unit_stopped: 'stopped',
};

/** Newest event first: those that failed most, then those that changed last. */
const unitsOf = (events: readonly HostEvent[]): readonly object[] => {
  const units = new Map<
    string,
    { failed: number; restarted: number; started: number; stopped: number; last: number }
  >();
  for (const { at, kind, what } of events) {
    const column = COLUMNS[kind];
    if (column === undefined || what === '') continue;
    const row = units.get(what) ?? { failed: 0, restarted: 0, started: 0, stopped: 0, last: at };
    row[column] += 1;
    units.set(what, row);
  }
  return [...units]
    .toSorted(([, a], [, b]) => b.failed - a.failed || b.restarted - a.restarted || b.last - a.last)
    .map(([unit, { last, ...counts }]) => ({ unit, ...counts, last: utcTime(last) }));
};

const usersOf = (events: readonly HostEvent[]): readonly object[] => {
  const users = new Map<string, { sessions: number; last: number }>();
  for (const { at, kind, what } of events) {
    if (kind !== 'login') continue;
    const row = users.get(what) ?? { sessions: 0, last: at };
    row.sessions += 1;
    users.set(what, row);
  }
  return [...users]
    .toSorted(([, a], [, b]) => b.last - a.last)
    .map(([user, { sessions, last }]) => ({ user, sessions, last: utcTime(last) }));
};
