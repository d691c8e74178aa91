import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { readHostStatus, type HostState } from './lab-state.ts';
import { findInit } from './nspawn.ts';

/**
 * Resolves when a host accepts logins: sshd has sent its banner and pam_nologin's file of the boot is gone.
 * Rejects when the host is off, after `timeoutMs`, or when `signal` aborts.
 */
export async function waitForSshd(
  labFolder: string,
  host: HostState,
  options: { minimumBoot: number; timeoutMs: number; signal?: AbortSignal },
): Promise<void> {
  const deadline = Date.now() + options.timeoutMs;
  for (;;) {
    options.signal?.throwIfAborted();
    const status = await readHostStatus(labFolder, host.name);
    if (status?.kind === 'off') throw new Error(`${host.name} is off (nspawn ended with ${status.code})`);
    if (status !== undefined && status.boot >= options.minimumBoot) {
      const init = findInit(status.pid);
      // sshd starts after the file is made, so with a banner its absence means that logins are open.
      const answers = init !== undefined && (await sendsBanner(host.address));
      if (answers && !existsSync(`/proc/${init}/root/run/nologin`)) return;
    }
    if (Date.now() > deadline) throw new Error(`${host.name} did not answer within ${options.timeoutMs} ms`);
    await sleep(50);
  }
}

async function sendsBanner(address: string): Promise<boolean> {
  const socket = connect({ host: address, port: 22 });
  socket.setTimeout(1000, () => socket.destroy());
  try {
    const [chunk] = (await Promise.race([once(socket, 'data'), once(socket, 'close').then(() => [''])])) as [
      Buffer | string,
    ];
    return chunk.toString().startsWith('SSH-');
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
