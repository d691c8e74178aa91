import { spawn } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { prepare, signWith, submit, ticketFrom, type Loot } from '../support/thief.ts';
import { runPlaybook, type Lab, type LabHost } from './lab.ts';
import { PASSPHRASE, provisionedLab, SLOW_UNIT, type LabKeys } from './provisioned.ts';
import { removeStage, sendPack, setUp, siteFor } from './setup-target.ts';
import { strictOptions } from './ssh.ts';

// What the two accounts may take of a host. That the limits bind is shown in a host with a kernel of its own (lab kind `vm`): here
// it is what systemd and the kernel were told.

let lab: Lab;
let host: LabHost;
let keys: LabKeys;
let site: Record<string, unknown>;
let provisioned: Record<string, unknown>;

beforeAll(async () => {
  ({ lab, keys, vars: provisioned } = await provisionedLab(1));
  host = lab.hosts[0] as LabHost;
  site = siteFor(host, keys);
  await sendPack(host);
  const first = await setUp(host, site, 'limits');
  if (first.code !== 0) throw new Error(first.refusal);
});

afterAll(async () => {
  await lab?.down();
});

const sh = (line: string): Promise<string> => host.sh(line);

const uidOf = async (account: string): Promise<string> => await sh(`id -u ${account}`);
const dropIn = (uid: string): string => `/etc/systemd/system/user-${uid}.slice.d/50-mcp-pra.conf`;
const applied = async (uid: string): Promise<string[]> =>
  (await sh(`systemctl show -p TasksMax,MemoryMax,CPUQuotaPerSecUSec user-${uid}.slice`))
    .split('\n')
    .toSorted();

/** Runs `look` while the reader is logged in. */
const whileLoggedIn = async (look: () => Promise<void>): Promise<void> => {
  const login = ['-N', '-i', keys.reader, `mcp-reader@${host.address}`];
  const child = spawn('ssh', [...strictOptions(lab.knownHosts), ...login], { stdio: 'inherit' });
  const ended = new Promise((resolve) => child.on('close', resolve));
  try {
    // sshd becomes the account once its PAM session is open.
    await sh("timeout 20 /bin/sh -c 'until pgrep -u mcp-reader -x sshd; do sleep 0.05; done'");
    await look();
  } finally {
    child.kill();
    await ended;
  }
};

test('systemd applies the limits of each account, and the second run changes nothing', async () => {
  expect(await applied(await uidOf('mcp-reader'))).toEqual([
    'CPUQuotaPerSecUSec=1s',
    'MemoryMax=536870912',
    'TasksMax=256',
  ]);
  expect(await applied(await uidOf('pra-runner'))).toEqual([
    'CPUQuotaPerSecUSec=2s',
    'MemoryMax=1073741824',
    'TasksMax=256',
  ]);
  const again = await setUp(host, site, 'limits');
  expect(again).toMatchObject({ code: 0, changed: [] });
  expect(again.same.join()).not.toContain('skipped');
});

test('other limits are said in --check, written, and applied at once', async () => {
  const other = { ...site, limits: { reader: { tasks: 99, memory: '64M', cpu: '150%' } } };
  const uid = await uidOf('mcp-reader');
  const dry = await setUp(host, other, '--check', 'limits');
  expect(dry.changed).toEqual([`0644 ${dropIn(uid)}`, '0644 /etc/security/limits.d/mcp-pra.conf']);
  expect(await applied(uid)).toContain('TasksMax=256');
  expect((await setUp(host, other, 'limits')).changed).toEqual(dry.changed);
  expect(await applied(uid)).toEqual(['CPUQuotaPerSecUSec=1.500000s', 'MemoryMax=67108864', 'TasksMax=99']);
  expect((await setUp(host, site, 'limits')).code).toBe(0);
});

test('a login of the reader is in its slice, with the limit of processes that counts without one', async () => {
  const uid = await uidOf('mcp-reader');
  await whileLoggedIn(async () => {
    const rows = await sh('for p in $(pgrep -u mcp-reader -x sshd); do grep ^0: /proc/$p/cgroup; done');
    for (const row of rows.split('\n')) expect(row).toContain(`/user.slice/user-${uid}.slice/session-`);
    const limits = await sh("grep '^Max processes' /proc/$(pgrep -u mcp-reader -x sshd | head -n1)/limits");
    expect(limits.split(/ +/u).slice(2, 4)).toEqual(['1024', '1024']);
  });
});

test('an action that runs is a unit of root outside the slice, so no limit of the account can end it', async () => {
  const runner: Loot = {
    host: host.name,
    address: host.address,
    port: 22,
    knownHosts: lab.knownHosts,
    key: keys.runner,
  };
  const made = await prepare(runner, { action: 'restart_service', args: [['unit', SLOW_UNIT]] });
  const ticketText = ticketFrom(made);
  const signatures = [signWith(keys.approver, 'mcp-pra-low', ticketText, PASSPHRASE)];
  // The host itself waits for the unit: starting the service takes five seconds.
  const slice = sh(
    `timeout 20 /bin/sh -c 'until systemctl show -p Slice,ActiveState mcp-pra-${made.offer.id}.service | grep -qx ActiveState=active; do sleep 0.05; done'
     systemctl show -p Slice mcp-pra-${made.offer.id}.service; systemctl show -p TasksMax mcp-pra-${made.offer.id}.service`,
  );
  const said = await submit(runner, 'restart_service', { ticketText, signatures, offer: made.signed });
  expect(said.stdout).toContain('state SUCCEEDED');
  expect((await slice).split('\n')[0]).toBe('Slice=system.slice');
  expect(await slice).not.toContain('TasksMax=256');
});

test('a limit that another drop-in of the host overrides is refused, and says which', async () => {
  const uid = await uidOf('mcp-reader');
  const site60 = `/etc/systemd/system/user-${uid}.slice.d/60-site.conf`;
  await sh(`printf '[Slice]\\nTasksMax=infinity\\n' >${site60}; systemctl daemon-reload`);
  try {
    const refused = await setUp(host, site, 'limits');
    expect(refused.code).toBe(1);
    expect(refused.refusal).toContain(
      `systemd applies TasksMax=infinity to user-${uid}.slice instead of 256`,
    );
    expect(refused.refusal).toContain(site60);
  } finally {
    await sh(`rm ${site60}; systemctl daemon-reload`);
  }
  expect(await setUp(host, site, 'limits')).toMatchObject({ code: 0, changed: [] });
});

test('limits of a uid that the accounts no longer have are taken away, and only ours', async () => {
  const folders = '/etc/systemd/system/user-4242.slice.d /etc/systemd/system/user-4243.slice.d';
  await sh(`for f in ${folders}; do mkdir $f; cp ${dropIn(await uidOf('mcp-reader'))} $f/; done
    echo '[Slice]' >/etc/systemd/system/user-4243.slice.d/10-site.conf; systemctl daemon-reload`);
  const run = await setUp(host, site, 'limits');
  expect(run.changed).toEqual([
    'gone /etc/systemd/system/user-4242.slice.d',
    'gone /etc/systemd/system/user-4243.slice.d/50-mcp-pra.conf',
  ]);
  expect(await sh('systemctl show -p TasksMax user-4242.slice')).not.toBe('TasksMax=256');
  expect(await sh('ls -A /etc/systemd/system/user-4243.slice.d')).toBe('10-site.conf');
  await sh('rm -r /etc/systemd/system/user-4243.slice.d');
});

test('where sshd does without pam_systemd, it is said that the slices bind nothing', async () => {
  await sh("cp -a /etc/pam.d/common-session /root/; sed -i '/pam_systemd/d' /etc/pam.d/common-session");
  try {
    const run = await setUp(host, site, 'limits');
    expect(run).toMatchObject({ code: 0, changed: [] });
    expect(run.same.at(-1)).toContain('pam_systemd is not among');
  } finally {
    await sh('mv /root/common-session /etc/pam.d/');
  }
});

test('without the accounts the stage is refused, and --check goes on', async () => {
  await sh('cp -a /etc/passwd /root/passwd; sed -i /^mcp-reader:/d /etc/passwd');
  try {
    const refused = await setUp(host, site, 'limits');
    expect(refused).toMatchObject({ code: 1, changed: [] });
    expect(refused.refusal).toContain('there is no account mcp-reader; run the stage account first');
    const dry = await setUp(host, site, '--check', 'limits');
    expect(dry.code).toBe(0);
    expect(dry.changed.join()).toContain('uid of mcp-reader');
  } finally {
    await sh('cp -a /root/passwd /etc/passwd');
  }
});

describe("the role's variables", () => {
  const variables = (): Record<string, unknown> => ({
    ...provisioned,
    mcp_pra_limits: { runner: { cpu: '50%' } },
    mcp_pra_logs: { append_only: false },
    mcp_pra_fail2ban: { ignore: [lab.gateway] },
  });

  test('reach the stages limits, logs and fail2ban', async () => {
    await sh('systemctl enable --now --quiet fail2ban');
    const run = await runPlaybook(lab, 'provision.yml', variables());
    expect(run.code, run.output).toBe(0);
    expect(await applied(await uidOf('pra-runner'))).toContain('CPUQuotaPerSecUSec=500ms');
    expect(await sh('lsattr /var/log/pra-run.log | cut -c1-6')).toBe('------');
    expect(await sh('fail2ban-client get sshd ignoreip')).toContain(lab.gateway);
  });

  test('change nothing the second time', async () => {
    const again = await runPlaybook(lab, 'provision.yml', variables());
    expect(again.code, again.output).toBe(0);
    expect(again.changed[host.name], again.output).toBe(0);
  });

  test('are refused before anything is touched where they cannot do what they say', async () => {
    const refused = await runPlaybook(lab, 'provision.yml', {
      ...variables(),
      mcp_pra_nftables: { ssh_from: [lab.gateway] },
    });
    expect(refused.failed[host.name], refused.output).toBe(1);
    expect(refused.output).toContain('nftables.ssh_from (mcp_pra_nftables) needs a port of their own');
    expect(refused.changed[host.name]).toBe(0);
  });
});

test('removing takes everything back', async () => {
  const uid = await uidOf('mcp-reader');
  await removeStage(host, 'limits');
  expect(
    await sh('ls -d /etc/systemd/system/user-* /etc/security/limits.d/mcp-pra* 2>/dev/null || true'),
  ).toBe('');
  expect((await applied(uid)).join()).not.toContain('TasksMax=256');
  expect(await removeStage(host, 'limits')).toEqual([]);
});
