/** One thing wrong with the configuration, where it is, and what to do about it. */
export interface ConfigProblem {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  readonly column: number;
  /** Dotted path of the key, or an empty string for the file itself. */
  readonly path: string;
  readonly message: string;
  readonly fix: string;
}

/** `mcp-pra.yaml:4:5: hosts.web1: … Fix: …`, on one line. */
export const problemLine = ({ file, line, column, path, message, fix }: ConfigProblem): string =>
  `${file}:${String(line)}:${String(column)}: ${path === '' ? '' : `${path}: `}${message}. Fix: ${fix}.`;

/** All problems of one file: the cause of a CONFIG_INVALID. */
export class ConfigProblems extends Error {
  override readonly name = 'ConfigProblems';
  readonly problems: readonly ConfigProblem[];

  constructor(problems: readonly ConfigProblem[]) {
    super(problems.map(problemLine).join('\n'));
    this.problems = problems;
  }
}
