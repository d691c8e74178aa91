import { asObject, jsonOf } from '../json-output.ts';
import type { FactParser } from '../parser.ts';
import { numberOf } from './json-rows.ts';

/** GET /_cluster/health (Elasticsearch guide, "Cluster health API") as helper cluster-answer passes it on. */
export const elasticsearchHealth: FactParser = (sections) => {
  const said = asObject(jsonOf(sections.get('health')));
  const values = asObject(said['answer']);
  return {
    outcome: said['outcome'],
    http_status: said['status'],
    cluster: values['cluster_name'],
    status: values['status'],
    timed_out: values['timed_out'],
    nodes: values['number_of_nodes'],
    data_nodes: values['number_of_data_nodes'],
    active_primary_shards: values['active_primary_shards'],
    active_shards: values['active_shards'],
    relocating_shards: values['relocating_shards'],
    initializing_shards: values['initializing_shards'],
    unassigned_shards: values['unassigned_shards'],
    delayed_unassigned_shards: values['delayed_unassigned_shards'],
    pending_tasks: values['number_of_pending_tasks'],
    longest_wait_ms: values['task_max_waiting_in_queue_millis'],
    active_percent: hundredths(values['active_shards_percent_as_number']),
  };
};

const hundredths = (value: unknown): number | undefined => {
  const number = numberOf(value);
  return number === undefined ? undefined : Math.round(number * 100) / 100;
};
