import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rmdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

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

const goneOrThrow = (error: unknown): string[] => {
  if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
  throw error;
};

/** Processes of a host, in the numbers of this machine: those that a tear-down has to end. */
export async function listProcesses(machine: string): Promise<number[]> {
  const found = new Set<number>();
  for (const folder of await cgroupFolders(machine)) {
    // A scope that ends meanwhile takes its folder with it.
    for (const path of await readdir(folder, { recursive: true }).catch(goneOrThrow)) {
      if (basename(path) !== 'cgroup.procs') continue;
      const pids = await readFile(join(folder, path), 'utf8').catch(() => '');
      for (const pid of pids.split('\n')) if (pid !== '' && pid !== '0') found.add(Number(pid));
    }
  }
  return [...found];
}

/** Ends what still runs in the cgroups of a host and removes them. Rejects when a process does not end. */
export async function removeCgroup(machine: string): Promise<void> {
  const deadline = Date.now() + KILL_TIMEOUT_MS;
  for (;;) {
    const left = await listProcesses(machine);
    if (left.length === 0) break;
    if (Date.now() > deadline) throw new Error(`processes of ${machine} do not end: ${left.join(' ')}`);
    for (const pid of left) killQuietly(pid);
    await sleep(20);
  }
  for (const folder of await cgroupFolders(machine)) await removeTree(folder);
}

const KILL_TIMEOUT_MS = 10_000;

const scopeName = (machine: string): string => `mcp-pra-lab-${machine}.scope`;

async function cgroupFolders(machine: string): Promise<string[]> {
  const folders = (await systemdHierarchies()).map((path) => join(path, scopeName(machine)));
  return folders.filter((folder) => existsSync(folder));
}

/** A process that ended in between is what we want. */
function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {}
}

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
