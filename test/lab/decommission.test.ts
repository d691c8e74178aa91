import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeKey } from '../support/ssh-keys.ts';
import { prepare, signWith, sshAs, submit, ticketFrom, type Loot } from '../support/thief.ts';
import { labUp, runPlaybook, type Lab, type LabHost } from './lab.ts';
import { provisionVars, type LabKeys } from './provisioned.ts';

// A host that was bare, became a target, worked as one and was decommissioned: every file of it is as before, but for those named here.

const UNIT = 'lab-work.service';
/** The accounts' own port. */
const PORT = 4022;

let lab: Lab;
let host: LabHost;
let keys: LabKeys;
let vars: Record<string, unknown>;
let bare: ReadonlyMap<string, string>;
/** What the host did when it was bare. */
let quiet: string;
let named: string;
let knownHosts: string;

const sh = (line: string): Promise<string> => host.sh(line);

const loot = (key: string, port = PORT): Loot => ({
  host: host.name,
  address: host.address,
  port,
  knownHosts,
  key,
});

/** Path → kind, owner, mode and contents of everything on the host's disk. */
const manifest = async (): Promise<ReadonlyMap<string, string>> => {
  const listing = await sh(
    `cd /; find / -xdev \\( -path /proc -o -path /sys -o -path /dev -o -path /run -o -path /tmp \\) -prune -o -printf '%p\\t%y %U:%G %m %l\\n';
     find / -xdev \\( -path /proc -o -path /sys -o -path /dev -o -path /run -o -path /tmp \\) -prune -o -type f -exec sha256sum {} + | sed 's/^\\([0-9a-f]*\\)  \\(.*\\)$/\\2\\tsha256 \\1/'`,
  );
  const rows = new Map<string, string>();
  for (const line of listing.split('\n')) {
    const [path = '', what = ''] = line.split('\t');
    rows.set(path, `${rows.get(path) ?? ''}${what} `);
  }
  return rows;
};

/** What a host writes by itself while it lives, whoever logs in to it: nothing of ours is there. */
const ALIVE = [
  /^\/var\/log\/(?:journal|wtmp|btmp|lastlog|auth\.log|syslog|user\.log|kern\.log|cron\.log|daemon\.log|messages|nginx|private|fail2ban\.log|faillog|sudo-io)(?:\/|$)/u,
  /^\/var\/lib\/(?:systemd|logrotate|sudo|private|dbus|fail2ban|nginx)(?:\/|$)/u,
  /^\/var\/(?:cache|spool\/rsyslog|tmp|backups)(?:\/|$)/u,
  /^\/var\/spool\/rsyslog$/u,
  /^\/(?:home\/admin|root)\/\.(?:ansible|sudo_as_admin_successful|cache|ssh)(?:\/|$)/u,
  // shadow(5) tools keep the state before the last change beside the file; the entries are gone from both the file itself.
  /^\/etc\/(?:passwd|group|shadow|gshadow|subuid|subgid)-$/u,
  /^\/etc\/(?:\.pwd\.lock|\.updated|resolv\.conf|mtab|machine-id)$/u,
];

const differences = async (): Promise<readonly string[]> => {
  const after = await manifest();
  const paths = new Set([...bare.keys(), ...after.keys()]);
  return [...paths]
    .filter((path) => bare.get(path) !== after.get(path))
    .filter((path) => !ALIVE.some((pattern) => pattern.test(path)))
    .map((path) => `${path}: ${bare.get(path) ?? '(absent)'} -> ${after.get(path) ?? '(absent)'}`)
    .toSorted();
};

/** Services, listening sockets, sshd's rules for anybody, packet filters, accounts: what a file does not show. */
const doings = (): Promise<string> =>
  sh(`
    systemctl list-units --all --plain --no-legend --type=service,socket,timer,path,mount |
      awk '$1 !~ /^(user|run-|systemd-|apt-|logrotate|dpkg|e2scrub|fstrim|lab-container)/ {print $1, $2, $4 == "exited" ? "dead" : $4}' | sort -u
    systemctl list-unit-files --plain --no-legend | sort
    systemctl list-units --failed --plain --no-legend
    ss -Hltun | awk '{print $1, $5}' | sort
    for user in root admin nobody mcp-reader pra-runner; do sshd -T -C user=$user,host=x.invalid,addr=192.0.2.1,laddr=192.0.2.2,lport=22; done
    nft list ruleset
    getent passwd; getent group; ls /run /sys/fs/cgroup/system.slice | grep -i -e mcp -e pra || :`);

/**
 * Anything named after us, also where the host itself keeps writing, and every word of us in its configuration. Not logind's memory of
 * who is logged in: it forgets a number some seconds after its logout.
 */
const traces = (): Promise<string> =>
  sh(`
    find / /run /tmp -xdev \\( -path /proc -o -path /sys -o -path /dev \\) -prune -o \\( -iname '*mcp*' -o -name '*pra-runner*' -o -name '*pra-exec*' -o -name '*pra-run*' \\) -print
    grep -rIl -i -e mcp-pra -e mcp-reader -e mcp-wrapper -e pra-runner /etc /usr/local /run /var/spool /var/lib --exclude='*-' 2>/dev/null | grep -v '^/run/systemd/users/' || :`);

beforeAll(async () => {
  lab = await labUp({ hosts: 1 });
  host = lab.hosts[0] as LabHost;
  const dir = join(lab.dir, 'keys-of-tests');
  mkdirSync(dir, { mode: 0o700 });
  const key = (name: string): string => makeKey(dir, name).path;
  keys = {
    reader: key('reader'),
    runner: key('runner'),
    auto: key('auto'),
    approver: key('approver'),
    stranger: key('stranger'),
  };
  knownHosts = join(dir, 'known_hosts');
  const known = readFileSync(lab.knownHosts, 'utf8');
  writeFileSync(knownHosts, `${known}${known.replaceAll(host.address, `[${host.address}]:${String(PORT)}`)}`);
  // With everything that may be chosen: what was never made cannot show that it goes.
  vars = {
    ...provisionVars(keys),
    mcp_pra_break_glass_keys: [{ key: makeKey(dir, 'glass').line, from: [lab.gateway] }],
    mcp_pra_user_ca_keys: [makeKey(dir, 'ca').line],
    mcp_pra_sshd_port: PORT,
    mcp_pra_sshd_hardened_algorithms: true,
    mcp_pra_sudo_pin_digest: true,
    mcp_pra_fail2ban: { ignore: [lab.gateway] },
    mcp_pra_nftables: { ssh_from: [lab.gateway] },
  };
  vars['mcp_pra_policy'] = { values: { restart_service: { unit: [UNIT] } } };
  await host.writeFile(
    `/etc/systemd/system/${UNIT}`,
    `[Service]\nExecStartPre=/bin/sh -c 'until [ ! -e /run/hold ]; do sleep 0.1; done'\nExecStart=/usr/bin/sleep infinity\n`,
  );
  await sh(`systemctl daemon-reload; systemctl start ${UNIT}; touch /var/log/lab-was-here`);
  // One login before, so that what every login leaves is in both.
  await sshAs(loot(lab.adminKey, 22), 'admin', ['sudo', '-n', 'id', '-u']);
  bare = await manifest();
  quiet = await doings();
  named = await traces();
  const run = await runPlaybook(lab, 'provision.yml', vars);
  if (run.code !== 0) throw new Error(run.output);
});
afterAll(() => lab?.down());

describe('decommission.yml', () => {
  test('without --limit touches nothing', async () => {
    const run = await runPlaybook(lab, 'decommission.yml', {});
    expect(run.code).not.toBe(0);
    expect(run.output).toContain('Say which hosts with --limit');
    expect(run.changed[host.name]).toBe(0);
  });

  test('stops where an action is running, with everything as it was; and goes on when it has ended', async () => {
    const made = await prepare(loot(keys.runner), { action: 'restart_service', args: [['unit', UNIT]] });
    const ticketText = ticketFrom(made);
    const signatures = [signWith(keys.approver, 'mcp-pra-low', ticketText)];
    await sh('touch /run/hold');
    const running = submit(loot(keys.runner), 'restart_service', {
      ticketText,
      signatures,
      offer: made.signed,
    });
    await sh(
      `timeout 20 /bin/sh -c 'until systemctl list-units --plain --no-legend "mcp-pra-*.service" | grep -q running; do sleep 0.1; done'`,
    );
    const run = await runPlaybook(lab, 'decommission.yml', {}, { limit: host.name });
    expect(run.failed[host.name], run.output).toBe(1);
    expect(run.output).toContain('an action is running');
    expect((await sshAs(loot(keys.reader), 'mcp-reader', ['uptime'])).code).toBe(0);
    await sh('rm /run/hold');
    expect((await running).stdout).toContain('state SUCCEEDED');
  });

  test('in check mode says what would go, and everything stays', async () => {
    const run = await runPlaybook(lab, 'decommission.yml', {}, { limit: host.name, check: true });
    expect(run.code, run.output).toBe(0);
    expect(run.output).toContain('changed gone /usr/local/bin/pra-run');
    expect((await sshAs(loot(keys.runner), 'pra-runner', ['version'])).code).toBe(0);
  });

  test('leaves the evidence, by name, and nothing else; a container’s process with the number of an account goes on', async () => {
    await sh(`systemd-run -q --collect --unit=lab-container -p KillSignal=SIGKILL unshare --pid --mount --fork --kill-child /bin/sh -euc '
      mount -t tmpfs none /mnt; mkdir /mnt/usr; mount --bind /usr /mnt/usr; ln -s usr/lib usr/lib64 usr/bin /mnt
      exec chroot --userspec=$(id -u mcp-reader) /mnt /usr/bin/sleep infinity'
      timeout 20 /bin/sh -c 'until pgrep -u mcp-reader sleep; do sleep 0.1; done'`);
    const run = await runPlaybook(lab, 'decommission.yml', {}, { limit: host.name });
    expect(run.code, run.output).toBe(0);
    const left = await differences();
    const names = new Set(left.map((row) => row.split(':')[0]?.split('/').slice(0, 4).join('/')));
    for (const name of names)
      expect(name, left.join('\n')).toMatch(
        /^\/(?:etc\/mcp-pra(?:\/|$)|var\/lib\/mcp-pra$|var\/log\/(?:mcp-wrapper|pra-exec|pra-run)\.log)/u,
      );
    expect(names.has('/var/lib/mcp-pra')).toBe(true);
    for (const [account, key] of [
      ['mcp-reader', keys.reader],
      ['pra-runner', keys.runner],
    ] as const)
      expect((await sshAs(loot(key), account, ['version'])).code).toBe(255);
    expect((await sshAs(loot(lab.adminKey, 22), 'admin', ['sudo', '-n', 'id', '-u'])).stdout).toBe('0\n');
    await sh('systemctl is-active -q lab-container; systemctl stop lab-container');
  });

  test('and without the evidence the host is as it was before it ever was a target', async () => {
    const run = await runPlaybook(
      lab,
      'decommission.yml',
      { mcp_pra_keep_evidence: false },
      { limit: host.name },
    );
    expect(run.code, run.output).toBe(0);
    expect(await differences()).toEqual([]);
    expect(await doings()).toBe(quiet);
    expect(await traces()).toBe(named);
    const again = await runPlaybook(
      lab,
      'decommission.yml',
      { mcp_pra_keep_evidence: false },
      { limit: host.name },
    );
    expect(again.code, again.output).toBe(0);
    expect(again.changed[host.name], again.output).toBe(0);
  });
});
