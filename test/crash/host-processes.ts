import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { readHostStatus } from '../lab/lab-state.ts';
import type { Lab } from '../lab/lab.ts';
import { findInit } from '../lab/nspawn.ts';

/** Processes of a lab host, seen and killed from outside: a kill through a shell inside would come a process later. */
export interface HostProcesses {
  /** The host's `/` with what is mounted below it, as this machine sees it. Another one after a reboot: call `refresh`. */
  readonly root: string;
  /** Pids here of the host's processes that `matches` says yes to. */
  find(matches: (process: HostProcess) => boolean): readonly number[];
  refresh(): Promise<void>;
  /** False while it boots or goes down. */
  isUp(): boolean;
}

export interface HostProcess {
  /** The command line, with spaces. */
  readonly line: string;
  readonly cgroup: string;
}

/** What is to be killed on a host. */
export const IS_VICTIM: Readonly<Record<'sshd' | 'pra-run' | 'runner', (process: HostProcess) => boolean>> = {
  sshd: ({ line }) => line.startsWith('sshd: pra-runner'),
  'pra-run': ({ line }) => /^\/usr\/bin\/python3 -IBS \S+\/pra-run [a-z_]+$/u.test(line),
  runner: ({ cgroup }) => /\/mcp-pra-[a-z2-7]{16}\.service$/mu.test(cgroup),
};

/** Kills at once whatever is still there; how many were. */
export const killAll = (pids: readonly number[]): number =>
  pids.filter((pid) => {
    try {
      return process.kill(pid, 'SIGKILL');
    } catch {
      return false;
    }
  }).length;

export const hostProcesses = async (lab: Lab, name: string): Promise<HostProcesses> => {
  let init = 0;
  let namespace = '';
  const refresh = async (): Promise<void> => {
    const status = await readHostStatus(lab.dir, name);
    init = (status?.kind === 'running' ? findInit(status.pid) : undefined) ?? 0;
    namespace = init === 0 ? '' : readlinkSync(`/proc/${String(init)}/ns/pid`);
  };
  await refresh();
  return {
    get root() {
      return `/proc/${String(init)}/root`;
    },
    refresh,
    isUp: () => init !== 0,
    find: (matches) =>
      readdirSync('/proc')
        .filter((pid) => /^\d+$/u.test(pid) && isOne(pid, namespace, matches))
        .map(Number),
  };
};

const isOne = (pid: string, namespace: string, matches: (process: HostProcess) => boolean): boolean => {
  try {
    if (readlinkSync(`/proc/${pid}/ns/pid`) !== namespace) return false;
    const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
    return line !== '' && matches({ line, cgroup: readFileSync(`/proc/${pid}/cgroup`, 'utf8') });
  } catch {
    return false; // gone meanwhile
  }
};

/** The only child of a process, once it has one. */
export const childOf = (pid: number): number | undefined => {
  try {
    const [first = ''] = readFileSync(`/proc/${String(pid)}/task/${String(pid)}/children`, 'utf8').split(' ');
    return first === '' ? undefined : Number(first);
  } catch {
    return undefined;
  }
};
