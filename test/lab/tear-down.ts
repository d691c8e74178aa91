import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { capture, mustRun } from './capture.ts';
import { removeCgroup } from './cgroup.ts';
import { withFileLock } from './file-lock.ts';
import { isAlive, labsFolder, listLabFolders, readLabState, type LabState } from './lab-state.ts';
import { deleteLink, linkName } from './network.ts';

/** Held to claim a lab and to remove its folder, so that nobody removes what another has just claimed. */
export const claimLock = (): string => join(labsFolder(), 'lock');

/**
 * Removes everything a lab made: what still runs, cgroups, links, bridge, mounts, folder.
 * Every step is a no-op when it was done before, so a tear-down that was interrupted can be repeated.
 */
export async function removeLab(labFolder: string, state: LabState | undefined): Promise<void> {
  for (const { machine } of state?.hosts ?? []) {
    await removeCgroup(machine);
    await deleteLink(linkName(machine));
  }
  if (state !== undefined) await deleteLink(state.id);
  await unmountBelow(labFolder);
  await takeAwayAppendOnly(labFolder);
  await rm(labFolder, { recursive: true, force: true });
}

/** Removes the labs whose keeper was killed before it could. Only under the claim lock. */
export async function removeDeadLabs(): Promise<void> {
  for (const labFolder of await listLabFolders()) {
    const state = await readLabState(labFolder);
    if (state === undefined || !isAlive(state.keeper)) await removeLab(labFolder, state);
  }
}

/** The same for callers that do not hold the claim lock. */
export async function sweepDeadLabs(): Promise<void> {
  if ((await listLabFolders()).length > 0) await withFileLock(claimLock(), removeDeadLabs);
}

/** The logs of a target are append-only (chattr(1)), so not even root can remove them as they are. */
async function takeAwayAppendOnly(folder: string): Promise<void> {
  await capture('chattr', ['-R', '-f', '-a', folder]).catch(() => undefined);
}

async function unmountBelow(folder: string): Promise<void> {
  const mounts = (await readFile('/proc/self/mounts', 'utf8'))
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '');
  for (const path of mounts.filter((m) => m.startsWith(`${folder}/`)).reverse()) {
    const { code } = await capture('umount', [path]);
    // Somebody (a shell, a test) stands in the tree: take it out of sight now, the kernel frees it when they leave.
    if (code !== 0) await mustRun('umount', ['--lazy', path]);
  }
}
