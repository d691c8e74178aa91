import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeOperator, type Operator } from '../support/operator.ts';
import { wireTime } from '../../src/request/wire-time.ts';
import { makeKey } from '../support/ssh-keys.ts';
import { sshAs, type Loot, type Said } from '../support/thief.ts';
import { labUp, runPlaybook, type Lab, type LabHost } from './lab.ts';
import { provisionVars, publicKey, type LabKeys } from './provisioned.ts';

// A host without Ansible: the package's own install, verify and uninstall under the real dpkg, beside a host that the role made of the
// same variables. The tests build on each other, in this order.

const DAY = 86_400_000;
const SHARE = '/usr/share/mcp-pra-target';
const SETUP = `${SHARE}/target-scripts/setup-target`;

let lab: Lab;
/** Made by the package, and by the role. */
let packaged: LabHost;
let provisioned: LabHost;
let dir: string;
let keys: LabKeys;
let operator: Operator;
let deb: string;
let tarGz: string;
/** What was there before anything of ours. */
let bare: readonly string[];

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'mcp-pra-package-'));
  lab = await labUp({ hosts: 2 });
  [packaged, provisioned] = lab.hosts as [LabHost, LabHost];
  const key = (name: string): string => makeKey(dir, name).path;
  keys = {
    reader: key('reader'),
    runner: key('runner'),
    auto: key('auto'),
    approver: key('approver'),
    stranger: key('stranger'),
  };
  operator = makeOperator({
    home: join(dir, 'operator'),
    hosts: { [packaged.name]: { address: packaged.address } },
    keys: { reader: keys.reader, runner: keys.runner, auto: keys.auto },
    knownHosts: lab.knownHosts,
  });
  const vars = {
    ...provisionVars(keys),
    mcp_pra_reader_keys: [{ key: publicKey(keys.reader), expires: wireTime(Date.now() + 10 * DAY) }],
    // One name for both, so that files that name the host are the same.
    mcp_pra_host: packaged.name,
    mcp_pra_names: { log: { syslog: '/var/log/syslog' } },
  };
  writeFileSync(join(dir, 'vars.yml'), JSON.stringify(vars));
  const argv = ['--from-config', '--host', packaged.name, '--vars', join(dir, 'vars.yml'), '--out', dir];
  const built = await operator.cli('target', 'package', ...argv, '--json');
  if (built.code !== 0) throw new Error(built.stdout + built.stderr);
  const files = JSON.parse(built.stdout) as readonly { readonly path: string }[];
  [deb = '', tarGz = ''] = files.map(({ path }) => path);
  bare = await tree(packaged);
  const run = await runPlaybook(lab, 'provision.yml', vars, { limit: provisioned.name });
  if (run.code !== 0) throw new Error(run.output);
});
afterAll(async () => {
  await lab?.down();
  if (dir !== undefined) rmSync(dir, { recursive: true, force: true });
});

/** A program as root on the host; its output and how it ended. */
const run = (host: LabHost, ...argv: string[]) => host.run(argv, { timeoutMs: 180_000 });

/** A shell line as root on the host; its output. Fails when the line does. */
const sh = (host: LabHost, line: string): Promise<string> => host.sh(line);

/** A file of ours on the host, in root's home. */
const bring = async (host: LabHost, path: string): Promise<string> => {
  const there = `/root/${basename(path)}`;
  const { code, stderr } = await host.run(['/bin/sh', '-c', 'cat >"$1"', 'sh', there], {
    input: readFileSync(path),
  });
  if (code !== 0) throw new Error(stderr);
  return there;
};

const loot = (key: string): Loot => ({
  host: packaged.name,
  address: packaged.address,
  port: 22,
  knownHosts: lab.knownHosts,
  key,
});
const asReader = (): Promise<Said> => sshAs(loot(keys.reader), 'mcp-reader', ['uptime']);
const asAdmin = (): Promise<Said> => sshAs(loot(lab.adminKey), 'admin', ['sudo', '-n', 'id', '-u']);

/** What lives by itself on any host: logs, state of systemd and dpkg, sessions, what this test brought. */
const LIVING = [
  '/var/log/journal',
  '/var/lib/systemd',
  '/var/lib/dpkg',
  '/var/cache',
  '/var/tmp',
  '/var/spool/rsyslog',
  '/home/admin',
  '/root',
  '/etc/ssh/ssh_host_*',
  SHARE,
];

/** Where everything of ours is. */
const OURS = '/etc /usr/local';

/** `kind mode owner size-or-target sha256 path` of everything on the host's own filesystem, sorted. */
const tree = async (host: LabHost, roots = '/etc /usr /var /home /opt /srv'): Promise<readonly string[]> => {
  const pruned = LIVING.map((path) => `-path '${path}'`).join(' -o ');
  const find = `find ${roots} -xdev \\( ${pruned} \\) -prune -o`;
  const shown = await sh(
    host,
    `${find} -printf '%y %m %u:%g %l %p\\n' | LC_ALL=C sort; ${find} -type f -print0 | sort -z | xargs -0 sha256sum`,
  );
  return shown.split('\n');
};

/** Lines that differ, without those about files that differ on any two hosts. */
const differences = (one: readonly string[], other: readonly string[]): readonly string[] => {
  const [ones, others] = [new Set(one), new Set(other)];
  return [...one.filter((line) => !others.has(line)), ...other.filter((line) => !ones.has(line))]
    .filter((line) => !OWN_TO_A_HOST.some((path) => path.test(line)))
    .toSorted();
};

/** Named exceptions: what says which host it is, and what a login or a program wrote while it ran. */
const OWN_TO_A_HOST = [
  / \/etc\/(?:hostname|hosts|default\/lab-network|machine-id|resolv\.conf|\.updated|\.pwd\.lock)$/u,
  / \/etc\/(?:passwd|shadow|group|gshadow|subuid|subgid)-?$/u, // compared account by account
  / \/var\/log(?:\/|$)/u,
  / \/var\/lib\/(?:sudo|logrotate|private|fail2ban|mcp-pra)(?:\/|$)/u,
  / \/var\/\.updated$/u,
  / \/usr\/share$/u,
  // Empty revocation lists say when they were made.
  /^[0-9a-f]{64} {2}\/etc\/mcp-pra\/revoked_(?:keys|signers)$/u,
];

describe('dpkg -i', () => {
  test('puts files into one folder and changes nothing else', async () => {
    const { code, stdout, stderr } = await run(packaged, 'dpkg', '-i', await bring(packaged, deb));
    expect(code, stderr).toBe(0);
    expect(stdout).toContain(`${SHARE}/install --check`);
    expect(differences(bare, await tree(packaged))).toEqual([]);
    expect(await sh(packaged, 'dpkg --verify mcp-pra-target')).toBe('');
  });

  test('install --check says what would change and changes nothing', async () => {
    const { code, stdout, stderr } = await run(packaged, `${SHARE}/install`, '--check');
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(/^changed account mcp-reader$/mu);
    expect(stdout).not.toContain('NOT CONFIRMED');
    expect(differences(bare, await tree(packaged))).toEqual([]);
  });

  test('a package that is not as it was built is not installed', async () => {
    await sh(packaged, `cp -a ${SHARE} /root/spoilt && echo '# x' >>/root/spoilt/target-scripts/pra-run`);
    const { code, stdout, stderr } = await run(packaged, '/root/spoilt/install');
    expect(code).toBe(1);
    expect(stderr).toContain('not as it was built');
    expect(stdout).not.toContain('changed');
  });
});

describe('install', () => {
  test('says how to confirm; a login works from then on', async () => {
    const { code, stdout, stderr } = await run(packaged, `${SHARE}/install`);
    expect(code, stdout + stderr).toBe(0);
    expect(stdout).toContain(`sudo ${SETUP} confirm`);
    expect(await asReader()).toMatchObject({ code: 0 });
    expect(await asAdmin()).toMatchObject({ code: 0, stdout: '0\n' });
    expect(await run(packaged, SETUP, 'confirm')).toMatchObject({ code: 0 });
  });

  test('doctor says until when its keys are good', async () => {
    const { stdout } = await operator.cli('doctor', '--json');
    const found = JSON.parse(stdout) as readonly { readonly level: string; readonly text: string }[];
    const expiry = found
      .filter(({ text }) => /expire/u.test(text))
      .map(({ level, text }) => `${level} ${text}`);
    expect(expiry).toEqual([
      expect.stringMatching(/^ok \S+: keys expire: runner SHA256:\S{43} never$/u),
      expect.stringMatching(
        /^warn \S+: the reader key SHA256:\S{43} expires in 9 days, .*rotate it this week$/u,
      ),
    ]);
  });

  test('a second time changes nothing and asks for nothing', async () => {
    const { code, stdout, stderr } = await run(packaged, `${SHARE}/install`);
    expect(code, stderr).toBe(0);
    expect(stdout.split('\n').filter((line) => line.startsWith('changed'))).toEqual([]);
    expect(stdout).not.toContain('NOT CONFIRMED');
  });

  test('leaves what the role leaves: every path, mode, owner and byte', async () => {
    expect(differences(await tree(packaged), await tree(provisioned))).toEqual([]);
  });

  test.each(['mcp-reader', 'pra-runner'])(
    'the account %s is the same, to sudo and to sshd too',
    async (name) => {
      const about = (host: LabHost): Promise<string> =>
        sh(
          host,
          `getent passwd ${name} | cut -d: -f1,2,5-; getent shadow ${name} | cut -d: -f1,2,4-; id -Gn ${name} | tr ' ' '\\n' | sort; ` +
            `sudo -l -U ${name} | sed "s/ on $(hostname)//"; sshd -T -C user=${name},host=x.invalid,addr=192.0.2.1`,
        );
      expect(await about(packaged)).toBe(await about(provisioned));
    },
  );

  test('units are enabled alike', async () => {
    const units = (host: LabHost): Promise<string> =>
      sh(
        host,
        "systemctl list-unit-files --no-legend 'mcp-pra-*' | sort; systemctl list-timers --all --no-legend 'mcp-pra-*' | awk '{print $(NF-1)}' | sort",
      );
    expect(await units(packaged)).toBe(await units(provisioned));
  });
});

describe('verify', () => {
  test('is content with what was installed', async () => {
    const { code, stderr } = await run(packaged, `${SHARE}/verify`);
    expect(code, stderr).toBe(0);
  });

  test.each([
    ['a changed program', '/usr/local/bin/pra-exec', "echo '# x' >>/usr/local/bin/pra-exec"],
    ['a mode', '/etc/mcp-pra/policy.json', 'chmod 666 /etc/mcp-pra/policy.json'],
    ['an owner', '/usr/local/lib/mcp-pra/DIGESTS', 'chown admin /usr/local/lib/mcp-pra/DIGESTS'],
    [
      'a verb more',
      '/usr/local/lib/mcp-pra/verbs/more',
      'cp /usr/local/lib/mcp-pra/verbs/uptime /usr/local/lib/mcp-pra/verbs/more',
    ],
    [
      'a key more',
      '/etc/mcp-pra/authorized_keys/mcp-reader',
      'echo ssh-ed25519 AAAA >>/etc/mcp-pra/authorized_keys/mcp-reader',
    ],
    [
      'a sudo line more',
      '/etc/sudoers.d/mcp-pra',
      "echo 'pra-runner ALL=(root) NOPASSWD: /bin/true' >>/etc/sudoers.d/mcp-pra",
    ],
  ])('finds %s, and changes nothing', async (_, path, change) => {
    await sh(packaged, change);
    const before = await tree(packaged, OURS);
    const { code, stderr } = await run(packaged, `${SHARE}/verify`);
    expect(code).toBe(1);
    expect(stderr).toContain(path);
    expect(differences(before, await tree(packaged, OURS))).toEqual([]);
    const again = await run(packaged, `${SHARE}/install`);
    expect(again.code, again.stdout + again.stderr).toBe(0);
    if (again.stdout.includes('NOT CONFIRMED')) await run(packaged, SETUP, 'confirm');
    expect(await run(packaged, `${SHARE}/verify`)).toMatchObject({ code: 0 });
  });
});

describe('leaving', () => {
  test('dpkg -r refuses while the host is a target', async () => {
    const { code, stderr } = await run(packaged, 'dpkg', '-r', 'mcp-pra-target');
    expect(code).not.toBe(0);
    expect(stderr).toContain(`${SHARE}/uninstall`);
    expect(await asReader()).toMatchObject({ code: 0 });
  });

  test('uninstall leaves only evidence, and the admin as before', async () => {
    const { code, stdout, stderr } = await run(packaged, `${SHARE}/uninstall`);
    expect(code, stdout + stderr).toBe(0);
    const left = differences(bare, await tree(packaged)).map((line) => line.split(' ').at(-1) ?? '');
    expect([...new Set(left)].filter((path) => !path.startsWith('/etc/mcp-pra'))).toEqual([]);
    expect(await sh(packaged, 'getent passwd mcp-reader pra-runner || true')).toBe('');
    expect((await asReader()).code).toBe(255);
    expect(await asAdmin()).toMatchObject({ code: 0, stdout: '0\n' });
  });

  test('then dpkg -r takes its own files away', async () => {
    expect(await run(packaged, 'dpkg', '-r', 'mcp-pra-target')).toMatchObject({ code: 0 });
    expect(await sh(packaged, `[ ! -e ${SHARE} ] && echo gone`)).toBe('gone');
  });

  test('with --evidence nothing is left at all', async () => {
    await sh(packaged, `tar xzf ${await bring(packaged, tarGz)} -C /root`);
    const { code, stdout, stderr } = await run(
      packaged,
      '/root/mcp-pra-target-0.1.0/uninstall',
      '--evidence',
    );
    expect(code, stdout + stderr).toBe(0);
    expect(differences(bare, await tree(packaged))).toEqual([]);
  });
});
