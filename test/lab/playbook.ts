import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { capture } from './capture.ts';
import type { Lab } from './lab-life.ts';

const ANSIBLE_FOLDER = fileURLToPath(new URL('../../ansible/', import.meta.url));

/** A playbook that sets up several hosts with handlers and live checks takes its time on a loaded machine. */
const PLAYBOOK_TIMEOUT_MS = 600_000;

/**
 * Runs `ansible/playbooks/<playbook>` (or the playbook at an absolute path) against all hosts of the lab as `admin` with sudo, through real ssh with strict
 * host keys. `vars` go in as extra variables (they win over everything). The hosts are in the groups `lab` and
 * `targets`. `changed` and `failed` (unreachable included) are the counts of the recap, by host.
 */
export async function runPlaybook(
  lab: Lab,
  playbook: string,
  vars: Record<string, unknown>,
  opts: {
    limit?: string;
    check?: boolean;
    tags?: readonly string[];
    /** Called with each line that Ansible prints. */
    onLine?: (line: string) => void;
    /** Kills Ansible and what it started here, as a machine that loses its power would. */
    kill?: AbortSignal;
  } = {},
): Promise<{
  code: number;
  output: string;
  changed: Record<string, number>;
  failed: Record<string, number>;
}> {
  const folder = join(lab.dir, 'ansible');
  const sockets = join(folder, 'cp');
  await mkdir(sockets, { recursive: true, mode: 0o700 });
  const inventory = join(folder, 'inventory.json');
  const extra = join(folder, `vars-${process.hrtime.bigint()}.json`);
  await writeFile(inventory, JSON.stringify(describeInventory(lab.hosts, lab.adminKey)), { mode: 0o600 });
  await writeFile(extra, JSON.stringify(vars), { mode: 0o600 });
  const flags = [
    ...(opts.limit === undefined ? [] : ['--limit', opts.limit]),
    ...(opts.check ? ['--check'] : []),
    ...(opts.tags === undefined ? [] : ['--tags', opts.tags.join(',')]),
  ];
  const argv = [
    '--inventory',
    inventory,
    '--extra-vars',
    `@${extra}`,
    ...flags,
    resolve(ANSIBLE_FOLDER, 'playbooks', playbook),
  ];
  const env = { ...inheritedEnvironment(), ...ansibleEnvironment(lab, folder, sockets) };
  try {
    const { code, stdout, stderr } = await capture('ansible-playbook', argv, {
      cwd: folder,
      env,
      timeoutMs: PLAYBOOK_TIMEOUT_MS,
      ...(opts.onLine === undefined ? {} : { onLine: opts.onLine }),
      kill: opts.kill,
    });
    return { code, output: stdout + stderr, ...parseRecap(stdout) };
  } finally {
    await closeMasters(sockets);
  }
}

/** Counts of the `PLAY RECAP`, one line a host: `h1 : ok=3 changed=1 unreachable=0 failed=0 …`. */
export function parseRecap(output: string): {
  changed: Record<string, number>;
  failed: Record<string, number>;
} {
  const changed: Record<string, number> = {};
  const failed: Record<string, number> = {};
  const recap = output.slice(output.lastIndexOf('PLAY RECAP'));
  for (const [, host = '', counts = ''] of recap.matchAll(/^(\S+)\s+: (ok=.*)$/gm)) {
    const count = (name: string): number => Number(new RegExp(`\\b${name}=(\\d+)`).exec(counts)?.[1] ?? 0);
    changed[host] = count('changed');
    failed[host] = count('failed') + count('unreachable');
  }
  return { changed, failed };
}

/**
 * An inventory of the lab for a program that starts Ansible itself, with nothing in its environment: the strict ssh options are
 * variables of the hosts.
 */
export function ansibleInventory(lab: Lab): unknown {
  const { all } = describeInventory(lab.hosts, lab.adminKey);
  const options = `-F /dev/null -o StrictHostKeyChecking=yes -o GlobalKnownHostsFile=/dev/null -o UpdateHostKeys=no`;
  const ours = `-o UserKnownHostsFile=${lab.knownHosts} -o IdentitiesOnly=yes -o IdentityAgent=none`;
  return { all: { ...all, vars: { ansible_ssh_args: `${options} ${ours} -o ControlMaster=no` } } };
}

function describeInventory(labHosts: Lab['hosts'], adminKey: string): { all: { children: unknown } } {
  const hosts = Object.fromEntries(
    labHosts.map(({ name, address }) => [
      name,
      {
        ansible_host: address,
        ansible_user: 'admin',
        ansible_ssh_private_key_file: adminKey,
        ansible_python_interpreter: '/usr/bin/python3',
        ansible_become_method: 'sudo',
      },
    ]),
  );
  return { all: { children: { lab: { hosts }, targets: { hosts } } } };
}

function ansibleEnvironment(lab: Lab, folder: string, sockets: string): Record<string, string> {
  return {
    ANSIBLE_HOME: folder,
    ANSIBLE_LOCAL_TEMP: join(folder, 'tmp'),
    // Whatever a run that is killed leaves goes with the lab.
    TMPDIR: folder,
    ANSIBLE_ROLES_PATH: join(ANSIBLE_FOLDER, 'roles'),
    ANSIBLE_PIPELINING: 'True',
    ANSIBLE_HOST_KEY_CHECKING: 'True',
    ANSIBLE_SSH_ARGS: [
      '-F /dev/null -o StrictHostKeyChecking=yes -o GlobalKnownHostsFile=/dev/null -o UpdateHostKeys=no',
      `-o UserKnownHostsFile=${lab.knownHosts} -o IdentitiesOnly=yes -o IdentityAgent=none`,
      // A host whose link is cut is noticed, as with ansible/ansible.cfg.
      '-o ControlMaster=auto -o ControlPersist=60s -o ServerAliveInterval=5 -o ServerAliveCountMax=3',
    ].join(' '),
    ANSIBLE_SSH_CONTROL_PATH_DIR: sockets,
    ANSIBLE_SSH_CONTROL_PATH: '%(directory)s/%%h',
    ANSIBLE_RETRY_FILES_ENABLED: 'False',
    ANSIBLE_NOCOLOR: '1',
    ANSIBLE_NOCOWS: '1',
    ANSIBLE_DISPLAY_SKIPPED_HOSTS: 'False',
    ANSIBLE_FORKS: String(Math.max(lab.hosts.length, 1)),
    ANSIBLE_TIMEOUT: '15',
    PYTHONUNBUFFERED: '1',
  };
}

/** What Ansible needs of ours, and none of the ANSIBLE_* settings the person at this machine may have. */
function inheritedEnvironment(): Record<string, string> {
  const { HOME = '/root' } = process.env;
  return { PATH: '/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', HOME, LANG: 'C.UTF-8' };
}

/** The ssh masters Ansible leaves behind would outlive the lab by a minute. */
async function closeMasters(sockets: string): Promise<void> {
  for (const address of await readdir(sockets)) {
    await capture('ssh', [
      '-F',
      '/dev/null',
      '-o',
      `ControlPath=${join(sockets, address)}`,
      '-O',
      'exit',
      address,
    ]);
  }
}
