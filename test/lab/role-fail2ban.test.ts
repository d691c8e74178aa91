import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeKey } from '../support/ssh-keys.ts';
import { sshAs, type Said } from '../support/thief.ts';
import { labUp, type Lab, type LabHost } from './lab.ts';
import type { LabKeys } from './provisioned.ts';
import { removeStage, sendPack, setUp, siteFor } from './setup-target.ts';

// Who may knock: a target, this machine as its control plane, and a second host of the lab as everybody else.

const JAIL = '/etc/fail2ban/jail.d/zz-mcp-pra.local';
const FLOOR = '/etc/fail2ban/jail.d/00-mcp-pra.conf';
const RULES = '/etc/mcp-pra/nftables.conf';
const UNIT = '/etc/systemd/system/mcp-pra-nftables.service';
/** The accounts' own. */
const PORT = 2222;

let lab: Lab;
let host: LabHost;
let other: LabHost;
let keys: LabKeys;
let dir: string;

const site = (sections: Record<string, unknown> = {}): Record<string, unknown> =>
  siteFor(host, keys, { sshd: { port: PORT }, fail2ban: { ignore: [lab.gateway] }, ...sections });

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'mcp-pra-fail2ban-'));
  const key = (name: string): string => makeKey(dir, name).path;
  keys = {
    reader: key('reader'),
    runner: key('runner'),
    auto: key('auto'),
    approver: key('approver'),
    stranger: key('stranger'),
  };
  lab = await labUp({ hosts: 2 });
  [host, other] = lab.hosts as [LabHost, LabHost];
  await sendPack(host);
  const stages = ['preflight', 'account', 'scripts', 'tables', 'sudo', 'sshd'];
  const installed = await setUp(host, site(), ...stages);
  if (installed.code !== 0) throw new Error(installed.refusal);
  await sh('/root/mcp-pra-pack/target-scripts/setup-target confirm');
  for (const name of ['reader', 'stranger'] as const)
    await other.writeFile(`/root/${name}`, readFileSync(keys[name], 'utf8'), 0o600);
});

afterAll(async () => {
  await lab?.down();
  if (dir !== undefined) rmSync(dir, { recursive: true, force: true });
});

const sh = (line: string, on: LabHost = host): Promise<string> => on.sh(line);

/** A login from this machine, the control plane. */
const fromHere = (account: string, key: string, word: string, port: number): Promise<Said> =>
  sshAs({ host: host.name, address: host.address, port, knownHosts: lab.knownHosts, key }, account, [word]);

/** The same from the other host, which is nobody's control plane. Gives ssh's last words. */
const fromThere = async (account: string, key: string, word: string, port: number): Promise<string> => {
  const options =
    '-F /dev/null -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o ConnectTimeout=5';
  const { stdout, stderr } = await other.run([
    '/bin/sh',
    '-c',
    `timeout 8 ssh ${options} -p ${port} -i /root/${key} ${account}@${host.address} ${word}`,
  ]);
  return stdout + stderr;
};

const banned = async (): Promise<string> => await sh('fail2ban-client get sshd banip');

/** The host waits until fail2ban has counted so many failures. */
const untilFound = async (count: number): Promise<void> => {
  await sh(
    `timeout 30 /bin/sh -c 'until [ "$(fail2ban-client status sshd | sed -n "s/.*Total failed:[^0-9]*//p")" -ge ${count} ]; do sleep 0.1; done'`,
  );
};

const failures = async (): Promise<number> =>
  Number(await sh('fail2ban-client status sshd | sed -n "s/.*Total failed:[^0-9]*//p"'));

describe('without what it takes, nothing is written and the reason is said', () => {
  test('when fail2ban is installed but not enabled', async () => {
    const run = await setUp(host, site(), 'fail2ban');
    expect(run).toMatchObject({ code: 0, changed: [] });
    expect(run.same.join()).toContain('installed here, but not enabled');
    await sh('systemctl enable --now --quiet fail2ban');
  });

  test('when no address of the control plane is known', async () => {
    const run = await setUp(host, site({ fail2ban: {} }), 'fail2ban');
    expect(run).toMatchObject({ code: 0, changed: [] });
    expect(run.same.join()).toContain('no address of the control plane is known');
  });

  test('when it is switched off, or not there', async () => {
    expect((await setUp(host, site({ fail2ban: { enabled: false } }), 'fail2ban')).same.join()).toContain(
      'it is switched off',
    );
    await sh('mv /usr/bin/fail2ban-client /root/');
    try {
      expect((await setUp(host, site(), 'fail2ban')).same.join()).toContain('this host has none');
    } finally {
      await sh('mv /root/fail2ban-client /usr/bin/');
    }
  });
});

describe('the jail of sshd', () => {
  test('reads the journal, exempts the control plane besides whom the host exempts, and covers both ports', async () => {
    await host.writeFile('/etc/fail2ban/jail.local', '[DEFAULT]\nignoreip = 127.0.0.1/8 203.0.113.7\n');
    const dry = await setUp(host, site(), '--check', 'fail2ban');
    expect(dry.changed).toEqual([`0644 ${FLOOR}`, `0644 ${JAIL}`]);
    expect(await sh(`ls ${JAIL} ${FLOOR} 2>&1 || true`)).toMatch(/No such file[^]*No such file/u);
    expect((await setUp(host, site(), 'fail2ban')).changed).toEqual(dry.changed);
    expect(await setUp(host, site(), 'fail2ban')).toMatchObject({ code: 0, changed: [] });
    const ignored = await sh('fail2ban-client get sshd ignoreip');
    for (const address of ['127.0.0.0/8', '203.0.113.7', lab.gateway]) expect(ignored).toContain(address);
    expect(await sh('fail2ban-client status sshd')).toContain(
      'Journal matches:	_UID=0 SYSLOG_IDENTIFIER=sshd + _UID=0 SYSLOG_IDENTIFIER=sshd-session',
    );
    expect(await sh('fail2ban-client get sshd action nftables port')).toBe(`22,${PORT}`);
  });

  test('takes the addresses of from= as control plane, but not the whole world', async () => {
    const { keys: logins } = site() as { keys: { reader: object[]; runner: object[] } };
    const from = {
      ...logins,
      reader: logins.reader.map((login) => ({ ...login, from: ['192.0.2.8/29', '*'] })),
    };
    const world = { ...from, runner: logins.runner.map((login) => ({ ...login, from: ['0.0.0.0/0'] })) };
    const run = await setUp(host, site({ keys: world, fail2ban: {} }), '--diff', '--check', 'fail2ban');
    expect(run.code, run.refusal).toBe(0);
    expect((await setUp(host, site({ keys: world, fail2ban: {} }), 'fail2ban')).code).toBe(0);
    const ignored = await sh('fail2ban-client get sshd ignoreip');
    expect(ignored).toContain('192.0.2.8/29');
    expect(ignored).not.toContain('0.0.0.0');
    expect(ignored).not.toContain(lab.gateway);
    expect((await setUp(host, site(), 'fail2ban')).code).toBe(0);
  });

  test('does not count what the wrappers refuse, nor what any account writes into the log', async () => {
    const before = await failures();
    for (let count = 0; count < 8; count += 1)
      expect(await fromThere('mcp-reader', 'reader', 'no/such', PORT)).toContain('refused wrapper LINE_FORM');
    const words = (address: string): string => `"Invalid user admin from ${address} port 4022"`;
    await sh(`runuser -u admin -- /bin/sh -c 'cp /usr/bin/logger /tmp/sshd
      for i in 1 2 3 4 5 6 7; do
        logger -p auth.info -t sshd ${words('192.0.2.77')}
        /tmp/sshd -p auth.info -t sshd ${words('192.0.2.78')}
        /usr/bin/python3 -c "from systemd import journal; journal.send(\\"Invalid user x from 192.0.2.79 port 4022\\", SYSLOG_IDENTIFIER=\\"sshd\\", _UID=\\"0\\", _COMM=\\"sshd\\")"
      done; rm /tmp/sshd'`);
    // A real refusal after them, so that fail2ban has read that far.
    await fromHere('nobody-here', keys.stranger, 'uptime', 22);
    await fromThere('nobody-here', 'stranger', 'uptime', 22);
    await untilFound(before + 1);
    expect(await failures()).toBe(before + 1);
    expect(await banned()).toBe('');
  });

  test('bans who is refused too often, and never the control plane', async () => {
    for (let count = 0; count < 7; count += 1) {
      expect((await fromHere('nobody-here', keys.stranger, 'uptime', 22)).stderr).toContain(
        'Permission denied',
      );
      await fromThere('nobody-here', 'stranger', 'uptime', 22);
    }
    await sh(
      `timeout 30 /bin/sh -c 'until fail2ban-client get sshd banip | grep -qF ${other.address}; do sleep 0.1; done'`,
    );
    expect(await banned()).toBe(other.address);
    for (const port of [22, PORT])
      expect(await fromThere('mcp-reader', 'reader', 'uptime', port)).toContain('Connection refused');
    expect((await fromHere('mcp-reader', keys.reader, 'uptime', PORT)).code).toBe(0);
    expect((await fromHere('admin', lab.adminKey, 'true', 22)).code).toBe(0);
  });

  test('lets in at once who was banned and belongs to the control plane from now on', async () => {
    expect(await banned()).toBe(other.address);
    const both = site({ fail2ban: { ignore: [lab.gateway, `${other.address.replace(/\d+$/u, '0')}/24`] } });
    expect((await setUp(host, both, 'fail2ban')).changed).toEqual([`0644 ${JAIL}`]);
    expect(await banned()).toBe('');
    expect(await fromThere('mcp-reader', 'reader', 'uptime', PORT)).toMatch(/^mcp-pra 1 /u);
    expect((await setUp(host, site(), 'fail2ban')).code).toBe(0);
  });

  test('a file of the host that takes the exemption away is refused, and nothing is touched', async () => {
    const late = '/etc/fail2ban/jail.d/zzz-site.local';
    await host.writeFile(late, '[sshd]\nignoreip = 127.0.0.1\n');
    try {
      const refused = await setUp(host, site(), 'fail2ban');
      expect(refused).toMatchObject({ code: 1, changed: [] });
      expect(refused.refusal).toContain(`${lab.gateway} would not be exempt`);
      await host.writeFile(late, '[sshd\n');
      const broken = await setUp(host, site({ fail2ban: { ignore: ['192.0.2.1'] } }), 'fail2ban');
      expect(broken).toMatchObject({ code: 1, changed: [] });
      expect(broken.refusal).toContain('fail2ban would not start with its configuration');
      expect(await host.readFile(JAIL)).not.toContain('192.0.2.1');
    } finally {
      await sh(`rm ${late}`);
    }
  });
});

describe("the packet filter of the accounts' own port", () => {
  const filtered = (): Record<string, unknown> => site({ nftables: { ssh_from: [lab.gateway, 'fd00::/8'] } });

  beforeAll(async () => {
    await host.writeFile(
      '/etc/nftables.conf',
      '#!/usr/sbin/nft -f\nflush ruleset\ntable inet site { chain in { type filter hook input priority 0; tcp dport 9999 drop; }\n}\n',
    );
    await sh('systemctl enable --now --quiet nftables');
  });

  const expectFilter = async (): Promise<void> => {
    expect(await fromThere('mcp-reader', 'reader', 'uptime', PORT)).toMatch(/timed out/iu);
    // sshd itself still answers there, and everywhere to the control plane.
    expect(await fromThere('nobody-here', 'stranger', 'true', 22)).toContain('Permission denied');
    expect((await fromHere('mcp-reader', keys.reader, 'uptime', PORT)).code).toBe(0);
    expect((await fromHere('admin', lab.adminKey, 'true', 22)).code).toBe(0);
  };

  test('lets the bastion in, nobody else, and leaves the port of everybody and the tables of others alone', async () => {
    expect(await fromThere('mcp-reader', 'reader', 'uptime', PORT)).toMatch(/^mcp-pra 1 /u);
    const dry = await setUp(host, filtered(), '--check', 'fail2ban');
    expect(dry.changed).toEqual([`0644 ${RULES}`, `0644 ${UNIT}`]);
    expect((await setUp(host, filtered(), 'fail2ban')).changed).toEqual(dry.changed);
    expect(await setUp(host, filtered(), 'fail2ban')).toMatchObject({ code: 0, changed: [] });
    await expectFilter();
    expect(await sh('nft list table inet site')).toContain('9999');
  });

  test('comes back with the ruleset of the host that flushes everything, and with a reboot', async () => {
    for (const verb of ['reload', 'restart']) {
      await sh(`systemctl ${verb} nftables`);
      // Ours follows as a job of its own.
      await sh(
        "timeout 30 /bin/sh -c 'until nft list table inet mcp_pra; do sleep 0.1; done' >/dev/null 2>&1",
      );
      expect(await sh('nft list table inet site'), verb).toContain('9999');
    }
    await host.reboot();
    await expectFilter();
    expect(await sh('nft list table inet site')).toContain('9999');
    expect(
      await sh(
        'systemctl show -p Result mcp-pra-nftables; systemctl list-units --failed --no-legend; systemctl list-dependencies --after ssh.service | grep -c mcp-pra-nftables || true',
      ),
    ).toMatch(/^Result=success\n/u);
  });

  test('that somebody flushed by hand is loaded again by the next run', async () => {
    await sh('nft flush ruleset');
    expect((await setUp(host, filtered(), '--check', 'fail2ban')).changed).toEqual(['table inet mcp_pra']);
    expect((await setUp(host, filtered(), 'fail2ban')).changed).toEqual(['table inet mcp_pra']);
    await expectFilter();
  });

  test('on a host without nft it is skipped with a sentence', async () => {
    await sh('mv /usr/sbin/nft /root/');
    try {
      const run = await setUp(host, filtered(), 'fail2ban');
      expect(run.code, run.refusal).toBe(0);
      expect(run.same.join()).toContain('nftables: this host has none');
      expect(run.same.join()).toContain('it can ban nobody: this host has neither iptables nor nft');
    } finally {
      await sh('mv /root/nft /usr/sbin/');
    }
    expect((await setUp(host, filtered(), 'fail2ban')).code).toBe(0);
  });

  test('goes when it is no longer wanted, and all of the stage goes when it is removed', async () => {
    expect((await setUp(host, site(), 'fail2ban')).changed).toEqual([`gone ${UNIT}`, `gone ${RULES}`]);
    expect(await fromThere('mcp-reader', 'reader', 'uptime', PORT)).toMatch(/^mcp-pra 1 /u);
    expect((await setUp(host, filtered(), 'fail2ban')).code).toBe(0);
    await removeStage(host, 'fail2ban');
    expect(await sh(`ls ${JAIL} ${FLOOR} ${RULES} ${UNIT} 2>/dev/null || true`)).toBe('');
    expect(await sh('nft list tables; fail2ban-client get sshd ignoreip')).not.toMatch(
      new RegExp(`mcp_pra|${lab.gateway}`, 'u'),
    );
    expect(await sh('systemctl list-units --all --no-legend "mcp-pra-nft*"')).toBe('');
    expect(await removeStage(host, 'fail2ban')).toEqual([]);
  });
});
