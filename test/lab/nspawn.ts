import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync, readlinkSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { insideCgroup, makeCgroup, planCgroup } from './cgroup.ts';
import { hostFolder, hostRoot, type HostState } from './lab-state.ts';

/** Exit code of systemd-nspawn after a reboot was asked for inside. */
export const REBOOT_CODE = 133;

/**
 * Starts one boot of a host. The result is unshare(1), whose exit code is nspawn's.
 *
 * Killing nspawn alone leaves its container running. So nspawn is the first process of a pid namespace: when it dies
 * the kernel ends all the rest, and setpriv ties it to the life of the keeper.
 */
export async function startHost(labFolder: string, bridge: string, host: HostState): Promise<ChildProcess> {
  const plan = await planCgroup(host.machine);
  await makeCgroup(plan);
  const nspawn = [
    'systemd-nspawn',
    `--directory=${hostRoot(labFolder, host.name)}`,
    `--machine=${host.machine}`,
    `--hostname=${host.name}`,
    `--network-bridge=${bridge}`,
    ...'--quiet --boot --register=no --keep-unit --settings=no --console=pipe'.split(' '),
    ...'--resolv-conf=off --timezone=off --link-journal=no'.split(' '),
  ];
  const unshare = ['unshare', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc'];
  const tied = ['setpriv', '--pdeathsig', 'KILL', '--', ...unshare, ...nspawn];
  const [program = '', ...argv] = insideCgroup(plan, tied);
  const consoleLog = await open(join(hostFolder(labFolder, host.name), 'console.log'), 'a', 0o600);
  try {
    return spawn(program, argv, {
      stdio: ['ignore', consoleLog.fd, consoleLog.fd],
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LANG: 'C.UTF-8' },
    });
  } finally {
    await consoleLog.close();
  }
}

/** Ends a boot at once, and with it every process of the host. */
export function killHost(child: ChildProcess): void {
  // nspawn rather than unshare: unshare then reaps it and its exit tells that all of the namespace is gone.
  const nspawn = child.pid === undefined ? undefined : onlyChildOf(child.pid);
  if (nspawn === undefined) child.kill('SIGKILL');
  else process.kill(nspawn, 'SIGKILL');
}

/** Process 1 of a host as this machine numbers it; undefined while it is not up. */
export function findInit(unsharePid: number): number | undefined {
  const nspawn = onlyChildOf(unsharePid);
  const init = nspawn === undefined ? undefined : onlyChildOf(nspawn);
  if (nspawn === undefined || init === undefined) return undefined;
  try {
    // nspawn sets the container up in intermediate processes; only the last one has the namespace and runs systemd.
    if (readlinkSync(`/proc/${init}/ns/pid`) === readlinkSync(`/proc/${nspawn}/ns/pid`)) return undefined;
    return readFileSync(`/proc/${init}/comm`, 'utf8').trim() === 'systemd' ? init : undefined;
  } catch {
    return undefined;
  }
}

function onlyChildOf(pid: number): number | undefined {
  try {
    const first = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')[0];
    return first === undefined || first === '' ? undefined : Number(first);
  } catch {
    return undefined;
  }
}
