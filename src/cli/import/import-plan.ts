import type { Config, HostConfig } from '../../config.ts';
import type { ConfigChange } from '../../config/edit.ts';
import { ADDRESS, NAME } from '../../config/schema.ts';
import { oneLine } from '../plain-text.ts';
import { say } from '../say.ts';
import type { Found, FoundHost, RefusedHost } from './found-host.ts';
import { planJump, type JumpVerdict, type NewJump } from './jump-plan.ts';

export interface PlannedHost {
  readonly name: string;
  readonly address: string;
  readonly port: number;
  readonly jump: string | undefined;
  /** The groups it gets here. */
  readonly groups: readonly string[];
  /** `kept`: it is there with other values, which `was` says; `replaced`: it was, and those are lost. */
  readonly status: 'added' | 'same' | 'kept' | 'replaced';
  readonly was: string | undefined;
}

/** What an import would do. Nothing is done yet. */
export interface ImportPlan {
  readonly hosts: readonly PlannedHost[];
  readonly jumps: ReadonlyMap<string, NewJump>;
  /** Every member that a group gets and has not. */
  readonly groups: ReadonlyMap<string, readonly string[]>;
  readonly refused: readonly RefusedHost[];
  /** Groups that have no name here, and why. */
  readonly groupsLeftOut: readonly RefusedHost[];
  readonly changes: readonly ConfigChange[];
}

export interface ImportOptions {
  /** Overwrite where a host that is there already is, and how it is reached. Its tags stay. */
  readonly replace: boolean;
  readonly groups: boolean;
  /** Key of jump hosts that have to be made. */
  readonly jumpKey: string | undefined;
}

/** Decides for each host that was found; a host that is in the configuration is never overwritten unasked. Throws USAGE when ssh does. */
export const planImport = (config: Config, found: Found, options: ImportOptions): ImportPlan => {
  const refused: RefusedHost[] = [...found.refused];
  const hosts: (PlannedHost & { readonly found: FoundHost })[] = [];
  const jumps = new Map<string, NewJump>();
  const verdicts = new Map<string, JumpVerdict>();
  const twice = new Set(
    found.hosts.filter(({ name }, index) =>
      found.hosts.some((other, i) => i !== index && other.name === name),
    ),
  );
  for (const host of found.hosts) {
    const why = twice.has(host) ? say('import.twice', { name: oneLine(host.name) }) : whyNot(config, host);
    const jump = why === undefined && host.jump !== undefined ? jumpFor(host.jump) : undefined;
    if (why !== undefined || jump?.kind === 'refused') {
      refused.push({ source: host.source, why: why ?? (jump?.kind === 'refused' ? jump.why : '') });
      continue;
    }
    const planned = planHost(config, host, jump?.name, options.replace);
    hosts.push({ ...planned, found: host });
    if (jump?.made !== undefined && planned.status !== 'kept') jumps.set(jump.name, jump.made);
  }
  function jumpFor(written: string): JumpVerdict {
    const verdict = verdicts.get(written) ?? planJump(config, written, options.jumpKey);
    verdicts.set(written, verdict);
    return verdict;
  }

  const names = options.groups ? groupNames(config, found.hosts, hosts) : { names: new Map(), leftOut: [] };
  const settled = hosts.map(({ found: from, ...host }): PlannedHost => ({
    ...host,
    groups: from.groups.flatMap((group) => names.names.get(group) ?? []),
  }));
  const groups = newMembers(config, settled);
  return {
    hosts: settled,
    jumps,
    groups,
    refused,
    groupsLeftOut: names.leftOut,
    changes: changesFor(config, settled, jumps, groups),
  };
};

/** The rules of names are those of tickets (docs/wire-protocol.md §1): a host that no ticket can name is of no use here. */
const whyNot = (config: Config, { name, source, address, port }: FoundHost): string | undefined => {
  if (!NAME.test(name))
    return say(name === source ? 'import.name' : 'import.own_name', { name: oneLine(name) });
  if (config.groups.has(name)) return say('import.is_group');
  if (!ADDRESS.test(address)) return say('import.address');
  return port >= 1 && port <= 65_535 ? undefined : say('import.port');
};

const planHost = (
  config: Config,
  { name, address, port }: FoundHost,
  jump: string | undefined,
  replace: boolean,
): PlannedHost => {
  const planned = { name, address, port, jump, groups: [], was: undefined };
  const old = config.hosts.find((host) => host.name === name);
  if (old === undefined) return { ...planned, status: 'added' };
  if (old.address === address && old.port === port && old.jump === jump)
    return { ...planned, status: 'same' };
  return { ...planned, status: replace ? 'replaced' : 'kept', was: reachedBy(old) };
};

/** `192.0.2.1:22 through door`, for a comparison. */
export const reachedBy = ({ address, port, jump }: Pick<HostConfig, 'address' | 'port' | 'jump'>): string =>
  `${address.includes(':') ? `[${address}]` : address}:${String(port)}${jump === undefined ? '' : say('import.through', { jump })}`;

/** Ansible's `_` is `-` here. Names that two groups would share, that a host has, or that cannot be one are left out. */
const groupNames = (
  config: Config,
  found: readonly FoundHost[],
  hosts: readonly PlannedHost[],
): { readonly names: ReadonlyMap<string, string>; readonly leftOut: readonly RefusedHost[] } => {
  const sources = [...new Set(found.flatMap(({ groups }) => groups))];
  const here = (group: string): string => group.replaceAll('_', '-');
  const taken = new Set([...config.hosts, ...hosts].map(({ name }) => name));
  const names = new Map<string, string>();
  const leftOut: RefusedHost[] = [];
  for (const source of sources) {
    const name = here(source);
    if (sources.some((other) => other !== source && here(other) === name))
      leftOut.push({ source, why: say('import.groups_merge', { name: oneLine(name) }) });
    else if (!NAME.test(name)) leftOut.push({ source, why: say('import.group_name') });
    else if (taken.has(name)) leftOut.push({ source, why: say('import.is_host') });
    else names.set(source, name);
  }
  return { names, leftOut };
};

const newMembers = (
  config: Config,
  hosts: readonly PlannedHost[],
): ReadonlyMap<string, readonly string[]> => {
  const groups = new Map<string, string[]>();
  for (const { name, status, groups: of } of hosts) {
    if (status === 'kept') continue;
    for (const group of of) {
      if (config.groups.get(group)?.includes(name) === true) continue;
      groups.set(group, [...(groups.get(group) ?? []), name]);
    }
  }
  return groups;
};

const changesFor = (
  config: Config,
  hosts: readonly PlannedHost[],
  jumps: ReadonlyMap<string, NewJump>,
  groups: ReadonlyMap<string, readonly string[]>,
): readonly ConfigChange[] => [
  ...hosts.flatMap((host) => hostChanges(config, host)),
  ...[...jumps].map(([name, jump]): ConfigChange => ({ path: ['jumps', name], value: jump })),
  ...[...groups].map(([group, members]): ConfigChange => ({
    path: ['groups', group],
    value: [...(config.groups.get(group) ?? []), ...members],
  })),
];

const hostChanges = (
  config: Config,
  { name, address, port, jump, status }: PlannedHost,
): readonly ConfigChange[] => {
  const at = (key: string, value: unknown): ConfigChange => ({ path: ['hosts', name, key], value });
  if (status === 'added') {
    const value = { address, ...(port === 22 ? {} : { port }), ...(jump === undefined ? {} : { jump }) };
    return [{ path: ['hosts', name], value }];
  }
  const old = config.hosts.find((host) => host.name === name);
  if (status !== 'replaced' || old === undefined) return [];
  return [
    ...(old.address === address ? [] : [at('address', address)]),
    ...(old.port === port ? [] : [at('port', port)]),
    ...(old.jump === jump ? [] : [at('jump', jump)]),
  ];
};
