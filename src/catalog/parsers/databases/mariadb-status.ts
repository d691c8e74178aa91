import { decimalOf, integerOf } from '../../output-lines.ts';
import { asList, asObject, jsonObject, type JsonObject } from '../json-output.ts';
import type { FactParser } from '../parser.ts';
import { largest, textOf } from './json-rows.ts';

/** What helper mariadb-status says; names and values are MariaDB's (SHOW GLOBAL STATUS, VARIABLES and ALL SLAVES STATUS). */
export const mariadbStatus: FactParser = (sections) => {
  const said = jsonObject(sections.get('status'));
  if (said === undefined) return {};
  const values = asObject(said['values']);
  const number = (name: string): number | undefined => integerOf(textOf(values[name]));
  const [connections, most] = [number('Threads_connected'), number('max_connections')];
  const rows = asList(said['rows'])
    .map((row) => replicationOf(asObject(row)))
    .toSorted((a, b) => Number(b.isBroken) - Number(a.isBroken));
  const isKnown = said['replication'] === 'known';
  return {
    state: said['state'],
    version: values['version'],
    uptime_seconds: number('Uptime'),
    read_only: onOff(values['read_only']),
    connections,
    max_connections: most,
    connections_percent:
      connections === undefined || !most ? undefined : Math.round((100 * connections) / most),
    most_connections: number('Max_used_connections'),
    refused_connections: number('Connection_errors_max_connections'),
    running: number('Threads_running'),
    longest_statement_seconds: number('longest_statement_seconds'),
    longest_transaction_seconds: number('longest_transaction_seconds'),
    row_lock_waits: number('Innodb_row_lock_current_waits'),
    deadlocks: number('Innodb_deadlocks'),
    slow_queries: number('Slow_queries'),
    replication: said['replication'],
    replications: isKnown ? rows.length : undefined,
    replications_broken: isKnown ? rows.filter((row) => row.isBroken).length : undefined,
    worst_lag_seconds: largest(rows.map((row) => row.cells.lag_seconds)),
    replication_rows: isKnown ? rows.map((row) => row.cells) : undefined,
    galera: onOff(values['wsrep_on']),
    ...(onOff(values['wsrep_on']) === true ? galera(values) : {}),
  };
};

const galera = (values: JsonObject) => ({
  galera_cluster_status: values['wsrep_cluster_status'],
  galera_cluster_size: integerOf(textOf(values['wsrep_cluster_size'])),
  galera_state: values['wsrep_local_state_comment'],
  galera_ready: onOff(values['wsrep_ready']),
  galera_flow_control_paused: decimalOf(textOf(values['wsrep_flow_control_paused'])),
  galera_receive_queue: integerOf(textOf(values['wsrep_local_recv_queue'])),
});

/** A replication is broken when one of its two threads is not running: `Connecting` is not, for lack of a primary. */
const replicationOf = (row: JsonObject) => ({
  isBroken: row['Slave_IO_Running'] !== 'Yes' || row['Slave_SQL_Running'] !== 'Yes',
  cells: {
    connection: textOf(row['Connection_name']),
    primary: `${textOf(row['Master_Host']) ?? ''}:${textOf(row['Master_Port']) ?? ''}`,
    io_running: row['Slave_IO_Running'],
    sql_running: row['Slave_SQL_Running'],
    lag_seconds: integerOf(textOf(row['Seconds_Behind_Master'])),
    io_error: integerOf(textOf(row['Last_IO_Errno'])),
    sql_error: integerOf(textOf(row['Last_SQL_Errno'])),
    gtid: row['Using_Gtid'],
    relay_log_bytes: integerOf(textOf(row['Relay_Log_Space'])),
  },
});

/** `ON` and `OFF`; undefined for anything else. */
export const onOff = (value: unknown): boolean | undefined =>
  value === 'ON' ? true : value === 'OFF' ? false : undefined;
