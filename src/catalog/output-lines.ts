/** Lines and characters a parser looks at: host output is bounded by bytes already, this bounds the work. */
const MOST_LINES = 20_000;
const LINE_CHARACTERS = 4_096;

/** The non-empty lines of an output, each cut at 4,096 characters. */
export const outputLines = (text: string): readonly string[] =>
  text
    .split('\n', MOST_LINES)
    .filter((line) => line.trim() !== '')
    .map((line) => line.slice(0, LINE_CHARACTERS));

/** The words of a line, whatever white space is between them. */
export const words = (line: string): readonly string[] => line.split(/[ \t]+/u).filter((word) => word !== '');

/** A decimal integer that a number can hold exactly; undefined for anything else. */
export const integerOf = (text: string | undefined): number | undefined => {
  if (text === undefined || !/^-?[0-9]{1,16}$/u.test(text)) return undefined;
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : undefined;
};

/** A plain decimal number such as `0.42`; undefined for anything else. */
export const decimalOf = (text: string | undefined): number | undefined =>
  text !== undefined && /^-?[0-9]{1,15}(?:\.[0-9]{1,9})?$/u.test(text) ? Number(text) : undefined;
