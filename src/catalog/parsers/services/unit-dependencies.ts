import { outputLines, words } from '../../output-lines.ts';
import type { FactParser } from '../parser.ts';

/** Relations of systemd.unit(5) by what they mean for the unit that has them. */
const NEEDED_BY = ['RequiredBy', 'RequisiteOf', 'BoundBy', 'WantedBy'];
const STOPS_WITH = ['RequiredBy', 'BoundBy', 'ConsistsOf'];

/** `show`: relations as lists of units; `needs`: systemctl list-dependencies --plain, all the way down; `failed`: list-units --failed. */
export const unitDependencies: FactParser = (sections) => {
  const members = new Map(
    outputLines(sections.get('show') ?? '').map((line) => {
      const [name = '', ...rest] = line.split('=');
      return [name, words(rest.join('='))] as const;
    }),
  );
  const [loadState] = members.get('LoadState') ?? [];
  if (loadState === undefined) return {};
  const failed = new Set(outputLines(sections.get('failed') ?? '').map((line) => words(line)[0]));
  const isFailed = (unit: string): boolean => failed.has(unit);
  // The first line is the unit itself.
  const needs = new Set(
    outputLines(sections.get('needs') ?? '')
      .slice(1)
      .map((line) => line.trim()),
  );
  const tied = [...members]
    .filter(([relation]) => relation !== 'LoadState')
    .flatMap(([relation, units]) => units.map((unit) => ({ unit, relation, failed: isFailed(unit) })));
  const unitsOf = (relations: readonly string[]): number =>
    new Set(relations.flatMap((relation) => members.get(relation) ?? [])).size;
  return {
    load_state: loadState,
    needs: needs.size,
    failed_needs: [...needs].filter(isFailed).length,
    needed_by: unitsOf(NEEDED_BY),
    stops_with_it: unitsOf(STOPS_WITH),
    failed: [...needs].filter(isFailed).map((unit) => ({ unit })),
    units: tied.toSorted((a, b) => Number(b.failed) - Number(a.failed)),
  };
};
