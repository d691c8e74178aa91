import { spawnSync } from 'node:child_process';

/** Whether this user may make a mount namespace: full and read-only disks are made in one, which ends with its command. */
export const canMount: boolean =
  spawnSync('unshare', ['-m', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt'], { stdio: 'ignore' }).status === 0;
