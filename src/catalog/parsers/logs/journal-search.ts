import { integerOf, outputLines } from '../../output-lines.ts';
import type { FactParser } from '../parser.ts';
import { journalTimes } from './journal-times.ts';

/** First line of the helper journal-search. */
const HEAD = /^searched=([0-9]+) matches=([0-9]+) complete=(yes|no)$/u;

/** What the helper counted, and the lines it shows. */
export const journalSearch: FactParser = (sections) => {
  const [head = '', ...lines] = outputLines(sections.get('found') ?? '');
  const [, searched, matches, complete] = HEAD.exec(head) ?? [];
  if (complete === undefined) return {};
  const { first_time, last_time } = journalTimes(lines);
  return {
    searched_lines: integerOf(searched),
    matches: integerOf(matches),
    complete: complete === 'yes',
    shown: lines.length,
    first_time,
    last_time,
  };
};
