import { afterAll, beforeAll, expect, test } from 'vitest';
import type { LabHost } from '../lab.ts';
import { lookingLab, textOf, type LookingLab } from './looking.ts';
import { absent, genuine, planted } from './proof.ts';
import { until } from './until.ts';

// PostgreSQL on the first host with a replica on the second; Redis and MariaDB likewise.
let on: LookingLab;
let replica: LabHost;

beforeAll(async () => {
  on = await lookingLab({ hosts: 2, software: 'instances' });
  [, replica] = on.hosts as [LabHost, LabHost];
});

afterAll(async () => {
  await on?.lab.down();
});

/** One statement as the superuser; each of several is a transaction of its own. */
const psql = async (host: LabHost, ...statements: readonly string[]): Promise<string> => {
  const argv = [
    'runuser',
    '-u',
    'postgres',
    '--',
    'psql',
    '-XqtA',
    ...statements.flatMap((one) => ['-c', one]),
  ];
  const { code, stdout, stderr } = await host.run(argv);
  if (code !== 0) throw new Error(`${statements.join('; ')}: ${stderr}`);
  return stdout.trim();
};

const untilReplayed = async (): Promise<void> => {
  const at = await psql(on.host, 'SELECT pg_current_wal_lsn()');
  await until(async () => (await psql(replica, `SELECT pg_last_wal_replay_lsn() >= '${at}'`)) === 't');
};

test('PostgreSQL that is stopped, and one that does not know mcp-reader, are data', async () => {
  expect((await on.look('postgres_status')).facts).toEqual({ server: 'no answer' });
  await on.host.sh('systemctl start postgresql@15-main');
  expect((await on.look('postgres_replication')).facts).toEqual({ server: 'accepting', permitted: false });
  expect((await on.look('postgres_status')).facts).toEqual({ server: 'accepting', permitted: false });
  expect((await on.look('postgres_locks')).facts).toEqual({ server: 'accepting', permitted: false });

  await psql(on.host, 'CREATE ROLE "mcp-reader" LOGIN');
  expect((await on.look('postgres_status')).facts).toMatchObject({ permitted: false });
  await psql(on.host, 'GRANT pg_monitor TO "mcp-reader"');
  const { facts } = await on.look('postgres_replication');
  expect(facts).toMatchObject({ permitted: true, role: 'primary', replicas: 0, slots: 0 });
});

test(
  absent('postgres_replication', 'a replica that keeps up'),
  async () => {
    await psql(on.host, 'CREATE ROLE repl LOGIN REPLICATION', "ALTER SYSTEM SET listen_addresses = '*'");
    await on.host.sh(
      `echo 'host replication repl ${replica.address}/32 trust' >>/etc/postgresql/15/main/pg_hba.conf; systemctl restart postgresql@15-main`,
    );
    await replica.sh(
      `rm -rf /var/lib/postgresql/15/main
     runuser -u postgres -- pg_basebackup -h ${on.host.address} -U repl -D /var/lib/postgresql/15/main -R -C -S lab_replica -c fast
     systemctl start postgresql@15-main`,
    );
    await untilReplayed();
    await until(
      async () =>
        (await psql(
          on.host,
          'SELECT count(*) FROM pg_stat_replication WHERE replay_lsn = pg_current_wal_lsn()',
        )) === '1',
    );

    const { facts } = await on.capture('postgres_replication', 'primary', 'a primary whose replica keeps up');
    expect(facts).toMatchObject({
      role: 'primary',
      replicas: 1,
      worst_lag_bytes: 0,
      slots: 1,
      inactive_slots: 0,
    });
    expect(facts['standby_rows']).toMatchObject([{ address: replica.address, state: 'streaming' }]);

    const other = await on.capture('postgres_replication', 'replica', 'a replica that keeps up', {}, replica);
    expect(other.facts).toMatchObject({
      role: 'replica',
      replay_paused: false,
      worst_lag_bytes: 0,
      worst_lag_seconds: 0,
      receiver: 'streaming',
      receiver_from: on.host.address,
    });
  },
  180_000,
);

test(
  planted('postgres_replication', 'a replica whose replay is paused'),
  async () => {
    await psql(on.host, 'CREATE TABLE big (i integer)');
    await until(
      async () => (await psql(replica, 'SELECT pg_last_xact_replay_timestamp() IS NOT NULL')) === 't',
    );
    await psql(replica, 'SELECT pg_wal_replay_pause()');
    await until(async () => (await psql(replica, 'SELECT pg_get_wal_replay_pause_state()')) === 'paused');
    await psql(on.host, 'INSERT INTO big SELECT generate_series(1, 200000)');
    const at = await psql(on.host, 'SELECT pg_current_wal_lsn()');
    await until(async () => (await psql(replica, `SELECT pg_last_wal_receive_lsn() >= '${at}'`)) === 't');

    const { facts } = await on.capture(
      'postgres_replication',
      'lagging',
      'a replica whose replay is paused',
      {},
      replica,
    );
    expect(facts).toMatchObject({ role: 'replica', replay_paused: true, receiver: 'streaming' });
    expect(facts['worst_lag_bytes']).toBeGreaterThan(1_000_000);
    expect(facts['worst_lag_seconds']).toBeGreaterThan(0);
    const primary = await on.look('postgres_replication');
    expect(primary.facts['worst_lag_bytes']).toBeGreaterThan(1_000_000);
  },
  180_000,
);

test(
  planted('postgres_replication', 'a slot that keeps WAL back for a replica that is gone'),
  async () => {
    await replica.sh('systemctl stop postgresql@15-main');
    await until(async () => (await psql(on.host, 'SELECT count(*) FROM pg_stat_replication')) === '0');
    await psql(on.host, 'INSERT INTO big SELECT generate_series(1, 200000)');
    const { facts } = await on.capture('postgres_replication', 'slot-retains', 'a slot that nobody reads');
    expect(facts).toMatchObject({ role: 'primary', replicas: 0, slots: 1, inactive_slots: 1 });
    expect(facts['most_retained_bytes']).toBeGreaterThan(1_000_000);
    expect(facts['slot_rows']).toMatchObject([
      { slot: 'lab_replica', active: false, wal_status: 'reserved' },
    ]);
  },
  180_000,
);

test('a replica without a primary has no receiver', async () => {
  await on.host.sh('systemctl stop postgresql@15-main');
  await replica.sh('systemctl start postgresql@15-main');
  const { facts } = await on.look('postgres_replication', {}, replica);
  expect(facts).toMatchObject({ role: 'replica', receiver: 'none' });
  await on.host.sh('systemctl start postgresql@15-main');
}, 180_000);

test(
  genuine('postgres_status', 'idle in a transaction, an archiver that fails'),
  async () => {
    await psql(on.host, 'ALTER SYSTEM SET archive_mode = on', "ALTER SYSTEM SET archive_command = 'false'");
    await on.host.sh('systemctl restart postgresql@15-main');
    await holding(['BEGIN', "SELECT 'do not show me'", '\\! sleep infinity'], async () => {
      const idle = "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction'";
      await until(async () => (await psql(on.host, idle)) === '1');
      await psql(on.host, 'SELECT pg_switch_wal()');
      const failed = 'SELECT failed_count > 0 FROM pg_stat_archiver';
      await until(async () => (await psql(on.host, failed)) === 't');
      const { facts, answer } = await on.capture(
        'postgres_status',
        'busy',
        'an open transaction, no archiving',
      );
      expect(facts).toMatchObject({
        server: 'accepting',
        permitted: true,
        max_connections: 100,
        idle_in_transaction: 1,
        archiving: 'on',
        archive_failing: true,
        deadlocks: 0,
      });
      expect(facts['wraparound_database']).toMatch(/^(?:postgres|template[01])$/u);
      expect(facts['databases']).toContainEqual({ database: 'postgres', bytes: expect.any(Number) });
      expect(facts['version']).toMatch(/^15\./u);
      expect(facts['transactions']).toMatchObject([{ user: 'postgres', state: 'idle in transaction' }]);
      expect(textOf({ answer })).not.toContain('do not show');
    });
  },
  180_000,
);

test(
  genuine('postgres_locks', 'a session that blocks another, which blocks a third'),
  async () => {
    await holding(['BEGIN', 'UPDATE big SET i = 0 WHERE i = 1', '\\! sleep infinity'], async () => {
      const waiting = async (count: string): Promise<void> =>
        await until(
          async () => (await psql(on.host, 'SELECT count(*) FROM pg_locks WHERE NOT granted')) === count,
        );
      await until(
        async () =>
          (await psql(
            on.host,
            "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction'",
          )) === '1',
      );
      await holding(['BEGIN', 'LOCK TABLE big', '\\! sleep infinity'], async () => {
        await waiting('1');
        await holding(['SELECT count(*) FROM big'], async () => {
          await waiting('2');
          const { facts } = await on.capture(
            'postgres_locks',
            'two-wait',
            'two sessions wait, one behind the other',
          );
          expect(facts).toMatchObject({ waiting: 2, root_blockers: 1 });
          expect(facts['blockers']).toMatchObject([
            { blocks: 2, state: 'idle in transaction', database: 'postgres' },
          ]);
          expect(facts['waiters']).toMatchObject([
            { relation: 'big', mode: 'AccessExclusiveLock' },
            { relation: 'big', mode: 'AccessShareLock' },
          ]);
        });
      });
    });
    await until(async () => (await psql(on.host, 'SELECT count(*) FROM pg_locks WHERE NOT granted')) === '0');
    expect((await on.look('postgres_locks')).facts).toMatchObject({
      waiting: 0,
      root_blockers: 0,
      waiters: [],
    });
  },
  180_000,
);

/** While a session of its own runs the statements; it is ended afterwards. */
const holding = async (statements: readonly string[], meanwhile: () => Promise<void>): Promise<void> => {
  const unit = `lab-session-${String((sessions += 1))}.service`;
  const argv = ['psql', '-Xq', ...statements.flatMap((one) => ['-c', one])];
  const started = await on.host.run([
    'systemd-run',
    '--quiet',
    '--collect',
    `--unit=${unit}`,
    '--uid=postgres',
    ...argv,
  ]);
  expect(started.code, started.stderr).toBe(0);
  try {
    await meanwhile();
  } finally {
    await on.host.run(['systemctl', 'stop', unit]);
  }
};
let sessions = 0;

test(
  genuine('redis_status', 'a primary with a replica, memory at its limit, a password'),
  async () => {
    expect((await on.look('redis_status')).facts).toEqual({ state: 'no answer' });
    await on.host.sh('systemctl start redis-server');
    await replica.sh('systemctl start redis-server');
    const cli = async (host: LabHost, ...words: readonly string[]): Promise<string> =>
      (await host.run(['redis-cli', ...words])).stdout.trim();
    await until(async () => (await cli(on.host, 'PING')) === 'PONG');
    await cli(on.host, 'CONFIG', 'SET', 'protected-mode', 'no', 'bind', '*');
    await cli(on.host, 'CONFIG', 'SET', 'maxmemory', '3mb', 'maxmemory-policy', 'allkeys-lru');
    await until(async () => (await cli(replica, 'REPLICAOF', on.host.address, '6379')) !== '');
    await until(async () => (await cli(on.host, 'INFO', 'replication')).includes('state=online'));
    await until(async () => {
      await on.host.sh('head -c 300000 /dev/zero | redis-cli -x SET "key:$(date +%N)"');
      return !(await cli(on.host, 'INFO', 'stats')).includes('evicted_keys:0\r');
    });

    const { facts } = await on.capture('redis_status', 'primary', 'memory at its limit, a replica');
    expect(facts).toMatchObject({
      state: 'up',
      role: 'primary',
      replicas: 1,
      last_save_ok: true,
      max_memory_bytes: 3_145_728,
      max_memory_policy: 'allkeys-lru',
    });
    expect(facts['evicted_keys']).toBeGreaterThan(0);
    expect(facts['replica_rows']).toMatchObject([{ address: `${replica.address}:6379`, state: 'online' }]);
    const other = await on.capture('redis_status', 'replica', 'a replica', {}, replica);
    expect(other.facts).toMatchObject({
      role: 'replica',
      primary: `${on.host.address}:6379`,
      primary_link_up: true,
    });

    await cli(on.host, 'CONFIG', 'SET', 'requirepass', 'lab-only');
    const asked = await on.capture('redis_status', 'auth-required', 'a password is set');
    expect(asked.facts).toEqual({ state: 'auth required' });
  },
  180_000,
);

test(
  genuine('mariadb_status', 'refused, then let in by the socket; a replica that cannot reach its primary'),
  async () => {
    expect((await on.look('mariadb_status')).facts).toEqual({ state: 'no answer' });
    await on.host.sh('systemctl start mariadb');
    expect((await on.look('mariadb_status')).facts).toEqual({ state: 'not permitted' });
    await on.host.sh(`mariadb -e "CREATE USER 'mcp-reader'@'localhost' IDENTIFIED VIA unix_socket"`);
    expect((await on.look('mariadb_status')).facts).toEqual({ state: 'not permitted' });
    await on.host.sh(`mariadb -e "GRANT PROCESS ON *.* TO 'mcp-reader'@'localhost'"`);
    expect((await on.look('mariadb_status')).facts).toMatchObject({
      state: 'up',
      replication: 'not permitted',
    });
    await on.host.sh(`mariadb -e "GRANT PROCESS, REPLICA MONITOR ON *.* TO 'mcp-reader'@'localhost'"`);
    const { facts } = await on.look('mariadb_status');
    expect(facts).toMatchObject({ state: 'up', replications: 0, replications_broken: 0, galera: false });
    expect(facts['connections']).toBe(1);

    const primary = `MASTER_HOST='${replica.address}', MASTER_USER='nobody', MASTER_PASSWORD='lab-only'`;
    await on.host.sh(`mariadb -e "CHANGE MASTER TO ${primary}; START SLAVE"`);
    await until(async () =>
      (await on.host.sh("mariadb -e 'SHOW SLAVE STATUS\\G'")).includes('Last_IO_Errno: 2003'),
    );
    const broken = await on.capture(
      'mariadb_status',
      'primary-gone',
      'a replica that cannot reach its primary',
    );
    expect(broken.facts).toMatchObject({ replications: 1, replications_broken: 1 });
    expect(broken.facts['replication_rows']).toMatchObject([
      { primary: `${replica.address}:3306`, io_running: 'Connecting', sql_running: 'Yes', io_error: 2003 },
    ]);
    expect(textOf(broken)).not.toContain('lab-only');
  },
  180_000,
);
