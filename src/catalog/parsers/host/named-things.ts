import { outputLines } from '../../output-lines.ts';
import { isNameType, WORD } from '../../param-types.ts';
import type { FactParser } from '../parser.ts';

/** The heading of a folder in ls -R (ls(1)): its path and a colon. */
const FOLDER = /^\/(?:[^/]+\/)*([^/]+):$/u;

/** `ls -1 -R` of the names tables (docs/wire-protocol.md): a folder a kind, a file a name. What is no name is left out. */
export const namedThings: FactParser = (sections) => {
  const names: { readonly kind: string; readonly name: string }[] = [];
  let kind = '';
  for (const line of outputLines([...sections.values()].join('\n'))) {
    const [, folder] = FOLDER.exec(line) ?? [];
    if (folder !== undefined) kind = folder;
    else if (isNameType(kind) && WORD.test(line)) names.push({ kind, name: line });
  }
  return { count: names.length, names };
};
