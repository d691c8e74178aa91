import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Release, Software } from './base-tree.ts';
import { labUp, runPlaybook, type Lab, type LabHost } from './lab.ts';

/** Keys made for one lab; each path is a private key with its `.pub` beside it. */
export interface LabKeys {
  readonly reader: string;
  readonly runner: string;
  readonly auto: string;
  readonly approver: string;
  /** Listed nowhere. */
  readonly stranger: string;
}

/** Typed by the person in the tests; made up for one run. */
export const PASSPHRASE = `lab ${String(process.pid)} passphrase`;

/** A service of the lab's own, which counts how often it was started. */
export const DEMO_UNIT = 'lab-demo.service';
/** The same, but starting takes five seconds: long enough to lose a connection meanwhile. */
export const SLOW_UNIT = 'lab-slow.service';
/** One more, for whoever cannot wait for the cooldown of the first. */
export const SPARE_UNIT = 'lab-spare.service';
const UNITS = [DEMO_UNIT, SLOW_UNIT, SPARE_UNIT];

const unitFile = (unit: string): string => `[Unit]
Description=A service that can be restarted
[Service]
ExecStartPre=/bin/sh -c 'echo started >>/run/${unit.replace('.service', '.starts')}'
${unit === SLOW_UNIT ? 'ExecStartPre=/usr/bin/sleep 5\n' : ''}ExecStart=/usr/bin/sleep infinity
[Install]
WantedBy=multi-user.target
`;

/** What the playbook is given for every host; tests may widen it. */
export const provisionVars = (
  keys: LabKeys,
  policy: Record<string, unknown> = {},
): Record<string, unknown> => ({
  mcp_pra_reader_keys: [publicKey(keys.reader)],
  mcp_pra_runner_keys: [publicKey(keys.runner)],
  mcp_pra_allowed_signers: [
    `alice namespaces="mcp-pra-low,mcp-pra-medium,mcp-pra-high" ${publicKey(keys.approver)}`,
    `auto namespaces="mcp-pra-auto" ${publicKey(keys.auto)}`,
  ],
  mcp_pra_policy: {
    values: {
      restart_service: { unit: [...UNITS, 'cron.service'] },
      reload_proxy: { proxy: ['nginx'] },
    },
    auto: UNITS.map((unit) => ({ action: 'restart_service', args: { unit } })),
    auto_limits: { pair_per_hour: 20, host_per_day: 50 },
    ...policy,
  },
});

/** `type base64` of a key, without its comment. */
export const publicKey = (path: string): string =>
  readFileSync(`${path}.pub`, 'utf8').split(' ').slice(0, 2).join(' ').trim();

const makeKey = (dir: string, name: string, passphrase = ''): string => {
  const path = join(dir, name);
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-a', '4', '-N', passphrase, '-C', name, '-f', path]);
  return path;
};

/** The keys of a lab, in its own folder. */
export const makeLabKeys = (lab: Lab): LabKeys => {
  const dir = join(lab.dir, 'keys-of-tests');
  mkdirSync(dir, { mode: 0o700 });
  return {
    reader: makeKey(dir, 'reader'),
    runner: makeKey(dir, 'runner'),
    auto: makeKey(dir, 'auto'),
    approver: makeKey(dir, 'approver', PASSPHRASE),
    stranger: makeKey(dir, 'stranger'),
  };
};

const startUnits = async (lab: Lab): Promise<void> => {
  await Promise.all(
    lab.hosts.map(async (host) => {
      for (const unit of UNITS) await host.writeFile(`/etc/systemd/system/${unit}`, unitFile(unit));
      await host.run(['systemctl', 'enable', '--now', '--no-block', ...UNITS]);
    }),
  );
};

/** Private key of a user authority that is made with the keys of a lab; its hosts take its certificates only where a test says so. */
export const authorityOf = (keys: LabKeys): string => join(dirname(keys.reader), 'authority');

/** Private key of one of the `people` of a lab. */
export const keyOfPerson = (keys: LabKeys, name: string): string => join(dirname(keys.reader), name);

/** What a lab has besides what all have. */
export interface LabMore {
  /** Its hosts take certificates of the lab's authority. */
  readonly certificates?: boolean;
  /** Only the first so many hosts are made targets; the others are just machines. */
  readonly targets?: number;
  /** More approvers than alice, with the same passphrase. */
  readonly people?: readonly string[];
  /** What is installed on its hosts. */
  readonly software?: Software;
  /** Named things of each host: kind, name, what it stands for. */
  readonly names?: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

/** Boots hosts of a Debian release and makes them targets with the project's own playbook. */
export const provisionedLab = async (
  hosts: number,
  policy?: Record<string, unknown>,
  release?: Release,
  { certificates = false, targets = hosts, people = [], software = 'minimal', names = {} }: LabMore = {},
): Promise<{ readonly lab: Lab; readonly keys: LabKeys; readonly vars: Record<string, unknown> }> => {
  const lab = await labUp({ hosts, software, ...(release === undefined ? {} : { release }) });
  try {
    const keys = makeLabKeys(lab);
    const authority = makeKey(dirname(keys.reader), 'authority');
    const folder = dirname(keys.reader);
    const signers = people.map(
      (name) =>
        `${name} namespaces="mcp-pra-low,mcp-pra-medium,mcp-pra-high" ${publicKey(makeKey(folder, name, PASSPHRASE))}`,
    );
    await startUnits(lab);
    const plain = provisionVars(keys, policy);
    const vars = {
      ...plain,
      mcp_pra_allowed_signers: [...(plain['mcp_pra_allowed_signers'] as readonly string[]), ...signers],
      ...(Object.keys(names).length === 0 ? {} : { mcp_pra_names: names }),
      ...(certificates ? { mcp_pra_user_ca_keys: [publicKey(authority)] } : {}),
    };
    const some =
      targets < hosts
        ? {
            limit: lab.hosts
              .slice(0, targets)
              .map(({ name }) => name)
              .join(','),
          }
        : {};
    const run = await runPlaybook(lab, 'provision.yml', vars, some);
    if (run.code !== 0) throw new Error(`provision.yml failed:\n${run.output}`);
    return { lab, keys, vars };
  } catch (error) {
    await lab.down();
    throw error;
  }
};

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const STAGES = 'preflight account scripts tables sudo sshd limits logs fail2ban verify'.split(' ');
const SETUP = 'setup/target-scripts/setup-target';

/**
 * Boots one host with a kernel of its own and makes it a target without Ansible, which an emulated processor would keep
 * busy for minutes: the same `setup-target` that the role runs.
 */
export const vmTarget = async (): Promise<{ readonly lab: Lab; readonly keys: LabKeys }> => {
  const lab = await labUp({ hosts: 0, vm: true });
  try {
    const keys = makeLabKeys(lab);
    await startUnits(lab);
    const [host] = lab.hosts as [LabHost];
    const vars = provisionVars(keys);
    const key = (path: string): object => ({ key: publicKey(path), expires: null, from: [] });
    const site = {
      v: 1,
      host: host.name,
      keys: { reader: [key(keys.reader)], runner: [key(keys.runner)] },
      allowed_signers: vars['mcp_pra_allowed_signers'],
      policy: vars['mcp_pra_policy'],
    };
    await host.writeFile('/root/site.json', JSON.stringify(site), 0o600);
    const must = async (argv: readonly string[], input?: Buffer): Promise<void> => {
      const said = await host.run(argv, { timeoutMs: 600_000, ...(input === undefined ? {} : { input }) });
      if (said.code !== 0) throw new Error(`${argv.join(' ')}: ${said.stdout}${said.stderr}`);
    };
    const pack = execFileSync('tar', ['-C', ROOT, '-cf', '-', 'package.json', 'target-scripts'], {
      maxBuffer: 1 << 26,
    });
    await must(['mkdir', '/root/setup']);
    await must(['tar', '-C', '/root/setup', '--no-same-owner', '-xf', '-'], pack);
    await must([`/root/${SETUP}`, '--site', '/root/site.json', '--seconds', '600', ...STAGES]);
    await must([`/root/${SETUP}`, 'confirm']);
    return { lab, keys };
  } catch (error) {
    await lab.down();
    throw error;
  }
};
