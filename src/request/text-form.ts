import { FormError, type FormCode } from './form-error.ts';
import { StrictLines } from './strict-lines.ts';

/** How one text of docs/wire-protocol.md §3 is read and written. */
export interface TextRules<T> {
  readonly title: string;
  readonly code: FormCode;
  readonly maxBytes: number;
  /** The code when it is larger, where that is not `code`. */
  readonly sizeCode?: FormCode;
  readonly read: (lines: StrictLines) => T;
  readonly write: (value: T) => readonly string[];
}

export interface TextForm<T> {
  readonly parse: (bytes: Buffer | string) => T;
  readonly serialise: (value: T) => string;
}

/**
 * A parser and its serialiser, each checked by the other: `serialise(parse(x)) === x` for every text that parses, and
 * `serialise` throws (a FormError) rather than write a text that does not parse.
 */
export const textForm = <T>(rules: TextRules<T>): TextForm<T> => {
  const write = (value: T): string => `${[rules.title, ...rules.write(value)].join('\n')}\n`;
  const parse = (bytes: Buffer | string): T =>
    asWhole(rules.code, () => {
      const lines = new StrictLines(bytes, rules);
      const value = rules.read(lines);
      lines.end();
      if (write(value) !== (typeof bytes === 'string' ? bytes : bytes.toString('latin1')))
        throw lines.error('round trip');
      return value;
    });
  const serialise = (value: T): string => {
    const text = asWhole(rules.code, () => write(value));
    parse(text);
    return text;
  };
  return { parse, serialise };
};

/** A malformed percent-encoded field makes the whole text malformed. */
const asWhole = <R>(code: FormCode, work: () => R): R => {
  try {
    return work();
  } catch (error) {
    throw error instanceof FormError && error.code === 'PERCENT_FORM'
      ? new FormError(code, error.where)
      : error;
  }
};
