import { outputLines } from '../../output-lines.ts';
import type { FactParser } from '../parser.ts';
import { journalTimes } from './journal-times.ts';

/** How many lines of log there are, and from when to when. Continued lines of one message count as lines. */
export const journal: FactParser = (sections) => {
  const lines = outputLines([...sections.values()].join('\n'));
  return { lines: lines.length, ...journalTimes(lines) };
};
