/** A word as a POSIX shell, Python's shlex and a person read it back: as it is when it has nothing special, else in single quotes. */
export const shellWord = (word: string): string =>
  /^[\w@%+=:,./-]+$/u.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;

/** A command line of such words. */
export const shellLine = (words: readonly string[]): string => words.map(shellWord).join(' ');
