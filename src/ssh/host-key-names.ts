import { knownName } from './host-key.ts';
import { readKnownHosts } from './known-hosts.ts';
import { settle, type OpenChannelOptions } from './open-channel.ts';

/**
 * Host or jump host → the name under which known_hosts has its key: for the system's ssh, which looks up one name only. Those it
 * does not know are left out. Throws KNOWN_HOSTS_BAD.
 */
export const hostKeyNames = async (options: OpenChannelOptions): Promise<ReadonlyMap<string, string>> => {
  const { hosts, jumps, knownHosts } = settle(options);
  const lines = await readKnownHosts(knownHosts);
  return new Map(
    [...hosts.values(), ...jumps.values()].flatMap((host) => {
      const name = knownName(lines, host);
      return name === undefined ? [] : [[host.name, name] as const];
    }),
  );
};
