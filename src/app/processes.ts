import { readFileSync, readlinkSync } from 'node:fs';
import type { Processes } from '../request/ports.ts';

/**
 * Processes of this machine, told apart by boot, pid namespace, pid and birth (proc_pid_stat(5), field 22): a pid alone is
 * given out again. Where there is no /proc nothing is known of any process.
 */
export const openProcesses = (proc = '/proc'): Processes => {
  const here = placeOf(proc);
  const birth = here === undefined ? undefined : birthOf(proc, process.pid);
  return {
    own: birth === undefined ? undefined : `${String(here)} ${String(process.pid)} ${birth}`,
    look: (name) => {
      const [boot, namespace, pid, born, ...more] = name.split(' ');
      if (here === undefined || born === undefined || more.length > 0 || !/^[1-9]\d{0,9}$/u.test(pid ?? ''))
        return 'unknown';
      const [ourBoot, ourNamespace] = here.split(' ');
      if (boot !== ourBoot) return 'gone';
      // From here a process of another namespace (a container) cannot be seen, whether it lives or not.
      if (namespace !== ourNamespace) return 'unknown';
      return birthOf(proc, Number(pid)) === born ? 'alive' : 'gone';
    },
  };
};

/** `<boot> <pid namespace>`, or undefined where the system does not say. */
const placeOf = (proc: string): string | undefined => {
  try {
    const boot = readFileSync(`${proc}/sys/kernel/random/boot_id`, 'utf8').trim();
    return `${boot} ${readlinkSync(`${proc}/self/ns/pid`)}`;
  } catch {
    return undefined;
  }
};

/** In clock ticks since the boot; undefined when there is no such process, or only what its parent has not collected yet. */
export const birthOf = (proc: string, pid: number): string | undefined => {
  try {
    const stat = readFileSync(`${proc}/${String(pid)}/stat`, 'latin1');
    const [state, ...fields] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return state === 'Z' || state === 'X' ? undefined : fields[18];
  } catch {
    return undefined;
  }
};
