import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { runInGuest } from './guest-agent.ts';
import { readHostStatus, type HostState } from './lab-state.ts';
import { findInit } from './nspawn.ts';
import { guestAgentPath } from './vm.ts';

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
      // sshd starts after the file is made, so with a banner its absence means that logins are open.
      if ((await sendsBanner(host.address)) && !(await hasNologin(labFolder, host, status.pid))) return;
    }
    if (Date.now() > deadline) throw new Error(`${host.name} did not answer within ${options.timeoutMs} ms`);
    await sleep(50);
  }
}

/** Whether pam_nologin still holds logins up, or it cannot be told yet. */
async function hasNologin(labFolder: string, host: HostState, pid: number): Promise<boolean> {
  if (host.kind === 'vm') {
    const agent = guestAgentPath(labFolder, host.name);
    const looked = await runInGuest(agent, ['test', '!', '-e', '/run/nologin']).catch(() => undefined);
    return looked?.code !== 0;
  }
  const init = findInit(pid);
  return init === undefined || existsSync(`/proc/${init}/root/run/nologin`);
}

async function sendsBanner(address: string): Promise<boolean> {
  const socket = connect({ host: address, port: 22 });
  socket.setTimeout(5_000, () => socket.destroy());
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
