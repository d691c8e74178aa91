import { integerOf, outputLines, words } from '../../output-lines.ts';
import type { FactParser } from '../parser.ts';
import { integerIn, jsonRows, textIn, utcOfMicroseconds } from './json-rows.ts';

/** `timers`: systemctl list-timers --output=json, times in microseconds; `failed`: list-units --failed; `clock`: date +%s. */
export const timers: FactParser = (sections) => {
  if (sections.get('timers')?.trim().startsWith('[') !== true) return {};
  const failed = new Set(outputLines(sections.get('failed') ?? '').map((line) => words(line)[0]));
  const now = integerOf(sections.get('clock')?.trim());
  const rows = jsonRows(sections.get('timers')).map((row) => {
    const next = integerIn(row, 'next');
    const starts = textIn(row, 'activates');
    return {
      timer: textIn(row, 'unit'),
      starts,
      failed: starts !== undefined && failed.has(starts),
      last_run: utcOfMicroseconds(integerIn(row, 'last')) ?? 'never',
      next_run: utcOfMicroseconds(next) ?? 'never',
      next_in_seconds:
        next === undefined || next <= 0 || now === undefined ? undefined : Math.round(next / 1e6) - now,
    };
  });
  const later = Number.MAX_SAFE_INTEGER;
  const order = rows.toSorted(
    (a, b) =>
      Number(b.failed) - Number(a.failed) || (a.next_in_seconds ?? later) - (b.next_in_seconds ?? later),
  );
  const waiting = rows.filter(({ next_run }) => next_run !== 'never');
  const next = waiting.toSorted((a, b) => (a.next_in_seconds ?? later) - (b.next_in_seconds ?? later))[0];
  return {
    count: rows.length,
    waiting: waiting.length,
    failed: rows.filter((row) => row.failed).length,
    never_ran: waiting.filter(({ last_run }) => last_run === 'never').length,
    next_unit: next?.timer,
    timers: order,
  };
};
