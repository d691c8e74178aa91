import { journalTime } from './journal-time.ts';

/** How many messages these lines hold, and from when to when. */
export const journalTimes = (
  lines: readonly string[],
): {
  readonly entries: number;
  readonly first_time: string | undefined;
  readonly last_time: string | undefined;
} => {
  const times = lines.map((line) => journalTime(line)).filter((time) => time !== undefined);
  return { entries: times.length, first_time: times[0], last_time: times.at(-1) };
};
