import { join } from 'node:path';
import { expect } from 'vitest';
import { ssh } from '../lab.ts';
import type { LookingLab } from './looking.ts';

/** sshd refuses each of these users for a key that nobody knows, and the last one for two wrong passwords. */
export const refuseLogins = async (
  { lab, host, keys }: LookingLab,
  users: readonly string[],
  withPassword: string,
): Promise<void> => {
  const key = join(keys.reader, '../stranger');
  for (const user of users)
    expect((await ssh(lab, host, { user, key, args: ['-n'], command: ['true'] })).code).toBe(255);
  await host.writeFile('/etc/ssh/sshd_config.d/40-lab.conf', 'PasswordAuthentication yes\n');
  await host.writeFile('/run/lab-askpass', '#!/bin/sh\necho wrong\n', 0o755);
  // A reload is over before sshd has read anything; a restart ends when it listens again.
  await host.sh(
    `systemctl restart ssh
    SSH_ASKPASS=/run/lab-askpass SSH_ASKPASS_REQUIRE=force ssh -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o PubkeyAuthentication=no -o NumberOfPasswordPrompts=2 ${withPassword}@127.0.0.1 true || :
    rm /etc/ssh/sshd_config.d/40-lab.conf; systemctl restart ssh`,
  );
};
