import type { SectionCodes, SectionTexts } from '../parser.ts';
import { jsonRows, type JsonRow } from './json-rows.ts';

/** Exit codes of pg_isready(1). 3 (no attempt was made) cannot come with our arguments. */
const READY: Readonly<Record<number, string>> = { 0: 'accepting', 1: 'rejecting', 2: 'no answer' };

/** What every diagnostic of PostgreSQL begins with, and the rows its queries answered. */
export const postgresServer = (
  sections: SectionTexts,
  codes: SectionCodes,
  section: string,
): {
  readonly head: Readonly<Record<string, unknown>>;
  readonly rows: (kind: string) => readonly JsonRow[];
} => {
  const rows = jsonRows(sections.get(section) ?? '');
  const [server] = rows('server');
  const isAccepting = codes.get('ready') === 0;
  return {
    head: {
      server: READY[codes.get('ready') ?? -1],
      // An exit code of 2 is psql's for no connection: accepting, yet not for us.
      permitted:
        server === undefined
          ? isAccepting && codes.get(section) === 2
            ? false
            : undefined
          : server['monitor'] === true,
    },
    rows,
  };
};
