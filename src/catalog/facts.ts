import { isUtf8 } from 'node:buffer';
import { boundedValue } from './bounded-value.ts';
import { integerOf, outputLines, words } from './output-lines.ts';
import { asObject, jsonOf } from './parsers/json-output.ts';
import { parsers } from './parsers/registry.ts';
import type { SectionCodes, SectionTexts } from './parsers/parser.ts';
import type { Diagnostic, FactRule, Facts } from './types.ts';
import type { Answer, AnswerSection } from './wire.ts';

/** Sections of every collector's diagnostic: what it wrote, and the target's own clock to judge its age by. */
export const COLLECTOR_SECTION = 'facts';
export const CLOCK_SECTION = 'clock';

/** `timeout` and `env` say so when there is no such program (coreutils). */
const NO_SUCH_PROGRAM = 127;
/** As on the target (pra-run reads the same facts): longer strings are absent. */
const KEY_VALUE_BYTES = 512;

/**
 * The facts of an answer: only those the diagnostic declares, of their declared types, bounded in size. Takes any output:
 * never throws; a fact that could not be read is absent.
 */
export const readFacts = (
  diagnostic: Pick<Diagnostic, 'parse' | 'facts' | 'collector'>,
  answer: Answer,
): Facts => {
  const texts = new Map(answer.sections.map((section) => [section.name, textOf(section)]));
  const values = { ...valuesOf(diagnostic, answer.sections, texts), ...freshness(diagnostic, texts) };
  const facts = Object.entries(diagnostic.facts).map(
    ([name, rule]) =>
      [name, boundedValue(rule.type, Object.hasOwn(values, name) ? values[name] : undefined)] as const,
  );
  return Object.fromEntries(
    facts.filter((fact): fact is [string, NonNullable<(typeof fact)[1]>] => fact[1] !== undefined),
  );
};

/** The program is not installed, the file is not there, or the collector has written nothing or found no such thing: data, not an error. */
export const isNotPresent = (
  { collector, needs }: Pick<Diagnostic, 'collector' | 'needs'>,
  answer: Answer,
): boolean => {
  const [first] = answer.sections;
  if (first === undefined) return false;
  if ((collector !== undefined || needs.file !== undefined) && first.rc !== 0 && first.output.length === 0)
    return true;
  if (collector !== undefined) {
    const members = jsonMembers(textOf(first));
    return needs.member !== undefined && members.size > 0 && (members.get(needs.member) ?? null) === null;
  }
  if (needs.file !== undefined) return false;
  return first.rc === NO_SUCH_PROGRAM && first.output.length === 0;
};

/** What was cut ends at its last complete line. */
const textOf = ({ output, cut }: AnswerSection): string => {
  const whole = cut ? output.subarray(0, output.lastIndexOf(0x0a) + 1) : output;
  return whole.toString('utf8');
};

const codesOf = (sections: readonly AnswerSection[]): SectionCodes =>
  new Map(sections.map(({ name, rc }) => [name, rc]));

type Values = Readonly<Record<string, unknown>>;

const valuesOf = (
  { parse, facts }: Pick<Diagnostic, 'parse' | 'facts'>,
  sections: readonly AnswerSection[],
  texts: SectionTexts,
): Values => {
  if (typeof parse === 'object') return parsers.get(parse.parser)?.(texts, codesOf(sections)) ?? {};
  const [first] = sections;
  if (first === undefined) return {};
  const text = texts.get(first.name) ?? '';
  if (parse === 'table') {
    const rows = tableRows(text);
    return mapFacts(facts, (rule) => (rule.type === 'integer' ? rows.length : rows));
  }
  if (parse === 'lines') {
    const lines = outputLines(text);
    return mapFacts(facts, (rule) => lineFact(lines, rule));
  }
  // Half an object, or what a program said before it was stopped, is not a state of the host (as on the target).
  if (first.cut || first.rc === 124 || !isUtf8(first.output)) return {};
  const members = parse === 'kv' ? keyValues(text) : jsonMembers(text);
  return mapFacts(facts, (rule, name) => typedMember(members.get(rule.from ?? name), rule.type));
};

const mapFacts = (facts: Diagnostic['facts'], value: (rule: FactRule, name: string) => unknown): Values =>
  Object.fromEntries(Object.entries(facts).map(([name, rule]) => [name, value(rule, name)]));

/** `Key=value` lines. A key that comes twice has no one value. */
const keyValues = (text: string): ReadonlyMap<string, unknown> => {
  const members = new Map<string, string | undefined>();
  for (const line of text.split('\n')) {
    const equals = line.indexOf('=');
    if (equals < 0) continue;
    const key = line.slice(0, equals);
    const value = line.slice(equals + 1);
    members.set(key, members.has(key) || Buffer.byteLength(value) > KEY_VALUE_BYTES ? undefined : value);
  }
  return members;
};

const jsonMembers = (text: string): ReadonlyMap<string, unknown> =>
  new Map(Object.entries(asObject(jsonOf(text))));

/** docs/wire-protocol.md §4: integers and booleans may be written as text. */
const typedMember = (value: unknown, type: FactRule['type']): unknown => {
  if (typeof value !== 'string') return value;
  if (type === 'integer') return /^(?:0|-?[1-9][0-9]{0,14})$/u.test(value) ? integerOf(value) : undefined;
  if (type === 'number') return /^-?[0-9]{1,15}(?:\.[0-9]{1,9})?$/u.test(value) ? Number(value) : undefined;
  if (type === 'boolean') return BOOLEANS.get(value);
  return value;
};

const BOOLEANS: ReadonlyMap<string, boolean> = new Map([
  ['yes', true],
  ['true', true],
  ['1', true],
  ['no', false],
  ['false', false],
  ['0', false],
]);

/** The first line names the columns; a cell more than there are columns belongs to the last one. */
const tableRows = (text: string): readonly Readonly<Record<string, string>>[] => {
  const [header = '', ...lines] = outputLines(text);
  const columns = words(header).map((column) => column.toLowerCase().replace(/[^a-z0-9]+/gu, '_'));
  return lines.map((line) => {
    const cells = words(line);
    const last = columns.length - 1;
    return Object.fromEntries(
      columns.map((column, index) => [
        column,
        index === last ? cells.slice(last).join(' ') : (cells[index] ?? ''),
      ]),
    );
  });
};

/** `from: first` and `from: last` are lines, an integer is their count, rows are the lines themselves. */
const lineFact = (lines: readonly string[], { type, from }: FactRule): unknown => {
  if (type === 'integer') return lines.length;
  if (type === 'rows') return lines.map((line) => ({ line }));
  return from === 'first' ? lines[0] : lines.at(-1);
};

/** How old a collector's file is by the target's own clock, and whether that is more than two of its periods. */
const freshness = (diagnostic: Pick<Diagnostic, 'collector'>, texts: SectionTexts): Values => {
  if (diagnostic.collector === undefined) return {};
  const members = jsonMembers(texts.get(COLLECTOR_SECTION) ?? '');
  const collectedAt = members.get('collected_at');
  const period = members.get('period');
  const now = integerOf(texts.get(CLOCK_SECTION)?.trim());
  const form = /^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?Z$/u;
  if (typeof collectedAt !== 'string' || !form.test(collectedAt) || now === undefined) return {};
  const age = Math.round(now - Date.parse(collectedAt) / 1_000);
  if (!Number.isSafeInteger(age)) return {};
  if (typeof period !== 'number') return { age_seconds: age };
  // A file from the future was written by a clock that has been set back since: how old it is, nobody knows.
  return { age_seconds: age, stale: age < -1 || age > 2 * period };
};
