import type { Param, ParamType } from './types.ts';

/** What decides about a value: the two columns of a verb file. */
export type ParamRule = Pick<Param, 'type' | 'bounds'>;

/** Types whose values are looked up in a table of the target (docs/wire-protocol.md §1). */
export const NAME_TYPES = ['log', 'mount', 'tree', 'endpoint', 'certificate'] as const;

export const PARAM_TYPES = [
  'unit',
  'integer',
  'choice',
  ...NAME_TYPES,
  'port',
  'span',
  'text',
] as const satisfies readonly ParamType[];

/** Names of verbs, actions, sections, parameters and facts. */
export const NAME = /^[a-z][a-z0-9_]{0,39}$/u;
/** A choice, or a name in a table of the target. */
export const WORD = /^[a-z0-9][a-z0-9_-]{0,31}$/u;
export const UNIT = /^[A-Za-z0-9][A-Za-z0-9@._:-]*$/u;
export const UNIT_BYTES = 96;
export const SPAN = /^[1-9][0-9]{0,3}[smhd]$/u;
export const TEXT_BYTES = 96;

const INTEGER = /^(?:0|[1-9][0-9]{0,8})$/u;
const HEX_PAIRS = /^(?:[0-9a-f]{2})+$/u;
/** U+0000–001F and U+007F–009F. */
const CONTROLS = /[\u0000-\u001f\u007f-\u009f]/u;
const SPAN_SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 };

export const isNameType = (type: string): boolean => (NAME_TYPES as readonly string[]).includes(type);

/** The two ends of `min..max`; undefined when the text is not of that form, or upside down. */
export const rangeOf = (bounds: string): { readonly min: number; readonly max: number } | undefined => {
  const [min, max, ...rest] = bounds.split('..');
  if (min === undefined || max === undefined || rest.length > 0) return undefined;
  if (!INTEGER.test(min) || !INTEGER.test(max) || Number(min) > Number(max)) return undefined;
  return { min: Number(min), max: Number(max) };
};

/** Whether a verb file may say so; a value is judged only against bounds that are well formed. */
export const areBounds = ({ type, bounds }: ParamRule): boolean => {
  switch (type) {
    case 'unit':
      return bounds.split(',').every((kind) => /^[a-z]{1,32}$/u.test(kind));
    case 'choice':
      return bounds.split(',').every((word) => WORD.test(word));
    case 'integer':
    case 'span':
      return rangeOf(bounds) !== undefined;
    case 'text':
      return isInteger(bounds, 1, TEXT_BYTES);
    default:
      return bounds === '-' && (PARAM_TYPES as readonly string[]).includes(type);
  }
};

/**
 * Whether a value, in its wire form, is of a parameter's type (docs/wire-protocol.md §1): the same verdict as mcp-wrapper
 * and pra-run give, see test/vectors/params. Names are not looked up here: only the target knows them.
 */
export const judgeValue = (param: ParamRule, value: string): boolean => {
  if (!areBounds(param)) return false;
  const { type, bounds } = param;
  switch (type) {
    case 'unit':
      return UNIT.test(value) && value.length <= UNIT_BYTES && hasKind(value, bounds.split(','));
    case 'choice':
      return bounds.split(',').includes(value);
    case 'integer':
      return isWithin(value, bounds);
    case 'port':
      return isInteger(value, 1, 65_535);
    case 'span':
      return SPAN.test(value) && isWithin(String(spanSeconds(value)), bounds);
    case 'text':
      return isText(value, Number(bounds));
    default:
      return WORD.test(value);
  }
};

/** Whether everything that `inner` allows is allowed by `outer`: for values that are handed on. */
export const isWithinBounds = (inner: ParamRule, outer: ParamRule): boolean => {
  if (inner.type !== outer.type || !areBounds(inner) || !areBounds(outer)) return false;
  const [a, b] = [rangeOf(inner.bounds), rangeOf(outer.bounds)];
  if (a !== undefined && b !== undefined) return a.min >= b.min && a.max <= b.max;
  const words = outer.bounds.split(',');
  return inner.bounds.split(',').every((word) => words.includes(word));
};

/** Length of the longest value in wire bytes, for the limit of a request line. */
export const longestValue = ({ type, bounds }: ParamRule): number => {
  if (type === 'unit') return UNIT_BYTES;
  if (type === 'choice') return Math.max(...bounds.split(',').map((word) => word.length));
  if (type === 'integer' || type === 'port') return 9;
  if (type === 'span') return 5;
  return type === 'text' ? 2 * Number(bounds) : 32;
};

const hasKind = (unit: string, kinds: readonly string[]): boolean =>
  unit.includes('.') && kinds.includes(unit.slice(unit.lastIndexOf('.') + 1));

const isInteger = (value: string, min: number, max: number): boolean =>
  INTEGER.test(value) && Number(value) >= min && Number(value) <= max;

const isWithin = (value: string, bounds: string): boolean => {
  const range = rangeOf(bounds);
  return range !== undefined && isInteger(value, range.min, range.max);
};

const spanSeconds = (span: string): number =>
  Number(span.slice(0, -1)) * (SPAN_SECONDS[span.slice(-1)] ?? Number.NaN);

/** Hex of valid UTF-8 without control characters. */
const isText = (hex: string, maxBytes: number): boolean => {
  if (!HEX_PAIRS.test(hex) || hex.length > 2 * maxBytes) return false;
  try {
    return !CONTROLS.test(
      new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.from(hex, 'hex')),
    );
  } catch {
    return false;
  }
};
