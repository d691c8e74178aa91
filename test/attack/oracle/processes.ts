import { setTimeout as sleep } from 'node:timers/promises';
import type { LabHost } from '../../lab/lab.ts';

/** The processes of both accounts but for what logind keeps for a session: `systemd --user`, its pam helper, and sshd itself. */
export const processesOf = async (host: LabHost): Promise<readonly string[]> => {
  const { stdout } = await host.run(['ps', '-o', 'user=,args=', '-u', 'mcp-reader,pra-runner']);
  return stdout
    .split('\n')
    .filter((line) => line !== '' && !/(?:systemd --user|\(sd-pam\)|sshd: )/u.test(line));
};

/** What of the accounts still runs five seconds after the last request: nothing should. */
export const leftOver = async (host: LabHost): Promise<readonly string[]> => {
  const deadline = Date.now() + 5_000;
  for (;;) {
    const left = await processesOf(host);
    if (left.length === 0 || Date.now() > deadline) return left;
    await sleep(100);
  }
};
