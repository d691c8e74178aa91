import { asList, asObjects, jsonOf, type JsonObject } from '../json-output.ts';

/** What `ip -j` prints (ip(8)): a list of objects. Anything else is none; JSON that nests deeper than any of ip's is not read. */
export const ipObjects = (text: string | undefined): readonly JsonObject[] => asObjects(jsonOf(text));

export const textIn = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

/** A whole number that is not negative; undefined for anything else. */
export const countIn = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined;

/** Words in a member that is a list: `flags`, `state`. */
export const wordsIn = (value: unknown): readonly string[] =>
  asList(value).filter((word): word is string => typeof word === 'string');
