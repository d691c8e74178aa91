import { z } from 'zod';
import { PraError } from '../errors.ts';
import { judgeValue, rangeOf, SPAN, UNIT, UNIT_BYTES, WORD } from './param-types.ts';
import type { CheckedArgs, Param, ParamType } from './types.ts';

export { judgeValue } from './param-types.ts';

/** Name and value pairs in name order, as `arg` lines of drafts and tickets want them. */
export type ArgPairs = readonly (readonly [name: string, value: string])[];

/** What has parameters: a diagnostic or an action. */
export interface HasParams {
  readonly name: string;
  readonly params: readonly Param[];
}

/** Text as the wire carries it: lower-case hex of its UTF-8. A lone surrogate becomes hex that no parameter accepts. */
export const encodeText = (plain: string): string =>
  plain.isWellFormed() ? Buffer.from(plain, 'utf8').toString('hex') : '';

/** A value as the wire carries it: text as hex, everything else as it stands. */
export const toWire = (param: Pick<Param, 'type'>, plain: string): string =>
  param.type === 'text' ? encodeText(plain) : plain;

/**
 * The arguments of a call, checked, in `params` order and with every default filled in; the only maker of CheckedArgs.
 * Integers may come as numbers. Throws ARGUMENT_UNKNOWN, ARGUMENT_MISSING, ARGUMENT_BAD.
 */
export const checkArgs = (definition: HasParams, given: Readonly<Record<string, unknown>>): CheckedArgs => {
  const { name, params } = definition;
  const known = new Set(params.map((param) => param.name));
  if (Object.keys(given).some((key) => !known.has(key))) {
    throw new PraError('ARGUMENT_UNKNOWN', { definition: name, names: [...known].join(', ') || '(none)' });
  }
  const checked = params.map(
    (param) => [param.name, checkValue(name, param, ownValue(given, param.name))] as const,
  );
  // The brand is made here and nowhere else.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return new Map(checked) as unknown as CheckedArgs;
};

const ownValue = (given: Readonly<Record<string, unknown>>, name: string): unknown =>
  Object.hasOwn(given, name) ? given[name] : undefined;

const checkValue = (definition: string, param: Param, given: unknown): string => {
  const value = given === undefined ? param.default : asString(param, given);
  if (given === undefined && value === undefined) {
    throw new PraError('ARGUMENT_MISSING', { definition, name: param.name, expected: describeParam(param) });
  }
  if (value === undefined || !judgeValue(param, toWire(param, value))) {
    throw new PraError('ARGUMENT_BAD', { name: param.name, expected: describeParam(param) });
  }
  return value;
};

const asString = (param: Param, given: unknown): string | undefined => {
  if (typeof given === 'string') return given;
  const counts = param.type === 'integer' || param.type === 'port';
  return counts && Number.isSafeInteger(given) ? String(given) : undefined;
};

/** Checked arguments in name order. Only for actions: their values are the same on the wire and for people. */
export const toArgList = (checked: CheckedArgs): ArgPairs =>
  [...checked].sort(([a], [b]) => (a < b ? -1 : Number(a > b)));

/** What a value must be, as the end of the sentence "It must be …". */
export const describeParam = ({ type, bounds }: Pick<Param, 'type' | 'bounds'>): string => {
  const range = rangeOf(bounds);
  switch (type) {
    case 'unit': {
      const kinds = bounds.split(',').map((kind) => `.${kind}`);
      return `the full name of a systemd unit, at most ${String(UNIT_BYTES)} characters, ending in ${orList(kinds)}`;
    }
    case 'integer':
      return `a whole number from ${String(range?.min)} to ${String(range?.max)}`;
    case 'choice':
      return `one of: ${bounds.split(',').join(', ')}`;
    case 'port':
      return 'a port number from 1 to 65535';
    case 'span':
      return `a time span such as 90s, 30m, 2h or 1d, from ${String(range?.min)} to ${String(range?.max)} seconds`;
    case 'text':
      return `text of 1 to ${bounds} bytes without control characters, matched literally`;
    default:
      return `the name of a ${type} that the host lists: small letters, digits, _ and -, at most 32 characters`;
  }
};

const orList = (words: readonly string[]): string =>
  words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} or ${words.at(-1) ?? ''}`;

/** Types whose JSON Schema says in full what a value must be. */
const SAID_BY_SCHEMA: readonly ParamType[] = ['integer', 'port', 'choice'];

/** The MCP input schema of one parameter: strict, described, with its default. */
export const zodForParam = (param: Param): z.ZodType => {
  const said = SAID_BY_SCHEMA.includes(param.type) ? '' : ` It must be ${describeParam(param)}.`;
  const schema = valueSchema(param).describe(`${param.help}${said}`);
  if (param.default === undefined) return schema;
  return schema.default(
    param.type === 'integer' || param.type === 'port' ? Number(param.default) : param.default,
  );
};

const valueSchema = (param: Param): z.ZodType => {
  const { type, bounds } = param;
  const ofType = (value: string): boolean => judgeValue(param, toWire(param, value));
  switch (type) {
    case 'integer': {
      const range = rangeOf(bounds);
      return z
        .number()
        .int()
        .min(range?.min ?? 1)
        .max(range?.max ?? 0);
    }
    case 'port':
      return z.number().int().min(1).max(65_535);
    case 'choice':
      return z.enum(bounds.split(','));
    case 'unit':
      return z.string().max(UNIT_BYTES).regex(UNIT).refine(ofType);
    case 'span':
      return z.string().regex(SPAN).refine(ofType);
    case 'text':
      return z.string().min(1).max(Number(bounds)).refine(ofType);
    default:
      return z.string().regex(WORD);
  }
};
