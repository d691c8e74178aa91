import type { FactParser } from '../parser.ts';
import { drbdStatus } from './drbd-status.ts';
import { elasticsearchHealth } from './elasticsearch-health.ts';
import { galeraStatus } from './galera-status.ts';
import { mariadbStatus } from './mariadb-status.ts';
import { patroniCluster } from './patroni-cluster.ts';
import { postgresLocks } from './postgres-locks.ts';
import { postgresReplication } from './postgres-replication.ts';
import { postgresStatus } from './postgres-status.ts';
import { redisStatus } from './redis-status.ts';

/** Parsers of diagnostics about databases, by the name a definition gives. */
export const databasesParsers: readonly (readonly [name: string, parser: FactParser])[] = [
  ['drbd_status', drbdStatus],
  ['elasticsearch_health', elasticsearchHealth],
  ['galera_status', galeraStatus],
  ['mariadb_status', mariadbStatus],
  ['patroni_cluster', patroniCluster],
  ['postgres_locks', postgresLocks],
  ['postgres_replication', postgresReplication],
  ['postgres_status', postgresStatus],
  ['redis_status', redisStatus],
];
