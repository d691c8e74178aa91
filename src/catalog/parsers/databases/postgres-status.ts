import type { FactParser } from '../parser.ts';
import { jsonRows, largest, numberOf, textOf, thousandths, type JsonRow } from './json-rows.ts';
import { postgresServer } from './postgres-server.ts';

/** Transaction ids are 31 bits on either side of the present (PostgreSQL documentation, 25.1.5). */
const WRAPAROUND = 2 ** 31;

type Rows = ReturnType<typeof jsonRows>;

/** What the statistics views say of a server (PostgreSQL documentation, 28.2), by fixed queries of ours. */
export const postgresStatus: FactParser = (sections, codes) => {
  const { head, rows } = postgresServer(sections, codes, 'status');
  const [server] = rows('server');
  if (server === undefined) return head;
  const [about] = rows('about');
  const transactions = transactionsOf(rows);
  return {
    ...head,
    role: server['replica'] === true ? 'replica' : 'primary',
    version: about?.['version'],
    uptime_seconds: thousandths(about?.['up']),
    ...connections(rows),
    ...oldest(rows),
    longest_transaction_seconds: largest(transactions.map((row) => row.age_seconds)),
    ...archiver(rows),
    deadlocks: rows('activity')[0]?.['deadlocks'],
    conflicts: rows('activity')[0]?.['conflicts'],
    temp_bytes: rows('activity')[0]?.['temp'],
    transactions,
    databases: rows('size').map((row) => ({ database: row['datname'], bytes: row['bytes'] })),
  };
};

const connections = (rows: Rows) => {
  const states = rows('state');
  const inState = (wanted: (state: string) => boolean): number =>
    states
      .filter((row) => wanted(textOf(row['state']) ?? ''))
      .reduce((sum, row) => sum + (numberOf(row['n']) ?? 0), 0);
  const all = inState(() => true);
  const most = numberOf(rows('about')[0]?.['max']);
  const usable = (most ?? 0) - (numberOf(rows('kept')[0]?.['reserved']) ?? 0);
  return {
    connections: all,
    max_connections: most,
    connections_percent: usable > 0 ? Math.round((100 * all) / usable) : undefined,
    active: inState((state) => state === 'active'),
    idle_in_transaction: inState((state) => state.startsWith('idle in transaction')),
  };
};

const oldest = (rows: Rows) => {
  const [prepared] = rows('prepared');
  const [frozen] = rows('frozen');
  const age = numberOf(frozen?.['age']);
  return {
    oldest_xmin_age: rows('snapshot')[0]?.['xmin'],
    prepared_transactions: prepared?.['n'],
    oldest_prepared_seconds: thousandths(prepared?.['age']),
    wraparound_database: frozen?.['datname'],
    wraparound_age: age,
    wraparound_percent: age === undefined ? undefined : thousandths((100 * age) / WRAPAROUND),
    autovacuum_freeze_max_age: rows('kept')[0]?.['freeze'],
  };
};

const archiver = (rows: Rows) => {
  const [row] = rows('archiver');
  const [since, failing] = [numberOf(row?.['since']), numberOf(row?.['failing'])];
  return {
    archiving: rows('kept')[0]?.['archiving'],
    archive_failures: row?.['failed'],
    archive_failing: row === undefined ? undefined : failing !== undefined && failing < (since ?? Infinity),
    archived_seconds_ago: thousandths(since),
  };
};

const transactionsOf = (rows: Rows) => {
  const waits = rows('wait');
  return rows('longest').map((row: JsonRow) => {
    const wait = waits.find((other) => other['pid'] === row['pid']);
    return {
      pid: row['pid'],
      user: row['usename'],
      database: row['datname'],
      state: row['state'],
      age_seconds: thousandths(row['age']),
      wait_type: wait?.['type'],
      wait_event: wait?.['event'],
    };
  });
};
