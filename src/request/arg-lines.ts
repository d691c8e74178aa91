import { field, word, type StrictLines } from './strict-lines.ts';
import type { ArgList } from './types.ts';

const ARG = field('arg', word.name, word.value);

/** Zero or more `arg <name> <value>` lines, sorted by name, each name once. */
export const readArgs = (lines: StrictLines): ArgList => {
  const args = lines.takeAll(ARG);
  // Names are ASCII, so the order of UTF-16 units is that of bytes.
  if (args.some(([name], index) => index > 0 && name <= (args[index - 1]?.[0] ?? '')))
    throw lines.error('arg order');
  return args;
};

export const writeArgs = (args: ArgList): string[] => args.map(([name, value]) => `arg ${name} ${value}`);
