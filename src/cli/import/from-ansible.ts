import { z } from 'zod';
import { PraError } from '../../errors.ts';
import { EVERY_HOST } from '../inventory/ansible-inventory.ts';
import { say } from '../say.ts';
import { shellWords } from '../shell-word.ts';
import type { Found, FoundHost, RefusedHost } from './found-host.ts';

/** Of a host's variables only those that say where it is: the others may be secrets. */
const hostVars = z.object({
  ansible_host: z.string().optional(),
  ansible_port: z.union([z.int(), z.string().regex(/^[0-9]{1,5}$/u)]).optional(),
  ansible_connection: z.string().optional(),
  ansible_ssh_args: z.string().optional(),
  ansible_ssh_common_args: z.string().optional(),
  ansible_ssh_extra_args: z.string().optional(),
  mcp_pra_host: z.string().optional(),
});
const group = z.object({ hosts: z.array(z.string()).default([]), children: z.array(z.string()).default([]) });
const listing = z.object({ _meta: z.object({ hostvars: z.record(z.string(), z.unknown()) }) });

type HostVars = z.output<typeof hostVars>;
type Groups = ReadonlyMap<string, z.output<typeof group>>;

/** Every group has its hosts in these, or mcp-pra made it itself. */
const NO_GROUPS = new Set(['all', 'ungrouped', EVERY_HOST]);

/** The answer of `ansible-inventory --list`. Throws USAGE for anything else. */
export const fromAnsible = (text: string): Found => {
  const { groups, variables } = readListing(text);
  const names = new Set([...variables.keys(), ...[...groups.values()].flatMap(({ hosts }) => hosts)]);
  const groupsOf = membership(groups);
  const hosts: FoundHost[] = [];
  const refused: RefusedHost[] = [];
  for (const source of names) {
    const vars = hostVars.safeParse(variables.get(source) ?? {});
    const why = vars.success ? whyNot(vars.data) : say('import.variables');
    if (!vars.success || why !== undefined) {
      refused.push({ source, why: why ?? '' });
      continue;
    }
    hosts.push({
      source,
      name: vars.data.mcp_pra_host ?? source,
      address: vars.data.ansible_host ?? source,
      port: Number(vars.data.ansible_port ?? 22),
      jump: jumpOf(vars.data),
      groups: groupsOf.get(source) ?? [],
    });
  }
  return { hosts, refused };
};

const readListing = (
  text: string,
): { readonly groups: Groups; readonly variables: ReadonlyMap<string, unknown> } => {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (thrown) {
    throw new PraError('USAGE', { what: say('import.no_listing') }, thrown);
  }
  const parsed = listing.safeParse(value);
  if (!parsed.success) throw new PraError('USAGE', { what: say('import.no_listing') });
  const groups = Object.entries(value as Record<string, unknown>).flatMap(([name, written]) => {
    const read = group.safeParse(written);
    return name === '_meta' || !read.success ? [] : [[name, read.data] as const];
  });
  return { groups: new Map(groups), variables: new Map(Object.entries(parsed.data._meta.hostvars)) };
};

/** Host → the groups it is in, by itself or by a group inside a group. */
const membership = (groups: Groups): ReadonlyMap<string, readonly string[]> => {
  const members = (name: string, seen: ReadonlySet<string>): readonly string[] => {
    const own = groups.get(name);
    if (own === undefined || seen.has(name)) return [];
    const inside = new Set([...seen, name]);
    return [...own.hosts, ...own.children.flatMap((child) => members(child, inside))];
  };
  const found = new Map<string, string[]>();
  for (const name of groups.keys()) {
    if (NO_GROUPS.has(name)) continue;
    for (const host of new Set(members(name, new Set()))) found.set(host, [...(found.get(host) ?? []), name]);
  }
  return found;
};

const whyNot = (vars: HostVars): string | undefined => {
  if (
    !['ssh', 'smart', 'paramiko', 'paramiko_ssh', 'ansible.builtin.ssh', undefined].includes(
      vars.ansible_connection,
    )
  )
    return say('import.connection');
  const words = sshWords(vars);
  if (words === undefined) return say('import.arguments');
  return words.some((word) => /^(?:-o)?ProxyCommand\b/iu.test(word))
    ? say('import.proxy_command')
    : undefined;
};

const sshWords = (vars: HostVars): readonly string[] | undefined =>
  shellWords(
    [vars.ansible_ssh_args, vars.ansible_ssh_common_args, vars.ansible_ssh_extra_args]
      .filter((line) => line !== undefined)
      .join(' '),
  );

/** `-J door`, `-Jdoor`, `-o ProxyJump=door`, `-oProxyJump=door`: the first counts, as for ssh. */
const jumpOf = (vars: HostVars): string | undefined => {
  const words = sshWords(vars) ?? [];
  const found = words.flatMap((word, index) => {
    const [, joined] = /^(?:-o)?ProxyJump[ =]+(.*)$/iu.exec(word) ?? /^-J(.+)$/u.exec(word) ?? [];
    const jump = word === '-J' ? words[index + 1] : joined;
    return jump === undefined ? [] : [jump.trim()];
  });
  return found[0] === 'none' ? undefined : found[0];
};
