import type { Server } from '@modelcontextprotocol/sdk/server/index.js';
import { CompleteRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { symptoms } from '../messages/mcp-en.ts';
import { answer, type Serving, type Session } from './serving.ts';

/** Values in one answer, at most (MCP, server/utilities/completion). */
const MOST_VALUES = 100;
/** A value that is being typed, at most; longer ones complete to nothing. */
const LONGEST = 256;

/** What an argument of a prompt or of a resource template can be, by its name: each means the same everywhere. No host is asked. */
const VALUES: Readonly<Record<string, (session: Session) => readonly string[]>> = {
  host: ({ desk }) => desk.hosts().map(({ name }) => name),
  hosts: ({ desk }) => [...new Set(desk.hosts().flatMap(({ name, groups }) => [name, ...groups]))],
  diagnostic: ({ desk }) => [...desk.catalog.diagnostics.keys()],
  action: ({ desk }) => [...desk.catalog.actions.keys()],
  log: ({ logNames }) => logNames,
  symptom: () => Object.keys(symptoms),
  since: () => ['1h', '8h', '12h', '24h', '7d'],
};

/** Handler of completion/complete. */
export const addCompletions = (server: Server, serving: Serving): void => {
  server.setRequestHandler(CompleteRequestSchema, ({ params: { argument } }, { signal }) =>
    answer(serving, signal, 'completion', (session) => {
      const { name, value } = argument;
      const known =
        Object.hasOwn(VALUES, name) && value.length <= LONGEST ? (VALUES[name]?.(session) ?? []) : [];
      const found = matching(name === 'hosts' ? lastOf(value) : { before: '', word: value }, known);
      return {
        completion: {
          values: found.slice(0, MOST_VALUES),
          total: found.length,
          hasMore: found.length > MOST_VALUES,
        },
      };
    }),
  );
};

interface Typed {
  /** What stays as it was typed. */
  readonly before: string;
  readonly word: string;
}

/** Of a list with commas, the last word is being typed. */
const lastOf = (value: string): Typed => {
  const at = value.lastIndexOf(',') + 1;
  const blanks = /^ */u.exec(value.slice(at))?.[0].length ?? 0;
  return { before: value.slice(0, at + blanks), word: value.slice(at + blanks) };
};

/** Those that begin with the word, then those that have it elsewhere, each in the order of the alphabet. */
const matching = ({ before, word }: Typed, known: readonly string[]): readonly string[] => {
  const wanted = word.toLowerCase();
  const taken = before.split(',').map((one) => one.trim());
  const sorted = known.filter((one) => !taken.includes(one)).sort();
  const begin = sorted.filter((one) => one.startsWith(wanted));
  const have = sorted.filter((one) => !one.startsWith(wanted) && one.includes(wanted));
  return [...begin, ...have].map((one) => `${before}${one}`);
};
