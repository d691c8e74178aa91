import { PraError } from '../errors.ts';

/** `name=value` words of a command line, each name once. Throws USAGE. */
export const readNameValues = (words: readonly string[]): Readonly<Record<string, string>> => {
  const given = new Map<string, string>();
  for (const word of words) {
    const [, name, value] = /^([a-z][a-z0-9_]{0,39})=([\s\S]*)$/u.exec(word) ?? [];
    if (name === undefined || value === undefined)
      throw new PraError('USAGE', { what: 'Arguments are written name=value.' });
    if (given.has(name)) throw new PraError('USAGE', { what: `The argument ${name} is there twice.` });
    given.set(name, value);
  }
  return Object.fromEntries(given);
};

/** Collects an option that may be given more than once, or several times in one word with commas. */
export const collect = (word: string, before: readonly string[] = []): readonly string[] => [
  ...before,
  ...word.split(',').filter((part) => part !== ''),
];
