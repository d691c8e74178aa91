import { decimalOf, integerOf, outputLines } from '../../output-lines.ts';
import type { FactParser } from '../parser.ts';

/** redis-cli INFO: `name:value` lines under `# Section` (redis.io/commands/info); or one line that says why not. */
export const redisStatus: FactParser = (sections, codes) => {
  const text = sections.get('info') ?? '';
  if (/^(?:NOAUTH|NOPERM|WRONGPASS)\b|^Error: |Authentication required/mu.test(text))
    return { state: 'auth required' };
  const info = new Map(
    outputLines(text).flatMap((line) => {
      const [, name, value] = /^([a-z0-9_]+):(.*?)\r?$/u.exec(line) ?? [];
      return name === undefined || value === undefined ? [] : [[name, value] as const];
    }),
  );
  if (!info.has('redis_version')) return { state: codes.get('info') === 0 ? undefined : 'no answer' };
  const number = (name: string): number | undefined => integerOf(info.get(name));
  const flag = (name: string): boolean | undefined => (info.has(name) ? info.get(name) === '1' : undefined);
  const [used, most] = [number('used_memory'), number('maxmemory')];
  const ends = (name: string): boolean | undefined => (info.has(name) ? info.get(name) === 'ok' : undefined);
  const now = number('server_time_usec');
  const saved = number('rdb_last_save_time');
  const replicas = [...info].flatMap(([name, value]) =>
    /^slave[0-9]+$/u.test(name) ? [replicaOf(value)] : [],
  );
  const isReplica = info.get('role') === 'slave';
  return {
    state: flag('loading') === true ? 'loading' : 'up',
    version: info.get('redis_version'),
    mode: info.get('redis_mode'),
    uptime_seconds: number('uptime_in_seconds'),
    clients: number('connected_clients'),
    max_clients: number('maxclients'),
    blocked_clients: number('blocked_clients'),
    rejected_connections: number('rejected_connections'),
    used_memory_bytes: used,
    peak_memory_bytes: number('used_memory_peak'),
    rss_bytes: number('used_memory_rss'),
    max_memory_bytes: most,
    max_memory_percent: used === undefined || !most ? undefined : Math.round((100 * used) / most),
    max_memory_policy: info.get('maxmemory_policy'),
    fragmentation_ratio: decimalOf(info.get('mem_fragmentation_ratio')),
    evicted_keys: number('evicted_keys'),
    keyspace_hits: number('keyspace_hits'),
    keyspace_misses: number('keyspace_misses'),
    last_save_seconds_ago:
      now === undefined || saved === undefined ? undefined : Math.max(0, Math.round(now / 1_000_000) - saved),
    changes_since_save: number('rdb_changes_since_last_save'),
    last_save_ok: ends('rdb_last_bgsave_status'),
    aof_enabled: flag('aof_enabled'),
    aof_last_write_ok: ends('aof_last_write_status'),
    role: isReplica ? 'replica' : info.get('role') === 'master' ? 'primary' : undefined,
    primary: isReplica ? `${info.get('master_host') ?? ''}:${info.get('master_port') ?? ''}` : undefined,
    primary_link_up: isReplica ? info.get('master_link_status') === 'up' : undefined,
    primary_heard_seconds: isReplica ? number('master_last_io_seconds_ago') : undefined,
    replicas: number('connected_slaves'),
    replica_rows: replicas,
  };
};

/** `ip=10.0.0.2,port=6379,state=online,offset=1,lag=0`. */
const replicaOf = (value: string) => {
  const members = new Map(
    value.split(',').map((pair) => [pair.split('=', 1)[0], pair.slice(pair.indexOf('=') + 1)]),
  );
  return {
    address: `${members.get('ip') ?? ''}:${members.get('port') ?? ''}`,
    state: members.get('state'),
    offset: integerOf(members.get('offset')),
    lag_seconds: integerOf(members.get('lag')),
  };
};
