/** What is wrong with a catalog file and where. `line` and `column` count from 1. */
export interface Problem {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly message: string;
}

/** What is wrong at a place inside a definition, before the place is known as a line. */
export interface Fault {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

/** Collects faults: `need(condition, path, message)` reads as the rule it checks. */
export class Faults {
  readonly found: Fault[] = [];

  need(condition: boolean, path: Fault['path'], message: string): boolean {
    if (!condition) this.found.push({ path, message });
    return condition;
  }
}

/** `file:line:column message`, as editors understand it. */
export const problemLine = ({ file, line, column, message }: Problem): string =>
  `${file}:${String(line)}:${String(column)} ${message}`;

/** The cause of CATALOG_INVALID: every problem, for `mcp-pra catalog build` and the log. */
export class CatalogProblems extends Error {
  override readonly name = 'CatalogProblems';
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[]) {
    super(problems.map(problemLine).join('\n'));
    this.problems = problems;
  }
}
