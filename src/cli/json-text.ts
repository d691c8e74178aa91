import { UNSEEN } from '../request/neutralise.ts';

const escape = (character: string): string =>
  Array.from(
    { length: character.length },
    (_, at) => `\\u${character.charCodeAt(at).toString(16).padStart(4, '0')}`,
  ).join('');

/**
 * A value as JSON on one line in which every character that a terminal would obey or a reader could not see is an escape: the same value
 * for every program that reads it.
 */
export const jsonText = (value: unknown, space?: number): string =>
  JSON.stringify(value, undefined, space).replace(UNSEEN, escape);
