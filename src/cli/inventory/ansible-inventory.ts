import type { Config, HostConfig } from '../../config.ts';
import { PraError } from '../../errors.ts';
import { say } from '../say.ts';
import { sshOptions, type HostKeyNames } from './ssh-options.ts';

/** Every host of the configuration is in it. */
export const EVERY_HOST = 'mcp_pra';

/** What Ansible needs to reach one host the way mcp-pra does. Who logs in there, with which key, is the operator's to say. */
export interface HostVars {
  readonly ansible_host: string;
  readonly ansible_port: number;
  readonly ansible_ssh_common_args: string;
  /** Against `host_key_checking = False` in somebody's ansible.cfg. */
  readonly ansible_host_key_checking: true;
}

/** The configuration as Ansible sees it: variables by host, hosts by group. Group names are Ansible's. */
export interface AnsibleInventory {
  readonly hosts: ReadonlyMap<string, HostVars>;
  readonly groups: ReadonlyMap<string, readonly string[]>;
}

/**
 * Hosts under their own names; groups under theirs, with `_` for `-` and `.`, which Ansible does not take in group names; tags as
 * `tag_<tag>`. Throws USAGE when two groups would become one: a playbook would then act on more hosts than its name says.
 */
export const ansibleInventory = (config: Config, names: HostKeyNames): AnsibleInventory => {
  const groups = new Map([[EVERY_HOST, config.hosts.map(({ name }) => name)]]);
  const written = new Map([[EVERY_HOST, EVERY_HOST]]);
  const add = (group: string, from: string, members: readonly string[]): void => {
    if (written.has(group) || RESERVED.has(group))
      throw new PraError('USAGE', {
        what: say('inventory.collision', { group, from, other: written.get(group) ?? 'Ansible' }),
      });
    written.set(group, from);
    groups.set(group, [...new Set(members)]);
  };
  for (const [group, members] of config.groups) add(groupName(group), group, members);
  for (const tag of tagsOf(config.hosts)) {
    const tagged = config.hosts.filter(({ tags }) => tags.includes(tag)).map(({ name }) => name);
    add(groupName(`tag_${tag}`), `tag ${tag}`, tagged);
  }
  return { hosts: new Map(config.hosts.map((host) => [host.name, hostVars(config, host, names)])), groups };
};

const RESERVED = new Set(['all', 'ungrouped']);

const tagsOf = (hosts: readonly HostConfig[]): readonly string[] =>
  [...new Set(hosts.flatMap(({ tags }) => tags))].sort();

const groupName = (name: string): string => {
  const word = name.replaceAll(/[.-]/gu, '_');
  return /^[0-9]/u.test(word) ? `_${word}` : word;
};

const hostVars = (config: Config, host: HostConfig, names: HostKeyNames): HostVars => ({
  ansible_host: host.address,
  ansible_port: host.port,
  ansible_ssh_common_args: sshOptions(config, host, names),
  ansible_host_key_checking: true,
});

/** What an inventory script answers to `--list` (Ansible's documentation, "Developing dynamic inventory"). */
export const listAnswer = ({ hosts, groups }: AnsibleInventory): unknown => ({
  _meta: { hostvars: Object.fromEntries(hosts) },
  all: { children: ['ungrouped', ...groups.keys()] },
  ...Object.fromEntries([...groups].map(([group, members]) => [group, { hosts: members }])),
});

/** The same as an inventory file: what a script answers is no file that `-i` would read. JSON is YAML. */
export const inventoryFile = ({ hosts, groups }: AnsibleInventory): unknown => ({
  all: {
    hosts: Object.fromEntries(hosts),
    children: Object.fromEntries(
      [...groups].map(([group, members]) => [
        group,
        { hosts: Object.fromEntries(members.map((name) => [name, {}])) },
      ]),
    ),
  },
});
