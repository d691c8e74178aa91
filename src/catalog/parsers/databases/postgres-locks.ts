import { integerOf, words } from '../../output-lines.ts';
import type { FactParser } from '../parser.ts';
import { largest, largestFirst, textOf, thousandths, type JsonRow } from './json-rows.ts';
import { postgresServer } from './postgres-server.ts';

/** Who waits for whom, from pg_locks and pg_blocking_pids() (PostgreSQL documentation, 54.12 and 9.26). */
export const postgresLocks: FactParser = (sections, codes) => {
  const { head, rows } = postgresServer(sections, codes, 'locks');
  const [server] = rows('server');
  if (server === undefined) return head;
  const sessions = new Map(rows('session').map((row) => [row['pid'], row]));
  const names = new Map(rows('relation').map((row) => [row['oid'], row['name']]));
  const waiting = rows('waiting');
  const waiters = largestFirst(
    waiting.map((row) => ({
      pid: row['pid'],
      blocked_by: textOf(row['by']) ?? '',
      wait_seconds: thousandths(row['age']),
      mode: row['mode'],
      lock: row['type'],
      relation: names.get(row['relation']) ?? numberText(row['relation']),
      ...whoIs(sessions.get(row['pid'])),
    })),
    'wait_seconds',
  );
  const behindOf = blockedBehind(waiting);
  const isWaiting = new Set(waiting.map((row) => row['pid']));
  const roots = [...behindOf.keys()].filter((pid) => !isWaiting.has(pid));
  const blockers = roots.map((pid) => {
    const session = sessions.get(pid);
    return {
      pid,
      blocks: behindOf.get(pid)?.size,
      ...whoIs(session),
      state: session?.['state'],
      transaction_seconds: thousandths(session?.['age']),
    };
  });
  return {
    ...head,
    role: server['replica'] === true ? 'replica' : 'primary',
    waiting: waiters.length,
    longest_wait_seconds: largest(waiters.map((row) => row.wait_seconds)),
    root_blockers: blockers.length,
    blockers: largestFirst(blockers, 'blocks'),
    waiters,
  };
};

const whoIs = (session: JsonRow | undefined) => ({
  user: session?.['usename'],
  database: session?.['datname'],
  application: textOf(session?.['application_name']),
});

const numberText = (value: unknown): string | undefined =>
  typeof value === 'number' ? String(value) : undefined;

const blockersOf = (row: JsonRow): readonly number[] =>
  words(textOf(row['by']) ?? '').flatMap((word) => integerOf(word) ?? []);

/** For each session that holds others up: all that would go on without it and those before it. Circles (a deadlock) end. */
const blockedBehind = (waiting: readonly JsonRow[]): ReadonlyMap<number, ReadonlySet<unknown>> => {
  const direct = new Map<number, unknown[]>();
  for (const row of waiting)
    for (const blocker of blockersOf(row)) direct.set(blocker, [...(direct.get(blocker) ?? []), row['pid']]);
  return new Map(
    [...direct.keys()].map((pid) => {
      const reached = new Set<unknown>(direct.get(pid));
      for (const next of reached)
        if (typeof next === 'number') direct.get(next)?.forEach((behind) => reached.add(behind));
      return [pid, reached] as const;
    }),
  );
};
