import { readFileSync } from 'node:fs';

/** Whether a process is there, and more than a zombie that nobody has asked for yet (proc_pid_stat(5)). */
export const isAlive = (pid: string | number): boolean => {
  try {
    return !/\) [ZX] /u.test(readFileSync(`/proc/${String(pid)}/stat`, 'utf8'));
  } catch {
    return false;
  }
};
