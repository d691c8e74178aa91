import { asObjects, jsonOf, type JsonObject } from '../json-output.ts';
import type { FactParser } from '../parser.ts';
import { numberOf, textOf } from './json-rows.ts';

/** drbdsetup status --json (drbdsetup(8) of drbd-utils 9): an array of resources with `devices` and `connections`. Sizes are KiB. */
export const drbdStatus: FactParser = (sections) => {
  const resources = resourcesOf(sections.get('status')) ?? kernelResources(sections.get('kernel') ?? '');
  if (resources === undefined) return {};
  const devices = resources.flatMap((resource) => asObjects(resource['devices']));
  const connections = resources.flatMap((resource) => asObjects(resource['connections']));
  const peers = connections.flatMap((connection) => asObjects(connection['peer_devices']));
  return {
    resources: resources.length,
    primary: resources.filter((resource) => resource['role'] === 'Primary').length,
    disks_not_up_to_date: devices.filter(
      (device) => device['disk-state'] !== 'UpToDate' && device['client'] !== true,
    ).length,
    without_quorum: devices.filter((device) => device['quorum'] === false).length,
    connections_down: connections.filter((connection) => connection['connection-state'] !== 'Connected')
      .length,
    out_of_sync_kib: peers.reduce((sum, peer) => sum + (numberOf(peer['out-of-sync']) ?? 0), 0),
    rows: resources
      .flatMap((resource) => rowsOf(resource))
      .toSorted((a, b) => (a.in_sync_percent ?? -1) - (b.in_sync_percent ?? -1)),
  };
};

interface Row extends JsonObject {
  readonly in_sync_percent: number | undefined;
}

const rowsOf = (resource: JsonObject): readonly Row[] =>
  asObjects(resource['devices']).flatMap((device): readonly Row[] => {
    const own = {
      resource: textOf(resource['name']),
      volume: numberOf(device['volume']),
      role: textOf(resource['role']),
      disk: textOf(device['disk-state']),
      quorum: device['quorum'],
    };
    const connections = asObjects(resource['connections']);
    if (connections.length === 0) return [{ ...own, in_sync_percent: undefined }];
    return connections.map((connection) => {
      const peer = asObjects(connection['peer_devices']).find((one) => one['volume'] === device['volume']);
      return {
        ...own,
        peer: textOf(connection['name']),
        connection: textOf(connection['connection-state']),
        peer_role: textOf(connection['peer-role']),
        peer_disk: textOf(peer?.['peer-disk-state']),
        replication: textOf(peer?.['replication-state']),
        out_of_sync_kib: numberOf(peer?.['out-of-sync']),
        in_sync_percent: numberOf(peer?.['percent-in-sync']),
      };
    });
  });

/** Undefined for what is no list: a host without resources says an empty one. */
const resourcesOf = (text: string | undefined): readonly JsonObject[] | undefined => {
  const value = jsonOf(text);
  return Array.isArray(value) ? asObjects(value) : undefined;
};

/**
 * /proc/drbd of DRBD 8.4, as drbdsetup of DRBD 9 would say it: ` 1: cs:WFConnection ro:Primary/Unknown ds:UpToDate/DUnknown C r-----`, and
 * below it counters, of which `oos` is what is out of sync in KiB (drbd.linbit.com/users-guide-8.4, "Status information in /proc/drbd").
 */
const kernelResources = (text: string): readonly JsonObject[] | undefined => {
  if (!text.startsWith('version: 8.')) return undefined;
  const found = text.matchAll(
    /^ *(\d+): cs:(\w+) ro:(\w+)\/(\w+) ds:(\w+)\/(\w+)[^\n]*(?:\n {4}[^\n]*?\boos:(\d+))?/gmu,
  );
  return [...found].map(([, minor, connection, role, peerRole, disk, peerDisk, outOfSync]) => ({
    name: `drbd${String(minor)}`,
    role,
    devices: [{ volume: 0, 'disk-state': disk }],
    connections: [
      {
        'connection-state': connection,
        'peer-role': peerRole,
        peer_devices: [
          {
            volume: 0,
            'peer-disk-state': peerDisk,
            'out-of-sync': outOfSync === undefined ? undefined : Number(outOfSync),
          },
        ],
      },
    ],
  }));
};
