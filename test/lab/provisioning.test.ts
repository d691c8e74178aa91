import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeKey } from '../support/ssh-keys.ts';
import { prepare, signWith, sshAs, submit, ticketFrom, type Loot, type Said } from '../support/thief.ts';
import { labUp, runPlaybook, type Lab, type LabHost } from './lab.ts';
import { DEMO_UNIT, provisionVars, type LabKeys } from './provisioned.ts';

// From a bare Debian host to a target, by the playbook alone: what it makes, what it refuses, what it leaves as it was.
// The tests build on each other, in this order, on one host.

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const DROP_IN = '/etc/ssh/sshd_config.d/00-mcp-pra.conf';
/** A whole key whose private half nobody has. */
const ONE_KEY = `ssh-ed25519 ${Buffer.concat([
  Buffer.from([0, 0, 0, 11]),
  Buffer.from('ssh-ed25519'),
  Buffer.from([0, 0, 0, 32]),
  Buffer.alloc(32, 7),
]).toString('base64')}`;
const DEMO = `[Service]
ExecStartPre=/bin/sh -c 'echo started >>/run/lab-demo.starts'
ExecStart=/usr/bin/sleep infinity
`;

let lab: Lab;
let host: LabHost;
let keys: LabKeys;
let dir: string;
let vars: Record<string, unknown>;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'mcp-pra-provisioning-'));
  lab = await labUp({ hosts: 1 });
  host = lab.hosts[0] as LabHost;
  const key = (name: string): string => makeKey(dir, name).path;
  keys = {
    reader: key('reader'),
    runner: key('runner'),
    auto: key('auto'),
    approver: key('approver'),
    stranger: key('stranger'),
  };
  vars = { ...provisionVars(keys), mcp_pra_names: { log: { syslog: '/var/log/syslog' } } };
  await host.writeFile(`/etc/systemd/system/${DEMO_UNIT}`, DEMO);
  await host.run(['systemctl', 'start', DEMO_UNIT]);
});

afterAll(async () => {
  await lab?.down();
  if (dir !== undefined) rmSync(dir, { recursive: true, force: true });
});

/** A shell line as root on the host; its output. Fails when the line does. */
const sh = (line: string): Promise<string> => host.sh(line);

const loot = (key: string): Loot => ({
  host: host.name,
  address: host.address,
  port: 22,
  knownHosts: lab.knownHosts,
  key,
});

const asAdmin = (...command: string[]): Promise<Said> => sshAs(loot(lab.adminKey), 'admin', command);

/** What a new login of the admin may do: everything. */
const expectAdminIsFine = async (): Promise<void> => {
  const said = await asAdmin('sudo', '-n', 'id', '-u');
  expect(said, said.stderr).toMatchObject({ code: 0, stdout: '0\n' });
};

/** Every setting that sshd would apply to an account. */
const sshdRules = async (user: string): Promise<readonly string[]> =>
  (await sh(`/usr/sbin/sshd -T -C user=${user},host=${host.name},addr=198.51.100.7`)).split('\n');

/** A checkout of its own, to be spoilt: the playbook packs what lies beside it. */
const checkout = (name: string, spoil: (tables: string) => void): string => {
  const copy = join(dir, name);
  mkdirSync(copy);
  for (const part of ['ansible', 'target-scripts', 'package.json'])
    cpSync(join(ROOT, part), join(copy, part), { recursive: true, verbatimSymlinks: true });
  spoil(join(copy, 'target-scripts/tables'));
  return join(copy, 'ansible/playbooks/provision.yml');
};

const edit = (path: string, change: (text: string) => string): void =>
  writeFileSync(path, change(readFileSync(path, 'utf8')));

const runs = async (): Promise<number> => Number(await sh('wc -l </run/lab-demo.starts'));

describe('a bare host', () => {
  test('check mode says what would change, does not fail, and changes nothing', async () => {
    await sh('touch /var/marker; sleep 0.1');
    const dry = await runPlaybook(lab, 'provision.yml', vars, { check: true });
    expect(dry.code, dry.output).toBe(0);
    expect(dry.changed[host.name]).toBeGreaterThan(4);
    for (const thing of [
      'account mcp-reader',
      '0755 /usr/local/bin/pra-run',
      '0644 /etc/mcp-pra/policy.json',
      '0440 /etc/sudoers.d/mcp-pra',
    ])
      expect(dry.output).toContain(`changed ${thing}`);
    // Of a login and its sudo themselves: logs, the accounting of sessions, Ansible's own folder.
    const own = [
      '/var/log/*',
      '/var/lib/systemd/*',
      '/home/admin/.ansible*',
      '/home/admin/.sudo_as_admin*',
      '/var/lib/sudo/*',
    ];
    const others = own.map((path) => `-not -path '${path}'`).join(' ');
    const newer = `find /etc /usr /var /home /root /opt /srv -xdev -newer /var/marker ${others}`;
    expect(await sh(`${newer} -not -type d`)).toBe('');
    expect(await sh('getent passwd mcp-reader pra-runner || true')).toBe('');
    await sh('rm /var/marker');
  });

  test.each<[what: string, change: Record<string, unknown>, says: string]>([
    ['a name that tickets cannot carry', { mcp_pra_host: 'web1\n' }, 'host (mcp_pra_host) must be'],
    ['a key with an option', { mcp_pra_reader_keys: ['permit-pty ssh-ed25519 AAAA'] }, 'without options'],
    [
      'a second line in a key',
      { mcp_pra_reader_keys: ['ssh-ed25519 AAAA\nssh-ed25519 BBBB'] },
      'without options',
    ],
    [
      'one key for both channels',
      { mcp_pra_reader_keys: [ONE_KEY], mcp_pra_runner_keys: [{ key: `${ONE_KEY} again` }] },
      'no key is in both',
    ],
    [
      'an address that goes on',
      { mcp_pra_from: ['192.0.2.1",permit-pty,from="*'] },
      'must be an address, a network or a host pattern',
    ],
    [
      'a name with a path in it',
      { mcp_pra_names: { log: { '../x': '/etc/x' } } },
      'names.log (mcp_pra_names) has a name that is none',
    ],
    [
      'a place that is an option',
      { mcp_pra_names: { log: { x: '--follow' } } },
      'names.log.x (mcp_pra_names) must be one line',
    ],
    ['a word that is no number', { mcp_pra_max_sessions: 'ten' }, 'Validating arguments'],
    [
      'a misspelt action in a list that forbids',
      { mcp_pra_policy: { deny: ['restart_servce'] } },
      'policy.deny (mcp_pra_policy) names restart_servce',
    ],
  ])('%s in the variables is refused before anything is touched', async (_, change, says) => {
    const run = await runPlaybook(lab, 'provision.yml', { ...vars, ...change });
    expect(run.failed[host.name], run.output).toBe(1);
    expect(run.output).toContain(says);
    expect(run.changed[host.name]).toBe(0);
  });

  test.each<[what: string, spoil: string, repair: string, says: string]>([
    [
      'where others can replace what root runs',
      'groupadd staff2; usermod -aG staff2 nobody; chgrp staff2 /usr/local/bin; chmod g+w /usr/local/bin',
      'chmod g-w /usr/local/bin; chgrp root /usr/local/bin; groupdel staff2',
      '/usr/local/bin can be written by others than root',
    ],
    [
      'whose public host key is not that of its private one',
      'cd /etc/ssh; cp ssh_host_ed25519_key.pub /root/pub; cp ssh_host_ecdsa_key.pub ssh_host_ed25519_key.pub',
      'mv /root/pub /etc/ssh/ssh_host_ed25519_key.pub',
      'does not belong to /etc/ssh/ssh_host_ed25519_key',
    ],
    [
      'that asks the network for the rules of sudo',
      "cp /etc/nsswitch.conf /root/nss; echo 'sudoers: files sss' >>/etc/nsswitch.conf",
      'mv /root/nss /etc/nsswitch.conf',
      'takes sudoers from the network',
    ],
    [
      'that lacks a program',
      'mv /usr/bin/setpriv /root/',
      'mv /root/setpriv /usr/bin/',
      'Missing: /usr/bin/setpriv',
    ],
  ])('a host %s is refused before anything is touched', async (_, spoil, repair, says) => {
    await sh(spoil);
    try {
      const run = await runPlaybook(lab, 'provision.yml', vars);
      expect(run.failed[host.name], run.output).toBe(1);
      expect(run.output).toContain(says);
      expect(run.changed[host.name]).toBe(0);
    } finally {
      await sh(repair);
    }
  });

  test('a sudoers file that does not parse is refused before anything is installed, and sudo goes on', async () => {
    const broken = checkout('broken-sudoers', (tables) =>
      edit(join(tables, 'sudoers'), (text) => `${text}pra-runner ALL=(root NOPASSWD\n`),
    );
    const run = await runPlaybook(lab, broken, vars);
    expect(run.failed[host.name], run.output).toBe(1);
    expect(run.output).toContain('visudo refuses the generated sudoers file');
    expect(await sh('ls /etc/sudoers.d /usr/local/bin')).not.toMatch(/pra-/u);
    await expectAdminIsFine();
  });

  test('policy and signers that pra-run would refuse are refused now', async () => {
    const policy = { ...(vars['mcp_pra_policy'] as object), values: { restart_service: ['cron.service'] } };
    const bad = await runPlaybook(lab, 'provision.yml', { ...vars, mcp_pra_policy: policy });
    expect(bad.failed[host.name], bad.output).toBe(1);
    expect(bad.output).toContain('POLICY_BAD');
    const signers = (vars['mcp_pra_allowed_signers'] as string[]).map((line) =>
      line.replace(/^alice /u, '* '),
    );
    const wild = await runPlaybook(lab, 'provision.yml', { ...vars, mcp_pra_allowed_signers: signers });
    expect(wild.failed[host.name], wild.output).toBe(1);
    expect(wild.output).toContain('SIGNERS_FILE');
    expect(await sh('ls /etc | grep mcp-pra || true')).toBe('');
  });

  test('an sshd that does not include the drop-in: the role fails, takes it back, and the admin still gets in', async () => {
    const main = await host.readFile('/etc/ssh/sshd_config');
    expect(main).toMatch(/^Include/mu);
    await host.writeFile('/etc/ssh/sshd_config', main.replace(/^Include.*$/mu, ''));
    try {
      const run = await runPlaybook(lab, 'provision.yml', vars);
      expect(run.failed[host.name], run.output).toBe(1);
      expect(run.output).toContain('sshd does not apply the drop-in to mcp-reader');
      expect(await sh(`ls ${DROP_IN} /etc/mcp-pra/authorized_keys 2>&1 || true`)).toMatch(
        /No such file.*\n.*No such file/u,
      );
      await sh('systemctl reset-failed ssh; systemctl restart ssh');
      await expectAdminIsFine();
      const thief = await sshAs(loot(keys.reader), 'mcp-reader', ['uptime']);
      expect(thief).toMatchObject({ code: 255, stdout: '' });
    } finally {
      await host.writeFile('/etc/ssh/sshd_config', main);
      await sh('systemctl reset-failed ssh; systemctl restart ssh');
    }
  });
});

describe('a provisioned host', () => {
  let rootRules: readonly string[];
  let adminRules: readonly string[];

  test('the playbook goes through', async () => {
    [rootRules, adminRules] = [await sshdRules('root'), await sshdRules('admin')];
    const run = await runPlaybook(lab, 'provision.yml', vars);
    expect(run.code, run.output).toBe(0);
    expect(await sh('ls -d /tmp/mcp-pra* /run/mcp-pra-* 2>/dev/null || true')).toBe(
      '/run/mcp-pra-setup.lock',
    );
  });

  test.each([
    ['mcp-reader', '/usr/local/bin/mcp-wrapper', 'mcp-reader systemd-journal'],
    ['pra-runner', '/usr/local/bin/pra-exec', 'pra-runner'],
  ])(
    '%s: no password, no ageing, its wrapper as shell, a home of root, and no more groups',
    async (name, shell, groups) => {
      const [, password, , min, max, , inactive, expire] = (await sh(`getent shadow ${name}`)).split(':');
      expect({ password, min, max, inactive, expire }).toEqual({
        password: '*',
        min: '',
        max: '',
        inactive: '',
        expire: '',
      });
      const entry = (await sh(`getent passwd ${name}`)).split(':');
      expect(entry.slice(5)).toEqual([`/var/empty/${name}`, shell]);
      expect(await sh(`id -nG ${name}`)).toBe(groups);
      expect(await sh(`stat -c '%U:%G %a' /var/empty/${name}; ls -A /var/empty/${name}`)).toBe(
        'root:root 755',
      );
      // at is not installed: a deny file would have opened it to everybody else.
      expect(await sh(`grep -cx ${name} /etc/cron.deny; ls /etc/at.deny 2>&1 || true`)).toMatch(
        /^1\n.*No such file/u,
      );
    },
  );

  test('sshd applies its rules to the two accounts', async () => {
    for (const [account, program] of [
      ['mcp-reader', 'mcp-wrapper'],
      ['pra-runner', 'pra-exec'],
    ] as const) {
      expect(await sshdRules(account)).toEqual(
        expect.arrayContaining([
          `forcecommand /usr/local/bin/${program}`,
          'authorizedkeysfile /etc/mcp-pra/authorized_keys/%u',
          'authenticationmethods publickey',
          'revokedkeys /etc/mcp-pra/revoked_keys',
          'permittty no',
          'permituserrc no',
          'allowtcpforwarding no',
          'allowstreamlocalforwarding no',
          'allowagentforwarding no',
          'x11forwarding no',
          'permittunnel no',
        ]),
      );
    }
  });

  test('and to nobody else anything new', async () => {
    expect(await sshdRules('root')).toEqual(rootRules);
    expect(await sshdRules('admin')).toEqual(adminRules);
    await expectAdminIsFine();
  });

  test('sudo allows the runner exactly the generated lines, and the reader nothing', async () => {
    const generated = readFileSync(join(ROOT, 'target-scripts/tables/sudoers'), 'utf8')
      .split('\n')
      .filter((line) => line.startsWith('pra-runner '))
      .map((line) => line.replace('pra-runner ALL=', ''));
    expect(generated.length).toBeGreaterThan(5);
    const allowed = (await sh('sudo -l -U pra-runner')).split('\n').filter((line) => /^ +\(/u.test(line));
    expect(allowed.map((line) => line.trim()).toSorted()).toEqual(generated.toSorted());
    expect(await sh('sudo -l -U mcp-reader')).toContain('is not allowed to run sudo');
  });

  test('everything installed belongs to root, in the modes of the protocol', async () => {
    const listing = await sh(
      `find /etc/mcp-pra /usr/local/lib/mcp-pra /var/lib/mcp-pra /run/mcp-pra /usr/local/bin/mcp-wrapper ` +
        `/usr/local/bin/pra-* ${DROP_IN} /etc/sudoers.d/mcp-pra /etc/tmpfiles.d/mcp-pra.conf /etc/rsyslog.d/10-mcp-pra.conf ` +
        `/etc/logrotate.d/mcp-pra /etc/systemd/system/mcp-pra-* -printf '%y %U:%G %m %p\\n'`,
    );
    const gid = await sh('getent group mcp-reader | cut -d: -f3');
    const uid = await sh('id -u mcp-reader');
    const expected = (path: string, kind: string): string => {
      if (path.startsWith('/run/mcp-pra/reader')) return `${uid}:${gid} ${kind === 'd' ? 700 : 600}`;
      if (path === '/run/mcp-pra/facts') return `0:${gid} 750`;
      if (path.startsWith('/run/mcp-pra/facts/')) return `0:${gid} 640`;
      if (
        path.startsWith('/run/mcp-pra/pra-run') ||
        path.startsWith('/var/lib/mcp-pra') ||
        path === '/run/mcp-pra/claims'
      )
        return `0:0 ${kind === 'd' ? 700 : 600}`;
      if (path === '/etc/mcp-pra/rollback') return '0:0 700';
      if (path === '/etc/sudoers.d/mcp-pra') return '0:0 440';
      if (path === DROP_IN) return '0:0 600';
      const isProgram =
        /^\/usr\/local\/(?:bin\/|lib\/mcp-pra\/(?:scripts\/|helpers\/|collectors\/|[a-z-]+$))/u.test(path);
      return kind === 'd' || isProgram ? '0:0 755' : '0:0 644';
    };
    const rows = listing.split('\n').map((line) => /^(\S) (\S+ \S+) (.*)$/u.exec(line) ?? []);
    for (const [line, kind = '', actual, path = ''] of rows) {
      expect(['d', 'f'], line).toContain(kind);
      expect(actual, line).toBe(expected(path, kind));
    }
    expect(rows.map(([, , , path]) => path)).toEqual(
      expect.arrayContaining([
        '/etc/mcp-pra/policy.json',
        '/etc/mcp-pra/allowed_signers',
        '/etc/mcp-pra/revoked_signers',
        '/etc/mcp-pra/revoked_keys',
        '/etc/mcp-pra/names/log/syslog',
        '/usr/local/lib/mcp-pra/verbs/version',
        '/usr/local/lib/mcp-pra/actions/restart_service.json',
        '/run/mcp-pra/reader',
      ]),
    );
  });

  test('the collectors run in their sandbox and write for the reader alone', async () => {
    const unit = 'mcp-pra-collect-processes';
    expect(await sh(`systemctl is-enabled ${unit}.timer; systemctl is-active ${unit}.timer`)).toBe(
      'enabled\nactive',
    );
    await sh(`rm -f /run/mcp-pra/facts/processes.json; systemctl start ${unit}.service`);
    expect(await sh("stat -c '%U:%G %a' /run/mcp-pra/facts/processes.json")).toBe('root:mcp-reader 640');
    const facts = JSON.parse(await host.readFile('/run/mcp-pra/facts/processes.json')) as {
      processes: object[];
    };
    expect(facts.processes.length).toBeGreaterThan(3);
    const shown = await sh(
      `systemctl show -p NoNewPrivileges,ProtectSystem,CapabilityBoundingSet,PrivateNetwork,Result ${unit}.service`,
    );
    expect(shown.split('\n').toSorted()).toEqual([
      'CapabilityBoundingSet=',
      'NoNewPrivileges=yes',
      'PrivateNetwork=yes',
      'ProtectSystem=strict',
      'Result=success',
    ]);
    const stranger = await host.run([
      'runuser',
      '-u',
      'nobody',
      '--',
      'cat',
      '/run/mcp-pra/facts/processes.json',
    ]);
    expect(stranger).toMatchObject({ code: 1, stdout: '' });
  });

  test('each program has its log file, which logrotate turns', async () => {
    // The logins that prove stage sshd come before stage logs: their records are among the host's own.
    const earlier = Number(await sh('wc -c </var/log/auth.log'));
    expect((await sshAs(loot(keys.reader), 'mcp-reader', ['uptime'])).code).toBe(0);
    expect((await sshAs(loot(keys.runner), 'pra-runner', ['version'])).code).toBe(0);
    for (const [program, words] of [
      ['mcp-wrapper', 'verdict=ok code=- verb=uptime'],
      ['pra-exec', 'verdict=ok code=- verb=version'],
      ['pra-run', 'verdict=ok word=version'],
    ] as const) {
      const path = `/var/log/${program}.log`;
      // rsyslog writes when it gets to it: the host itself waits for the line.
      await sh(`timeout 20 /bin/sh -c 'until grep -qs "${words}" ${path}; do sleep 0.1; done'`);
      expect(await sh(`stat -c '%U:%G %a' ${path}`)).toBe('root:adm 640');
    }
    expect(await sh(`tail -c +${String(earlier + 1)} /var/log/auth.log`)).not.toMatch(
      /(?:mcp-wrapper|pra-exec|pra-run)(?:\[\d+\])?: v=1/u,
    );
    await sh('logrotate -f /etc/logrotate.d/mcp-pra');
    expect((await sshAs(loot(keys.reader), 'mcp-reader', ['uptime'])).code).toBe(0);
    await sh(
      `timeout 20 /bin/sh -c 'until grep -qs verb=uptime /var/log/mcp-wrapper.log; do sleep 0.1; done'`,
    );
  });
});

describe('without a layer', () => {
  /** What an attacker with a key tries when only the login shell is left. */
  const attempts: readonly (readonly string[])[] = [
    [],
    ['id'],
    ['uptime'],
    ['/bin/sh -c id'],
    ['/usr/local/bin/mcp-wrapper'],
    ['/usr/local/bin/pra-exec'],
    ['version'],
  ];

  test('with neither Match block nor command= the login shell itself stays closed', async () => {
    const dropIn = await host.readFile(DROP_IN);
    const plain = '/etc/mcp-pra/authorized_keys.plain';
    // No rule is left but the place of the keys, and the keys have no options.
    await sh(`mkdir -m 755 ${plain}; for a in mcp-reader pra-runner; do
      sed 's/^.*\\(ssh-ed25519 \\)/\\1/' /etc/mcp-pra/authorized_keys/$a >${plain}/$a; done`);
    await host.writeFile(DROP_IN, `AuthorizedKeysFile ${plain}/%u .ssh/authorized_keys\n`, 0o600);
    await sh('systemctl reset-failed ssh; systemctl restart ssh');
    try {
      for (const [account, key, layer] of [
        ['mcp-reader', keys.reader, 'wrapper'],
        ['pra-runner', keys.runner, 'pra-exec'],
      ] as const) {
        expect(await sshdRules(account)).toContain('forcecommand none');
        for (const command of attempts) {
          const said = await sshAs(loot(key), account, command, 'id\n');
          expect(said.code, command.join(' ')).toBe(126);
          expect(said.stdout, 'nothing but the message of the day').not.toMatch(/uid=|mcp-pra/u);
          expect(said.stderr).toContain(`refused ${layer} LOGIN`);
        }
        const terminal = await sshAs(loot(key), account, [], 'id\n', ['-tt']);
        expect(terminal.code).toBe(126);
        expect(terminal.stdout).not.toContain('uid=');
        const files = await sshAs(loot(key), account, ['sftp'], '', ['-s']);
        expect(files.stdout).toBe('');
      }
    } finally {
      await host.writeFile(DROP_IN, dropIn, 0o600);
      await sh(`rm -r ${plain}; systemctl reset-failed ssh; systemctl restart ssh`);
    }
    expect((await sshAs(loot(keys.reader), 'mcp-reader', ['uptime'])).code).toBe(0);
  });

  test('without the Match block, command= alone keeps the accounts to their programs', async () => {
    const dropIn = await host.readFile(DROP_IN);
    await host.writeFile(
      DROP_IN,
      'AuthorizedKeysFile /etc/mcp-pra/authorized_keys/%u .ssh/authorized_keys\n',
      0o600,
    );
    await sh('systemctl reset-failed ssh; systemctl restart ssh');
    try {
      const shell = await sshAs(loot(keys.reader), 'mcp-reader', ['/bin/sh -c id']);
      expect(shell).toMatchObject({ code: 64, stdout: '', stderr: 'refused wrapper LINE_FORM\n' });
      const tunnel = await sshAs(loot(keys.reader), 'mcp-reader', [], '', ['-W', '127.0.0.1:22']);
      expect(tunnel).toMatchObject({ code: 255, stdout: '' });
    } finally {
      await host.writeFile(DROP_IN, dropIn, 0o600);
      await sh('systemctl reset-failed ssh; systemctl restart ssh');
    }
  });

  test("a site's own AllowUsers and AllowGroups name its people, and lock neither them nor the two accounts out", async () => {
    await host.writeFile('/etc/ssh/sshd_config.d/60-site.conf', 'AllowUsers admin\nAllowGroups admin\n');
    await sh('systemctl reset-failed ssh; systemctl restart ssh');
    try {
      await expectAdminIsFine();
      expect((await sshAs(loot(keys.reader), 'mcp-reader', ['uptime'])).code).toBe(0);
      expect((await sshAs(loot(keys.runner), 'pra-runner', ['version'])).code).toBe(0);
    } finally {
      await sh('rm /etc/ssh/sshd_config.d/60-site.conf; systemctl reset-failed ssh; systemctl restart ssh');
    }
  });
});

describe('a disk that takes nothing', () => {
  const restart = async (): Promise<Said> => {
    const made = await prepare(loot(keys.runner), { action: 'restart_service', args: [['unit', DEMO_UNIT]] });
    const ticketText = ticketFrom(made);
    const signatures = [signWith(keys.approver, 'mcp-pra-low', ticketText)];
    const before = await runs();
    const said = await submit(loot(keys.runner), 'restart_service', {
      ticketText,
      signatures,
      offer: made.signed,
    });
    expect(await runs(), said.stderr).toBe(before + 1);
    const again = await submit(loot(keys.runner), 'restart_service', {
      ticketText,
      signatures,
      offer: made.signed,
    });
    expect(again.stderr).toBe('refused pra-run REPLAYED\n');
    expect(await runs()).toBe(before + 1);
    return said;
  };

  const receiptOf = ({ stdout }: Said): string => {
    const line = stdout.split('\n').find((one) => one.includes('"event":"receipt"')) ?? '{}';
    return (JSON.parse(line) as { receipt?: string }).receipt ?? '';
  };

  test('with room, the claim is durable', async () => {
    expect(receiptOf(await restart())).toMatch(/^state SUCCEEDED$[^]*^durable yes$/mu);
  });

  test.each([
    ['full', 'head -c 1M /dev/zero >/var/lib/mcp-pra/filler || true'],
    [
      'out of inodes',
      'i=0; while true >/var/lib/mcp-pra/filler$i; do i=$((i + 1)); done 2>/dev/null || true',
    ],
    ['read-only', 'mount -o remount,ro /var/lib/mcp-pra'],
  ])('%s: the action runs once all the same, claimed in /run, and the receipt says so', async (_, spoil) => {
    await sh('mount -t tmpfs -o size=64k,nr_inodes=64,mode=700 tmpfs /var/lib/mcp-pra');
    try {
      await sh(spoil);
      const more = await host.run(['/bin/sh', '-c', 'echo x >/var/lib/mcp-pra/more']);
      expect(more.code).not.toBe(0);
      const said = await restart();
      expect(said.stdout).toContain('{"event":"warning","code":"NOT_DURABLE"}');
      expect(receiptOf(said)).toMatch(/^state SUCCEEDED$[^]*^durable no$/mu);
    } finally {
      await sh('umount /var/lib/mcp-pra');
    }
  });
});

describe('the next run', () => {
  test('removes what left the catalog and the names, and repairs what somebody changed', async () => {
    const smaller = checkout('smaller', (tables) => {
      rmSync(join(tables, 'actions/reload_proxy.json'));
      const without = (text: string): string =>
        text
          .split('\n')
          .filter((line) => !line.includes('reload_proxy'))
          .join('\n');
      for (const file of ['sudoers', 'DIGESTS']) edit(join(tables, file), without);
    });
    expect((await sshAs(loot(keys.runner), 'pra-runner', ['reload_proxy'])).stderr).toContain(
      'SUBMISSION_FORM',
    );
    await sh(`usermod -aG adm pra-runner; usermod -s /bin/sh -p x mcp-reader
      chage -M 30 -I 5 -E 2030-01-01 mcp-reader
      chmod 777 /usr/local/lib/mcp-pra/verbs /etc/mcp-pra/names/log
      chown admin /etc/mcp-pra/authorized_keys/mcp-reader /usr/local/bin/pra-run
      echo 'pra-runner ALL=(root) NOPASSWD: ALL' >>/etc/sudoers.d/mcp-pra
      chgrp adm /etc/sudoers.d/mcp-pra
      printf 'uptime\\n' >/usr/local/lib/mcp-pra/verbs/planted
      printf '/etc/shadow\\n' >/etc/mcp-pra/names/log/planted
      printf '[Timer]\\nOnActiveSec=1h\\n' >/etc/systemd/system/mcp-pra-collect-gone.timer
      printf '[Service]\\nExecStart=/bin/true\\n' >/etc/systemd/system/mcp-pra-collect-gone.service
      systemctl daemon-reload; systemctl start mcp-pra-collect-gone.timer
      echo '{}' >/run/mcp-pra/facts/gone.json`);
    const run = await runPlaybook(lab, smaller, { ...vars, mcp_pra_names: {} });
    expect(run.code, run.output).toBe(0);

    const refused = await sshAs(loot(keys.runner), 'pra-runner', ['reload_proxy']);
    expect(refused).toMatchObject({ code: 126, stderr: 'refused pra-exec WORD_UNLISTED\n' });
    expect(await sh('sudo -l -U pra-runner')).not.toMatch(/reload_proxy|NOPASSWD: ALL/u);
    expect(
      await sh('find /usr/local/lib/mcp-pra /etc/mcp-pra/names /run/mcp-pra/facts /etc/systemd/system'),
    ).not.toMatch(/reload_proxy|planted|syslog$|gone/mu);
    expect(await sh('systemctl is-active mcp-pra-collect-gone.timer || true')).toBe('inactive');
    expect(await sh('id -nG pra-runner')).toBe('pra-runner');
    expect(await sh('getent passwd mcp-reader | cut -d: -f7')).toBe('/usr/local/bin/mcp-wrapper');
    expect(await sh('getent shadow mcp-reader | cut -d: -f2,5,7,8')).toBe('*:::');
    expect(
      await sh(
        `stat -c '%U %a' /usr/local/lib/mcp-pra/verbs /etc/mcp-pra/names/log /etc/mcp-pra/authorized_keys/mcp-reader /usr/local/bin/pra-run`,
      ),
    ).toBe('root 755\nroot 755\nroot 644\nroot 755');

    const back = await runPlaybook(lab, smaller, { ...vars, mcp_pra_names: {} });
    expect(back.code, back.output).toBe(0);
    expect(back.changed[host.name], back.output).toBe(0);
  }, 400_000);
});

describe('undoing it by hand', () => {
  test('the commands of ansible/README.md leave the evidence and nothing else, and the admin gets in', async () => {
    const readme = readFileSync(join(ROOT, 'ansible/README.md'), 'utf8');
    const [, commands = ''] = /^## Undoing it$[^]*?^```sh\n([^]*?)^```$/mu.exec(readme) ?? [];
    expect(commands.split('\n').length).toBeGreaterThan(8);
    await sh(commands);
    for (const [key, account] of [
      [keys.reader, 'mcp-reader'],
      [keys.runner, 'pra-runner'],
    ] as const)
      expect(await sshAs(loot(key), account, ['version'])).toMatchObject({ code: 255, stdout: '' });
    const left =
      'find /etc /usr /run /var/empty /var/lib -xdev -name "*mcp-*" -o -name "pra-*" -o -name "*pra_run*"';
    expect((await sh(left)).split('\n').toSorted()).toEqual(['/etc/mcp-pra', '/var/lib/mcp-pra']);
    expect(
      await sh(
        "grep -rlE 'mcp-reader|pra-runner' /etc/passwd /etc/group /etc/shadow /etc/sudoers.d /etc/ssh /etc/cron.deny || true",
      ),
    ).toBe('');
    expect(
      await sh('systemctl is-system-running || true; systemctl list-units --all --no-legend "mcp-pra*"'),
    ).toBe('running');
    await expectAdminIsFine();
  });
});
