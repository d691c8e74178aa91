import { outputLines } from '../../output-lines.ts';
import type { FactParser } from '../parser.ts';

/** `there`: ls -1 -d of paths, of which it names those that are there; `collected`: ls -1 of the folder of collectors (ls(1)). */
export const whatCanIAsk: FactParser = (sections) => ({
  present: outputLines(sections.get('there') ?? '')
    .filter((line) => line.startsWith('/'))
    .map((path) => ({ path })),
  collectors: outputLines(sections.get('collected') ?? '').flatMap((line) => {
    const [, name] = /^([a-z][a-z0-9_]{0,39})\.json$/u.exec(line) ?? [];
    return name === undefined ? [] : [{ name }];
  }),
});
