import { capture } from './capture.ts';
import type { LabHost } from './host.ts';

/** OpenSSH options that never ask and never learn: the only host keys are those in the lab's known_hosts. */
export function strictOptions(knownHosts: string): string[] {
  const options = {
    BatchMode: 'yes',
    StrictHostKeyChecking: 'yes',
    UserKnownHostsFile: knownHosts,
    GlobalKnownHostsFile: '/dev/null',
    UpdateHostKeys: 'no',
    IdentitiesOnly: 'yes',
    IdentityAgent: 'none',
  };
  return [
    '-F',
    '/dev/null',
    ...Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`]),
  ];
}

/**
 * Runs the real `ssh` against a host with one key, and nothing of this machine's ssh configuration or agent.
 * `args` go before the destination (`-tt`, `-L …`, `-s`); options there win over all but the strict ones; `command` is joined with spaces by ssh, as always.
 * ssh's own failures (refused key, unknown host key) are code 255 with its words in `stderr`.
 */
export async function ssh(
  lab: { readonly knownHosts: string },
  host: LabHost,
  opts: {
    user: string;
    key: string;
    args?: readonly string[];
    command?: readonly string[];
    input?: string | Buffer;
    timeoutMs?: number;
  },
): Promise<{ code: number; stdout: string; stderr: string }> {
  const { user, key, args = [], command = [], ...rest } = opts;
  const login = ['-i', key, ...args, '-o', 'ConnectTimeout=10', `${user}@${host.address}`];
  return await capture('ssh', [...strictOptions(lab.knownHosts), ...login, ...command], rest);
}
