import { outputLines } from '../output-lines.ts';
import type { FactParser } from './parser.ts';

/** journalctl --output=short-iso under TZ=UTC: `2026-11-21T03:51:00+0000 …`; systemd 254 and later write `+00:00`. */
const TIME = /^([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})\+00:?00 /u;

/** How many lines of log there are, and from when to when. Continued lines of one message count as lines. */
export const journal: FactParser = (sections) => {
  const lines = outputLines([...sections.values()].join('\n'));
  const times = lines.map((line) => TIME.exec(line)?.[1]).filter((time) => time !== undefined);
  const [first, last] = [times[0], times.at(-1)];
  return {
    lines: lines.length,
    entries: times.length,
    first_time: first === undefined ? undefined : `${first}Z`,
    last_time: last === undefined ? undefined : `${last}Z`,
  };
};
