import type { FactParser } from '../parser.ts';
import { behind, largest, largestFirst, numberOf, textOf, thousandths, type JsonRow } from './json-rows.ts';
import { postgresServer } from './postgres-server.ts';

/**
 * What a server says of replication (PostgreSQL documentation, 28.2 "pg_stat_replication", 54.20 "pg_replication_slots"). Positions in
 * the WAL are bytes since its beginning.
 */
export const postgresReplication: FactParser = (sections, codes) => {
  const { head, rows } = postgresServer(sections, codes, 'replication');
  const [server] = rows('server');
  if (server === undefined) return head;
  const at = rows('wal')[0]?.['at'];
  const lags = rows('lag');
  const standbys = largestFirst(
    rows('standby').map((row) => standbyOf(row, at, lags)),
    'replay_lag_bytes',
  );
  const slots = largestFirst(
    rows('slot').map((row) => slotOf(row, at)),
    'retained_bytes',
  );
  const own = replicaOf(rows('replay')[0], rows('age')[0]);
  const [receiver] = rows('receiver');
  const isReplica = server['replica'] === true;
  return {
    ...head,
    role: isReplica ? 'replica' : 'primary',
    replicas: standbys.length,
    worst_lag_bytes: largest([own.lag_bytes, ...standbys.map((row) => row.replay_lag_bytes)]),
    worst_lag_seconds: largest([own.lag_seconds, ...standbys.map((row) => row.replay_lag_seconds)]),
    replay_paused: own.paused,
    receiver: isReplica ? (textOf(receiver?.['status']) ?? 'none') : undefined,
    receiver_from: textOf(receiver?.['sender_host']),
    receiver_heard_seconds: thousandths(receiver?.['heard']),
    slots: slots.length,
    inactive_slots: slots.filter((row) => row.active === false && row.retained_bytes !== undefined).length,
    most_retained_bytes: largest(slots.map((row) => row.retained_bytes)),
    standby_rows: standbys,
    slot_rows: slots,
  };
};

const standbyOf = (row: JsonRow, at: unknown, lags: readonly JsonRow[]) => {
  const lag = lags.find((other) => other['name'] === row['name'] && other['address'] === row['address']);
  return {
    name: row['name'],
    address: row['address'],
    state: row['state'],
    sync: row['sync'],
    sent_lag_bytes: behind(at, row['sent']),
    flush_lag_bytes: behind(at, row['flushed']),
    replay_lag_bytes: behind(at, row['replayed']),
    replay_lag_seconds: thousandths(lag?.['seconds']),
  };
};

const slotOf = (row: JsonRow, at: unknown) => ({
  slot: row['slot'],
  type: row['type'],
  active: row['active'],
  wal_status: row['wal_status'],
  retained_bytes: behind(at, row['restart']),
  safe_bytes: numberOf(row['safe_bytes']),
});

/** A replica that has replayed all it received is not behind, however long nothing was written on the primary. */
const replicaOf = (replay: JsonRow | undefined, age: JsonRow | undefined) => {
  const lag = behind(replay?.['received'], replay?.['replayed']);
  return {
    paused: replay?.['paused'],
    lag_bytes: lag,
    lag_seconds: lag === undefined ? undefined : lag === 0 ? 0 : thousandths(age?.['seconds']),
  };
};
