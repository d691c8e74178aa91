import { PraError } from '../errors.ts';
import { isNameType, judgeValue, NAME } from './param-types.ts';
import { toWire } from './params.ts';
import type { CheckedArgs, Diagnostic, Param } from './types.ts';

/** docs/wire-protocol.md §2: bytes of a request line. */
export const LINE_BYTES = 512;

/** `verb [value…]`, ready for SSH_ORIGINAL_COMMAND: values in `params` order, text as hex. */
export const encodeRequest = (diagnostic: Pick<Diagnostic, 'name' | 'params'>, args: CheckedArgs): string => {
  const values = diagnostic.params.map((param) => {
    const value = args.get(param.name);
    if (value === undefined) throw new TypeError('the arguments are not of this diagnostic');
    return toWire(param, value);
  });
  const line = [diagnostic.name, ...values].join(' ');
  // Cannot happen with a loaded catalog (a rule there adds up the longest values), so it is no refusal of an argument.
  if (!isLine(line)) throw new TypeError('the request line is not of the protocol');
  return line;
};

/** What a target knows: its verb files, and the names in its tables. */
export type Verbs = Readonly<
  Record<string, { readonly params: readonly Pick<Param, 'name' | 'type' | 'bounds'>[] }>
>;
export type Names = Readonly<Record<string, readonly string[] | Readonly<Record<string, unknown>>>>;

export type LineVerdict =
  | { readonly verdict: 'ok'; readonly verb: string; readonly values: readonly string[] }
  | { readonly verdict: 'LINE_FORM' | 'VERB_UNLISTED' | 'VALUE_COUNT' | 'VALUE_BAD' | 'NAME_UNKNOWN' };

/** The verdict of mcp-wrapper on a request line, in its order; see test/vectors/wire. */
export const judgeRequestLine = (line: Buffer | string, verbs: Verbs, names: Names): LineVerdict => {
  const text = typeof line === 'string' ? line : line.toString('latin1');
  if (!isLine(text)) return { verdict: 'LINE_FORM' };
  const [verb = '', ...values] = text.split(' ');
  if (!NAME.test(verb)) return { verdict: 'LINE_FORM' };
  const params = Object.hasOwn(verbs, verb) ? verbs[verb]?.params : undefined;
  if (params === undefined) return { verdict: 'VERB_UNLISTED' };
  if (values.length !== params.length) return { verdict: 'VALUE_COUNT' };
  const pairs = params.map((param, index) => ({ param, value: values[index] ?? '' }));
  if (!pairs.every(({ param, value }) => judgeValue(param, value))) return { verdict: 'VALUE_BAD' };
  const listed = pairs.every(
    ({ param, value }) => !isNameType(param.type) || isListed(names, param.type, value),
  );
  return listed ? { verdict: 'ok', verb, values } : { verdict: 'NAME_UNKNOWN' };
};

/** Printable ASCII, single spaces and none at the ends, no `/`, no token that could be an option. */
const isLine = (text: string): boolean =>
  text.length <= LINE_BYTES && /^[!-.0-~]+(?: [!-.0-~]+)*$/u.test(text) && !/(?:^| )-/u.test(text);

const isListed = (names: Names, type: string, value: string): boolean => {
  const table = Object.hasOwn(names, type) ? names[type] : undefined;
  if (table === undefined) return false;
  return Array.isArray(table) ? table.includes(value) : Object.hasOwn(table, value);
};

/** One program's output, exit code and milliseconds; `cut`: its output reached the byte limit. */
export interface AnswerSection {
  readonly name: string;
  readonly output: Buffer;
  readonly rc: number;
  readonly ms: number;
  readonly cut: boolean;
}

/** A framed answer, taken apart. */
export interface Answer {
  readonly sections: readonly AnswerSection[];
}

export interface ExpectedAnswer {
  /** The definition's digest, hex. */
  readonly digest: string;
  /** Sections in the order of the verb file. */
  readonly sections: readonly string[];
  /** Bytes of one section. */
  readonly limitBytes: number;
  /** A timed-out run ends the answer early: take the sections that are complete. */
  readonly partial?: boolean;
  /** For the sentence of the error. */
  readonly host?: string;
}

export type AnswerVerdict = 'ok' | 'ANSWER_FORM' | 'ANSWER_DEFINITION' | 'ANSWER_INCOMPLETE';

/** An answer that may be relied on. Throws ANSWER_BAD, or DEFINITION_DIFFERS when the target has another definition. */
export const parseAnswer = (bytes: Buffer, expected: ExpectedAnswer): Answer => {
  const { verdict, sections } = judgeAnswer(bytes, expected);
  if (verdict === 'ok' || (verdict === 'ANSWER_INCOMPLETE' && expected.partial === true)) return { sections };
  const host = expected.host ?? 'The host';
  if (verdict === 'ANSWER_DEFINITION') {
    throw new PraError('DEFINITION_DIFFERS', { host, definition: 'this diagnostic' });
  }
  throw new PraError('ANSWER_BAD', { host, code: verdict });
};

const HEADER = /^mcp-pra 1 ([0-9a-f]{64}) ([0-9a-f]{32})$/u;
const TRAILER =
  /^([a-z][a-z0-9_]{0,39}) rc=(0|[1-9][0-9]?|1[0-9][0-9]|2[0-4][0-9]|25[0-5]) ms=(0|[1-9][0-9]{0,8}) cut=([01])$/u;

/**
 * docs/wire-protocol.md §2, "Answer". The boundary cannot be predicted by what runs, so that its first appearance after a
 * section's start is that section's trailer, or the answer is not one of ours.
 */
export const judgeAnswer = (
  bytes: Buffer,
  expected: ExpectedAnswer,
): { readonly verdict: AnswerVerdict; readonly sections: readonly AnswerSection[] } => {
  const sections: AnswerSection[] = [];
  const headEnd = bytes.indexOf(0x0a);
  if (headEnd < 0) return { verdict: 'ANSWER_INCOMPLETE', sections };
  const [, digest, boundary] = HEADER.exec(bytes.toString('latin1', 0, headEnd)) ?? [];
  if (digest === undefined || boundary === undefined) return { verdict: 'ANSWER_FORM', sections };
  if (digest !== expected.digest) return { verdict: 'ANSWER_DEFINITION', sections };
  const mark = Buffer.from(`\n--${boundary} `);
  let at = headEnd + 1;
  for (const name of expected.sections) {
    const end = bytes.indexOf(mark, at);
    const stop = end < 0 ? -1 : bytes.indexOf(0x0a, end + mark.length);
    if (stop < 0) return { verdict: 'ANSWER_INCOMPLETE', sections };
    const output = bytes.subarray(at, end);
    const [, said, rc, ms, cut] = TRAILER.exec(bytes.toString('latin1', end + mark.length, stop)) ?? [];
    const full = output.length === expected.limitBytes;
    if (said !== name || output.length > expected.limitBytes || (cut === '1' && !full)) {
      return { verdict: 'ANSWER_FORM', sections };
    }
    sections.push({ name, output, rc: Number(rc), ms: Number(ms), cut: cut === '1' });
    at = stop + 1;
  }
  return { verdict: at === bytes.length ? 'ok' : 'ANSWER_FORM', sections };
};
