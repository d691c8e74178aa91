import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rmdir } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * Each host needs a cgroup of its own: nspawn with --keep-unit makes `payload` under the one it is started in, so two
 * hosts started from the same cgroup would share a tree, and one systemd would kill the services of the other.
 * Where systemd runs this machine, a delegated scope is asked of it; elsewhere the cgroups are made by hand.
 */
export type CgroupPlan =
  | { readonly kind: 'scope'; readonly launcher: readonly string[] }
  | { readonly kind: 'by-hand'; readonly folders: readonly string[] };

export async function planCgroup(machine: string): Promise<CgroupPlan> {
  if (existsSync('/run/systemd/system')) {
    const unit = `--unit=${scopeName(machine)}`;
    const launcher = [
      'systemd-run',
      '--quiet',
      '--scope',
      '--collect',
      unit,
      '--property=Delegate=yes',
      '--',
    ];
    return { kind: 'scope', launcher };
  }
  return {
    kind: 'by-hand',
    folders: (await systemdHierarchies()).map((path) => join(path, scopeName(machine))),
  };
}

export async function makeCgroup(plan: CgroupPlan): Promise<void> {
  if (plan.kind === 'scope') return;
  for (const folder of plan.folders) await mkdir(folder, { recursive: true });
}

/** argv that starts `command` inside the cgroup, in the same process. */
export function insideCgroup(plan: CgroupPlan, command: readonly string[]): string[] {
  if (plan.kind === 'scope') return [...plan.launcher, ...command];
  const enter =
    'while [ "$1" != -- ]; do echo $$ >"$1/cgroup.procs" || exit 70; shift; done; shift; exec "$@"';
  return ['/bin/sh', '-c', enter, 'sh', ...plan.folders, '--', ...command];
}

/** Removes the cgroups of a host whose processes have ended. */
export async function removeCgroup(machine: string): Promise<void> {
  for (const hierarchy of await systemdHierarchies()) {
    const folder = join(hierarchy, scopeName(machine));
    if (existsSync(folder)) await removeTree(folder);
  }
}

const scopeName = (machine: string): string => `mcp-pra-lab-${machine}.scope`;

/** Mount points of the hierarchies systemd inside a container manages: v2, and the named one of v1. */
async function systemdHierarchies(): Promise<string[]> {
  const mounts = (await readFile('/proc/self/mounts', 'utf8')).split('\n').map((line) => line.split(' '));
  return mounts
    .filter(
      ([, , type, options]) => type === 'cgroup2' || (type === 'cgroup' && options?.includes('name=systemd')),
    )
    .map(([, path]) => path ?? '')
    .filter((path) => path.startsWith('/sys/fs/cgroup'));
}

/** The files in a cgroup cannot be unlinked, only its empty folders removed, from the leaves up. */
async function removeTree(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    if (entry.isDirectory()) await removeTree(join(folder, entry.name));
  }
  await rmdir(folder);
}
