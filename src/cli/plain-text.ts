import { neutralise } from '../request/neutralise.ts';
import { cellsOf, chunks } from './cells.ts';

/** Text of others on one line: controls, bidi and invisible characters made visible, line ends too. */
export const oneLine = (text: string): string =>
  neutralise(text)
    .text.replaceAll('\n', String.raw`\n`)
    .replaceAll('\t', String.raw`\t`);

const PLAIN_TOKEN = /^[\w@%+=:,./-]+$/u;

/**
 * An argument so that it can be read in one way only: as it is when it has nothing special, else as a JSON string in
 * which everything but printable ASCII is an escape.
 */
export const showToken = (token: string): string =>
  PLAIN_TOKEN.test(token) && /^[!-~]+$/u.test(token)
    ? token
    : JSON.stringify(token).replace(/[^ -~]/gu, (char) => `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}`);

/** Lines of at most `width` columns; words that are longer are broken. */
export const wrap = (text: string, width: number): readonly string[] =>
  text.split('\n').flatMap((line) => {
    const lines: string[] = [];
    let current = '';
    for (const word of line.split(/ +/u).flatMap((part) => chunks(part, width))) {
      if (current !== '' && cellsOf(current) + 1 + cellsOf(word) > width) {
        lines.push(current);
        current = word;
      } else current = current === '' ? word : `${current} ${word}`;
    }
    return [...lines, current];
  });
