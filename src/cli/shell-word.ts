/** A word as a POSIX shell, Python's shlex and a person read it back: as it is when it has nothing special, else in single quotes. */
export const shellWord = (word: string): string =>
  /^[\w@%+=:,./-]+$/u.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;

/** A command line of such words. */
export const shellLine = (words: readonly string[]): string => words.map(shellWord).join(' ');

/** The words of a line as a POSIX shell divides them (quotes and backslashes, nothing else); undefined when a quote does not end. */
export const shellWords = (line: string): readonly string[] | undefined => {
  const token = /\s+|'([^']*)'|"((?:[^"\\]|\\[^])*)"|\\([^])|([^\s'"\\]+)/uy;
  const words: string[] = [];
  let word: string | undefined;
  while (token.lastIndex < line.length) {
    const found = token.exec(line);
    if (found === null) return undefined;
    const [all, single, double, escaped, plain] = found;
    const part = single ?? double?.replace(/\\(["\\$`])/gu, '$1') ?? escaped ?? plain;
    if (part !== undefined) word = (word ?? '') + part;
    else if (word !== undefined && all !== '') {
      words.push(word);
      word = undefined;
    }
  }
  return word === undefined ? words : [...words, word];
};
