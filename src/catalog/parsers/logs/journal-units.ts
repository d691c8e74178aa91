import { outputLines } from '../../output-lines.ts';
import type { FactParser } from '../parser.ts';

/** journalctl --output=with-unit under TZ=UTC: `Sun 2026-11-22 07:46:25 UTC cron.service[81]: text`, or an identifier where there is no unit. */
const ENTRY =
  /^[A-Z][a-z]{2} ([0-9]{4}-[0-9]{2}-[0-9]{2}) ([0-9]{2}:[0-9]{2}:[0-9]{2}) UTC ([^ ]{1,200}?)(?:\[[0-9]+\])?: /u;

/** Which units say most, and when last. */
export const journalUnits: FactParser = (sections) => {
  const found = outputLines(sections.get('journal') ?? '')
    .map((line) => ENTRY.exec(line))
    .filter((match) => match !== null)
    .map(([, day, time, unit]) => ({ unit: unit ?? '', time: `${day ?? ''}T${time ?? ''}Z` }));
  const counts = new Map<string, { entries: number; last_time: string }>();
  for (const { unit, time } of found)
    counts.set(unit, { entries: (counts.get(unit)?.entries ?? 0) + 1, last_time: time });
  const units = [...counts]
    .map(([unit, count]) => ({ unit, ...count }))
    .sort((a, b) => b.entries - a.entries || (a.unit < b.unit ? -1 : 1));
  return {
    entries: found.length,
    loudest_unit: units[0]?.unit,
    loudest_entries: units[0]?.entries,
    first_time: found[0]?.time,
    last_time: found.at(-1)?.time,
    units: units.slice(0, 40),
  };
};
