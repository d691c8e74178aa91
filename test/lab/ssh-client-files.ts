import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { hostRoot, type LabState } from './lab-state.ts';

export const adminKeyPath = (labFolder: string): string => join(labFolder, 'admin');
export const knownHostsPath = (labFolder: string): string => join(labFolder, 'known_hosts');
export const sshConfigPath = (labFolder: string): string => join(labFolder, 'ssh_config');

/** Writes known_hosts with every key of every host, under name and address, read from the hosts' own trees. */
export async function writeKnownHosts(labFolder: string, lab: LabState): Promise<void> {
  let lines = '';
  for (const { name, address } of lab.hosts) {
    const folder = join(hostRoot(labFolder, name), 'etc/ssh');
    for (const file of (await readdir(folder)).filter((f) => /^ssh_host_.*\.pub$/.test(f))) {
      const [type, key] = (await readFile(join(folder, file), 'utf8')).split(' ');
      lines += `${name},${address} ${type} ${key}\n`;
    }
  }
  await writeFile(knownHostsPath(labFolder), lines, { mode: 0o600 });
}

/** Writes an ssh_config(5) with which `ssh -F … <name>` is the admin's login, and any other user gets no key by default. */
export async function writeSshConfig(labFolder: string, lab: LabState): Promise<void> {
  const hosts = lab.hosts.map(({ name, address }) => `Host ${name}\n  HostName ${address}\n`).join('');
  const all = [
    'Host *',
    '  User admin',
    `  UserKnownHostsFile ${knownHostsPath(labFolder)}`,
    '  GlobalKnownHostsFile /dev/null',
    '  StrictHostKeyChecking yes',
    '  UpdateHostKeys no',
    '  IdentitiesOnly yes',
    '  IdentityAgent none',
    'Match user admin',
    `  IdentityFile ${adminKeyPath(labFolder)}`,
  ];
  await writeFile(sshConfigPath(labFolder), `${hosts}${all.join('\n')}\n`, { mode: 0o600 });
}
