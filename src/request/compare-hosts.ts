import type { FactValue } from '../catalog/types.ts';
import type { ReadResult } from './desk.ts';

type Scalar = string | number | boolean;

/** One fact that is not the same on all hosts. Strings among the values are text of the hosts. */
export interface Difference {
  readonly fact: string;
  readonly values: readonly { readonly host: string; readonly value: Scalar }[];
  /** Hosts that were asked and do not have it. */
  readonly absent: readonly string[];
  /** Who is not like the rest; empty where nobody can say who the rest is, as with two hosts. */
  readonly unlike: readonly { readonly host: string; readonly value: Scalar }[];
  /** What the rest has: the value of more than half of the hosts, or the median of numbers. */
  readonly usual: Scalar | null;
}

/** Fewer hosts have no majority. */
const LEAST_HOSTS = 3;
/** A number is far from the others beyond so many median absolute deviations, and so much of the median. */
const DEVIATIONS = 3;
const SHARE = 0.1;
/** Differences that are said of a call. */
const MOST_SAID = 5;
/** Characters of a value there. */
const SAID_VALUE = 40;

/** The facts with a single value that differ between hosts; rows of tables are not compared. Hosts without an answer are left out. */
export const compareHosts = (
  results: readonly Pick<ReadResult, 'host' | 'status' | 'facts'>[],
): readonly Difference[] => {
  const answered = results.filter(({ status }) => status === 'ok');
  const names = [...new Set(answered.flatMap(({ facts }) => Object.keys(facts)))];
  return names.flatMap((fact) => {
    const values = answered.flatMap(({ host, facts }) => {
      const value: FactValue | undefined = facts[fact];
      return value === undefined || typeof value === 'object' ? [] : [{ host, value }];
    });
    const has = new Set(values.map(({ host }) => host));
    const isTable = answered.some(({ facts }) => typeof facts[fact] === 'object');
    const absent = isTable ? [] : answered.filter(({ host }) => !has.has(host)).map(({ host }) => host);
    const isSame = new Set(values.map(({ value }) => value)).size <= 1 && absent.length === 0;
    return isTable || isSame ? [] : [{ fact, values, absent, ...unlikeOf(values) }];
  });
};

const unlikeOf = (values: Difference['values']): Pick<Difference, 'unlike' | 'usual'> => {
  const numbers = values.flatMap(({ host, value }) => (typeof value === 'number' ? [{ host, value }] : []));
  if (values.length < LEAST_HOSTS) return { unlike: [], usual: null };
  if (numbers.length === values.length) return farNumbers(numbers);
  const counts = new Map<Scalar, number>();
  for (const { value } of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  const [usual, count] = [...counts].reduce((most, one) => (one[1] > most[1] ? one : most));
  if (count * 2 <= values.length) return { unlike: [], usual: null };
  return { unlike: values.filter(({ value }) => value !== usual), usual };
};

const farNumbers = (
  values: readonly { readonly host: string; readonly value: number }[],
): Pick<Difference, 'unlike' | 'usual'> => {
  const middle = medianOf(values.map(({ value }) => value));
  const deviation = medianOf(values.map(({ value }) => Math.abs(value - middle)));
  const isFar = (value: number): boolean =>
    Math.abs(value - middle) > Math.max(DEVIATIONS * deviation, SHARE * Math.abs(middle));
  return { unlike: values.filter(({ value }) => isFar(value)), usual: middle };
};

/** The middle value; of an even count the smaller one of the two, so that it is a value that some host has. */
const medianOf = (numbers: readonly number[]): number =>
  [...numbers].sort((a, b) => a - b)[Math.floor((numbers.length - 1) / 2)] ?? 0;

/** Who differs from the rest, at most five lines, the fewest hosts first: `h3: failed 2 (the rest 0)`. Text of the hosts is in it. */
export const saidDifferences = (differences: readonly Difference[]): readonly string[] =>
  differences
    .filter(({ unlike, usual }) => unlike.length > 0 && usual !== null)
    .sort((a, b) => a.unlike.length - b.unlike.length)
    .slice(0, MOST_SAID)
    .map(({ fact, unlike, usual }) => {
      const said = unlike.slice(0, MOST_SAID).map(({ host, value }) => `${host}: ${fact} ${short(value)}`);
      const more = unlike.length > said.length ? ` and ${String(unlike.length - said.length)} more` : '';
      return `${said.join(', ')}${more} (the rest: ${short(usual ?? '')})`;
    });

const short = (value: Scalar): string => {
  const text = String(value);
  return text.length > SAID_VALUE ? `${text.slice(0, SAID_VALUE - 1).toWellFormed()}…` : text;
};
