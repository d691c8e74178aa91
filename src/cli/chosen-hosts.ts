import type { Command } from 'commander';
import type { Config } from '../config.ts';
import { PraError } from '../errors.ts';
import type { CliContext } from './cli-context.ts';
import { collect } from './name-values.ts';
import { say } from './say.ts';

export interface HostOptions {
  readonly host?: readonly string[];
  readonly group?: readonly string[];
}

/** Gives a command --host and --group. */
export const takesHosts = (command: Command): Command =>
  command
    .option('-H, --host <host>', 'a host; may be repeated', collect)
    .option('-g, --group <group>', 'a group of hosts; may be repeated', collect);

/** The hosts that --host and --group name, each once. Throws USAGE when there are none, and for an unknown group. */
export const chosenHosts = (
  context: CliContext,
  { host = [], group = [] }: HostOptions,
): readonly string[] => {
  const config = context.config();
  const hosts = [...new Set([...host, ...group.flatMap((name) => membersOf(config, name))])];
  if (hosts.length === 0) throw new PraError('USAGE', { what: say('look.hosts') });
  return hosts;
};

const membersOf = (config: Config, group: string): readonly string[] => {
  const members = config.groups.get(group);
  if (members !== undefined) return members;
  const groups = [...config.groups.keys()].slice(0, 20).join(', ') || say('catalog.none');
  throw new PraError('USAGE', { what: say('look.group', { group, groups }) });
};
