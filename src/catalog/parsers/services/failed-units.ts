import { outputLines, words } from '../../output-lines.ts';
import type { FactParser } from '../parser.ts';

/** systemctl list-units --plain --no-legend: `unit load active sub description`. */
export const failedUnits: FactParser = (sections) => {
  const units = outputLines([...sections.values()].join('\n'))
    .map((line) => words(line))
    .filter((fields) => fields.length >= 4 && fields[0]?.includes('.') === true)
    .map(([unit, load, active, sub]) => ({ unit, load, active, sub }));
  return { count: units.length, units };
};
