import { describeParam } from '../catalog/params.ts';
import type { Diagnostic, Param } from '../catalog/types.ts';
import { tierNote } from '../catalog/tier-note.ts';

/** `name: what it is for. It must be …; default …` */
export const paramLine = (param: Param): string =>
  `${param.name}: ${param.help} It must be ${describeParam(param)}${param.default === undefined ? '' : `; default ${param.default}`}.`;

/** What a diagnostic takes, one line a parameter: for whoever gave it something else. */
export const takes = ({ name, params }: Diagnostic): readonly string[] =>
  params.length === 0
    ? [`${name} takes no parameters.`]
    : [`${name} takes:`, ...params.map((param) => `  ${paramLine(param)}`)];

/** Everything a caller has to know of a diagnostic, as text. */
export const detailText = (diagnostic: Diagnostic): string => {
  const { name, title, summary, params, facts, example } = diagnostic;
  const note = tierNote(diagnostic);
  return [
    `${name}: ${title}. ${summary}${note === '' ? '' : ` (${note})`}`,
    ...params.map((param) => `  ${paramLine(param)}`),
    `  facts: ${Object.keys(facts).join(', ')}`,
    ...(Object.keys(example).length === 0 ? [] : [`  example args: ${JSON.stringify(example)}`]),
  ].join('\n');
};
