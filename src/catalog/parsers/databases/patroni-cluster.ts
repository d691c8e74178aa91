import { asList, asObject, jsonOf, type JsonObject } from '../json-output.ts';
import type { FactParser } from '../parser.ts';
import { largest, largestFirst, numberOf, textOf } from './json-rows.ts';

/** Roles under which a member takes writes or leads a standby cluster (Patroni documentation, "REST API"). */
const LEADERS: ReadonlySet<unknown> = new Set(['leader', 'standby_leader', 'master', 'primary']);
const WELL: ReadonlySet<unknown> = new Set(['running', 'streaming', 'in archive recovery']);

/** GET /cluster as helper cluster-answer passes it on. A lag is a number of bytes, or `unknown`. */
export const patroniCluster: FactParser = (sections) => {
  const said = asObject(jsonOf(sections.get('cluster')));
  const answer = asObject(said['answer']);
  if (!Array.isArray(answer['members'])) return { outcome: said['outcome'] };
  const members = asList(answer['members']).map((member) => memberOf(asObject(member)));
  const leaders = members.filter((member) => LEADERS.has(member.role));
  const replicas = members.filter((member) => !LEADERS.has(member.role));
  return {
    outcome: said['outcome'],
    cluster: answer['scope'],
    members: members.length,
    leaders: leaders.length,
    leader: leaders[0]?.member,
    not_running: members.filter((member) => !WELL.has(member.state)).length,
    timelines: new Set(members.map((member) => member.timeline).filter((one) => one !== undefined)).size,
    worst_lag_bytes: largest(replicas.map((member) => member.lag_bytes)),
    paused: answer['pause'] === true,
    switchover_at: textOf(asObject(answer['scheduled_switchover'])['at']),
    rows: [...leaders, ...largestFirst(replicas, 'lag_bytes')],
  };
};

const memberOf = (member: JsonObject) => ({
  member: textOf(member['name']),
  role: textOf(member['role']),
  state: textOf(member['state']),
  host: textOf(member['host']),
  port: numberOf(member['port']),
  timeline: numberOf(member['timeline']),
  lag_bytes: numberOf(member['lag']),
  pending_restart: member['pending_restart'] === true ? true : undefined,
});
