import type { Catalog, Diagnostic, FactRow, Facts } from '../catalog/types.ts';

/** The diagnostic that says what a host has. */
export const ASKABLE = 'what_can_i_ask';

/** A diagnostic that would answer not_present on a host, and what it lacks there: a path or `collector <name>`. */
export interface Lacking {
  readonly diagnostic: string;
  readonly lacks: string;
}

/** The diagnostics of a catalog that a host cannot answer, by the facts of what_can_i_ask. What was not looked for is taken to be there. */
export const lackingOn = (
  { diagnostics }: Pick<Catalog, 'diagnostics'>,
  facts: Facts,
): readonly Lacking[] => {
  const present = valuesOf(facts['present'], 'path');
  const collected = valuesOf(facts['collectors'], 'name');
  const lookedFor = new Set(diagnostics.get(ASKABLE)?.run[0]?.argv.filter((word) => word.startsWith('/')));
  return [...diagnostics.values()].flatMap((diagnostic) => {
    const { collector, name } = diagnostic;
    if (collector !== undefined)
      return collected.has(collector) ? [] : [{ diagnostic: name, lacks: `collector ${collector}` }];
    const needed = neededPath(diagnostic);
    return needed === undefined || !lookedFor.has(needed) || present.has(needed)
      ? []
      : [{ diagnostic: name, lacks: needed }];
  });
};

/** What is missing when the answer is not_present: the file it needs, else its first program. */
export const neededPath = ({ needs, run }: Pick<Diagnostic, 'needs' | 'run'>): string | undefined =>
  needs.file ?? run[0]?.argv[0];

const valuesOf = (rows: Facts[string] | undefined, column: string): ReadonlySet<string> =>
  new Set((typeof rows === 'object' ? rows : []).map((row: FactRow) => String(row[column] ?? '')));
