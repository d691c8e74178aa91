import { describe, expect, test } from 'vitest';
import { parsers } from '../../../src/catalog/parsers/registry.ts';

// What recordings of databases and clusters do not show: states that are rare, and answers that are not whole.
const read = (
  parser: string,
  sections: Readonly<Record<string, string>>,
  codes: Readonly<Record<string, number>> = {},
) => parsers.get(parser)?.(new Map(Object.entries(sections)), new Map(Object.entries(codes)));

const lines = (...rows: readonly object[]): string => rows.map((row) => `${JSON.stringify(row)}\n`).join('');
const SERVER = { kind: 'server', replica: false, monitor: true };

describe('PostgreSQL', () => {
  test.each([
    ['accepting, and no row: it does not let us in', 0, 2, { server: 'accepting', permitted: false }],
    ['accepting, and psql was stopped: nobody knows', 0, 124, { server: 'accepting', permitted: undefined }],
    ['rejecting', 1, 2, { server: 'rejecting', permitted: undefined }],
    ['no answer', 2, 2, { server: 'no answer', permitted: undefined }],
  ])('%s', (_, ready, status, expected) => {
    expect(read('postgres_status', { ready: '', status: '' }, { ready, status })).toEqual(expected);
  });

  test('a replay position read after the write position is no negative lag', () => {
    const replication = lines(
      SERVER,
      { kind: 'wal', at: 100 },
      {
        kind: 'standby',
        name: 'a',
        address: null,
        state: 'streaming',
        sync: 'async',
        sent: 120,
        flushed: 90,
        replayed: 110,
      },
    );
    expect(read('postgres_replication', { replication }, { ready: 0 })).toMatchObject({
      worst_lag_bytes: 0,
      standby_rows: [{ sent_lag_bytes: 0, flush_lag_bytes: 10, replay_lag_bytes: 0 }],
    });
  });

  test('a slot that never reserved WAL keeps none back', () => {
    const replication = lines(
      SERVER,
      { kind: 'wal', at: 9 },
      { kind: 'slot', slot: 's', active: false, restart: null },
    );
    expect(read('postgres_replication', { replication }, { ready: 0 })).toMatchObject({
      slots: 1,
      inactive_slots: 0,
    });
  });

  test('sessions that wait for each other have no root', () => {
    const locks = lines(SERVER, { kind: 'waiting', pid: 1, by: '2' }, { kind: 'waiting', pid: 2, by: '1' });
    expect(read('postgres_locks', { locks }, { ready: 0 })).toMatchObject({ waiting: 2, root_blockers: 0 });
  });

  test('one that blocks two, of which one blocks a third, blocks three', () => {
    const locks = lines(
      SERVER,
      { kind: 'waiting', pid: 2, by: '1', age: 5 },
      { kind: 'waiting', pid: 3, by: '1', age: 9 },
      { kind: 'waiting', pid: 4, by: '3 3', age: 1 },
    );
    expect(read('postgres_locks', { locks }, { ready: 0 })).toMatchObject({
      longest_wait_seconds: 9,
      root_blockers: 1,
      blockers: [{ pid: 1, blocks: 3 }],
    });
  });
});

describe('Redis', () => {
  test.each([
    ['NOAUTH Authentication required.\n', 'auth required'],
    ["NOPERM User default has no permissions to run the 'info' command\n", 'auth required'],
    ['', 'no answer'],
  ])('%s', (info, state) => {
    expect(read('redis_status', { info }, { info: info === '' ? 1 : 0 })).toEqual({ state });
  });
});

describe('Patroni', () => {
  const cluster = (answer: object): string => JSON.stringify({ outcome: 'read', answer });

  test('no leader, a lag that nobody knows, a member left behind on an old timeline', () => {
    const members = [
      { name: 'a', role: 'replica', state: 'streaming', timeline: 5, lag: 10 },
      { name: 'b', role: 'replica', state: 'start failed', timeline: 4, lag: 'unknown' },
    ];
    expect(read('patroni_cluster', { cluster: cluster({ members, pause: true }) })).toMatchObject({
      leaders: 0,
      leader: undefined,
      not_running: 1,
      timelines: 2,
      worst_lag_bytes: 10,
      paused: true,
    });
  });

  test('what is no cluster is only an outcome', () => {
    expect(read('patroni_cluster', { cluster: '{"outcome":"refused"}' })).toEqual({ outcome: 'refused' });
  });
});

describe('DRBD', () => {
  test('a peer in StandAlone, a disk that is not up to date', () => {
    const status = JSON.stringify([
      {
        name: 'r0',
        role: 'Secondary',
        devices: [
          { volume: 0, 'disk-state': 'Inconsistent', client: false, quorum: false },
          { volume: 1, 'disk-state': 'Diskless', client: true, quorum: true },
        ],
        connections: [
          { name: 'other', 'connection-state': 'StandAlone', 'peer-role': 'Unknown', peer_devices: [] },
        ],
      },
    ]);
    expect(read('drbd_status', { status })).toMatchObject({
      resources: 1,
      primary: 0,
      disks_not_up_to_date: 1,
      without_quorum: 1,
      connections_down: 1,
      out_of_sync_kib: 0,
    });
  });

  test('nothing configured, and what is no list', () => {
    expect(read('drbd_status', { status: '[]' })).toMatchObject({ resources: 0, rows: [] });
    expect(read('drbd_status', { status: '{}' })).toEqual({});
  });
});
