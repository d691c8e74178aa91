import { randomBytes } from 'node:crypto';
import { chown, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { mustRun } from './capture.ts';
import { hostFolder, hostRoot, type HostState, type LabState } from './lab-state.ts';

const ADMIN_UID = 1000;

/** Mounts the overlay of a host and writes what is its own: name, address, machine id, host keys, the admin's key. */
export async function makeHostTree(
  labFolder: string,
  base: string,
  lab: LabState,
  host: HostState,
): Promise<void> {
  const folder = hostFolder(labFolder, host.name);
  const root = hostRoot(labFolder, host.name);
  const [upper, work] = [join(folder, 'upper'), join(folder, 'work')];
  await mkdir(folder, { recursive: true, mode: 0o700 });
  // The mode of the upper folder is the mode of the host's `/`.
  for (const path of [upper, work, root]) await mkdir(path, { mode: 0o755 });
  const layers = `lowerdir=${base},upperdir=${upper},workdir=${work}`;
  await mustRun('mount', ['-t', 'overlay', '-o', layers, 'overlay', root]);

  const others = lab.hosts.map(({ address, name }) => `${address} ${name}\n`).join('');
  await writeFile(join(root, 'etc/hostname'), `${host.name}\n`);
  await writeFile(join(root, 'etc/hosts'), `127.0.0.1 localhost\n::1 localhost\n${others}`);
  await writeFile(join(root, 'etc/machine-id'), `${randomBytes(16).toString('hex')}\n`, { mode: 0o444 });
  await writeFile(join(root, 'etc/default/lab-network'), `ADDRESS=${host.address}/24\n`);
  for (const type of ['ed25519', 'ecdsa']) {
    await makeKey(join(root, `etc/ssh/ssh_host_${type}_key`), type, `root@${host.name}`);
  }
  const authorized = join(root, 'home/admin/.ssh/authorized_keys');
  await writeFile(authorized, await readFile(join(labFolder, 'admin.pub')), { mode: 0o600 });
  await chown(authorized, ADMIN_UID, ADMIN_UID);
}

/** A key pair without passphrase, as `ssh-keygen` writes it. */
export async function makeKey(path: string, type: string, comment: string): Promise<void> {
  await mustRun('ssh-keygen', ['-q', '-t', type, '-N', '', '-C', comment, '-f', path]);
}
