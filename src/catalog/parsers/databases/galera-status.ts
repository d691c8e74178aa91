import { decimalOf, integerOf } from '../../output-lines.ts';
import { asObject, jsonObject } from '../json-output.ts';
import type { FactParser } from '../parser.ts';
import { numberOf, textOf } from './json-rows.ts';
import { onOff } from './mariadb-status.ts';

/** What helper mariadb-status says of Galera; names and values are those of Galera's status variables. */
export const galeraStatus: FactParser = (sections) => {
  const said = jsonObject(sections.get('status'));
  if (said === undefined) return {};
  const values = asObject(said['values']);
  const isNode = onOff(values['wsrep_on']);
  const head = { state: said['state'], version: values['version'], galera: isNode };
  if (isNode !== true) return head;
  const text = (name: string): string | undefined => textOf(values[`wsrep_${name}`]);
  const number = (name: string): number | undefined => integerOf(text(name));
  const decimal = (name: string): number | undefined => decimalOf(text(name));
  const status = text('cluster_status');
  const members = text('incoming_addresses');
  return {
    ...head,
    primary: status === undefined ? undefined : status === 'Primary',
    cluster_status: status,
    ready: onOff(values['wsrep_ready']),
    connected: onOff(values['wsrep_connected']),
    node_state: text('local_state_comment'),
    cluster_size: number('cluster_size'),
    configured_nodes: numberOf(said['configured_nodes']),
    cluster_weight: number('cluster_weight'),
    members,
    delayed: text('evs_delayed') ?? 'none',
    cluster_name: text('cluster_name'),
    node_name: text('node_name'),
    membership_changes: number('cluster_conf_id'),
    membership_state: text('evs_state'),
    last_committed: number('last_committed'),
    receive_queue: number('local_recv_queue'),
    receive_queue_average: decimal('local_recv_queue_avg'),
    send_queue: number('local_send_queue'),
    send_queue_average: decimal('local_send_queue_avg'),
    flow_control_paused: decimal('flow_control_paused'),
    flow_control_active: boolean(text('flow_control_active')),
    flow_control_sent: number('flow_control_sent'),
    certification_failures: number('local_cert_failures'),
    aborted_transactions: number('local_bf_aborts'),
    desynchronised: number('desync_count'),
    transfer_method: text('sst_method'),
    provider_version: text('provider_version'),
  };
};

const boolean = (word: string | undefined): boolean | undefined =>
  word === 'true' ? true : word === 'false' ? false : undefined;
