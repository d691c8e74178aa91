import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { makeKey } from '../support/ssh-keys.ts';
import { sshAs, type Loot, type Said } from '../support/thief.ts';
import { capture } from './capture.ts';
import { labUp, type Lab, type LabHost } from './lab.ts';
import { publicKey, type LabKeys } from './provisioned.ts';
import { removeStage, sendPack, setUp, siteFor } from './setup-target.ts';

// Stage sshd on a real sshd, without Ansible: what its lines and rules let in, and from where, when, on which port, with which algorithms.
// What goes wrong is in sabotage.test.ts.

const CONFIRM = '/usr/local/lib/mcp-pra/commit-confirm';
const KEYS = '/etc/mcp-pra/authorized_keys';
const RENDER = fileURLToPath(new URL('../support/render-keys.py', import.meta.url));

// Several changes and logins in one test, on a machine that may be busy.
vi.setConfig({ testTimeout: 400_000 });

let lab: Lab;
let host: LabHost;
let keys: LabKeys;
let dir: string;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'mcp-pra-role-sshd-'));
  const key = (name: string): string => makeKey(dir, name).path;
  keys = {
    reader: key('reader'),
    runner: key('runner'),
    auto: key('auto'),
    approver: key('approver'),
    stranger: key('stranger'),
  };
  lab = await labUp({ hosts: 1 });
  host = lab.hosts[0] as LabHost;
  await sendPack(host);
});

afterAll(async () => {
  await lab?.down();
  if (dir !== undefined) rmSync(dir, { recursive: true, force: true });
});

const sh = (line: string): Promise<string> => host.sh(line);

const login = (account: string, key: string, port = 22): Promise<Said> => {
  const loot: Loot = { host: host.name, address: host.address, port, knownHosts: lab.knownHosts, key };
  return sshAs(loot, account, account === 'admin' ? ['true'] : ['version']);
};
const expectIn = async (account: string, key: string, port = 22): Promise<void> => {
  const said = await login(account, key, port);
  expect(said, said.stderr).toMatchObject({ code: 0 });
};
const expectOut = async (account: string, key: string, port = 22): Promise<void> => {
  const said = await login(account, key, port);
  expect(said).toMatchObject({ code: 255, stdout: '' });
  expect(said.stderr).toMatch(/Permission denied|Connection closed/u);
};

/** Changes stage sshd to these sections, and says that it may stay. */
const change = async (sections: Record<string, unknown>): Promise<readonly string[]> => {
  const done = await setUp(host, siteFor(host, keys, sections), '--seconds', '600', 'sshd');
  expect(done, done.refusal).toMatchObject({ code: 0 });
  await sh(`${CONFIRM} confirm`);
  return done.changed;
};

/** Every setting that sshd would apply to an account; without `keywords`. */
const rules = async (user: string, without: readonly string[] = []): Promise<readonly string[]> =>
  (await sh(`/usr/sbin/sshd -T -C user=${user},host=mcp-pra.invalid,addr=198.51.100.7,lport=22`))
    .split('\n')
    .filter((line) => !without.includes(line.split(' ', 1)[0] ?? ''));

const ADMINS = ['admin', 'root'];
let adminRules: readonly (readonly string[])[];

describe('without Ansible', () => {
  test('a main file without Include: refused, since the accounts would be unprotected, and nothing is left', async () => {
    adminRules = await Promise.all(ADMINS.map((user) => rules(user)));
    await sh('cp -a /etc/ssh/sshd_config /root/kept; sed -i /^Include/d /etc/ssh/sshd_config');
    try {
      const stages = ['preflight', 'account', 'scripts', 'tables', 'sudo', 'sshd'];
      const done = await setUp(host, siteFor(host, keys), ...stages);
      expect(done.code).toBe(1);
      expect(done.refusal).toMatch(/sshd does not apply the drop-in to mcp-reader .*include sshd_config\.d/u);
      expect(
        await sh('ls /etc/ssh/sshd_config.d /etc/mcp-pra/authorized_keys /etc/mcp-pra/rollback || true'),
      ).not.toMatch(/00-mcp-pra|mcp-reader|armed/u);
      await expectIn('admin', lab.adminKey);
      await expectOut('mcp-reader', keys.reader);
    } finally {
      await sh('mv /root/kept /etc/ssh/sshd_config');
    }
  });

  test('the stage says until when it waits; confirmed, it stays, and the second time nothing changes', async () => {
    const stages = [
      'preflight',
      'account',
      'scripts',
      'tables',
      'sudo',
      'limits',
      'logs',
      'fail2ban',
      'sshd',
    ];
    const done = await setUp(host, siteFor(host, keys), '--seconds', '600', ...stages);
    expect(done, done.refusal).toMatchObject({ code: 0 });
    expect(done.changed.at(-1)).toMatch(/^armed until \d\d:\d\d:\d\dZ: log in afresh .* confirm$/u);
    await expectIn('mcp-reader', keys.reader);
    await expectIn('pra-runner', keys.runner);
    await expectIn('admin', lab.adminKey);
    expect(await sh(`${CONFIRM} status`)).toMatch(/^armed /u);
    expect(await sh(`${CONFIRM} confirm`)).toBe('confirmed');
    expect(await sh('systemctl is-active mcp-pra-unconfirmed.timer || true')).toBe('inactive');
    const again = await setUp(host, siteFor(host, keys), 'sshd', 'verify');
    expect(again, again.refusal).toMatchObject({ code: 0, changed: [] });
  });

  test('sshd itself shows every rule for both accounts, and for those who administer the host what it showed before', async () => {
    for (const [account, program] of [
      ['mcp-reader', 'mcp-wrapper'],
      ['pra-runner', 'pra-exec'],
    ] as const)
      expect(await rules(account)).toEqual(
        expect.arrayContaining([
          `forcecommand /usr/local/bin/${program}`,
          `allowusers ${account}`,
          `allowgroups ${account}`,
          'authenticationmethods publickey',
          `authorizedkeysfile ${KEYS}/%u`,
          'authorizedkeyscommand none',
          'trustedusercakeys none',
          'revokedkeys /etc/mcp-pra/revoked_keys',
          'permittty no',
          'permituserrc no',
          'allowtcpforwarding no',
          'allowstreamlocalforwarding no',
          'allowagentforwarding no',
          'x11forwarding no',
          'permittunnel no',
          'maxsessions 10',
        ]),
      );
    expect(await Promise.all(ADMINS.map((user) => rules(user)))).toEqual(adminRules);
  });

  test('restored by hand: the earlier rules and keys, at once', async () => {
    const other = { keys: { reader: [{ key: publicKey(keys.stranger) }], runner: [] } };
    const done = await setUp(host, siteFor(host, keys, other), 'sshd');
    expect(done, done.refusal).toMatchObject({ code: 0 });
    await expectIn('mcp-reader', keys.stranger);
    await expectOut('mcp-reader', keys.reader);
    expect(await sh(`${CONFIRM} restore`)).toContain('is taken back');
    await expectIn('mcp-reader', keys.reader);
    await expectIn('pra-runner', keys.runner);
    await expectOut('mcp-reader', keys.stranger);
    expect(await sh(`${CONFIRM} restore`), 'a second time does nothing').toContain('is taken back');
  });

  const arm = (seconds: string): ReturnType<LabHost['run']> =>
    host.run([CONFIRM, 'arm', seconds], { input: `${KEYS}/mcp-reader\n` });

  test.each(['29', '3601', '030x', '', '-30'])(
    'a timer of %j seconds is refused, and nothing waits',
    async (seconds) => {
      expect((await arm(seconds)).stderr).toContain('SECONDS is a number from 30 to 3600');
      expect((await host.run([CONFIRM, 'status'])).code).toBe(1);
    },
  );

  test.each(['30', '3600'])('a timer of %s seconds is set, and only one', async (seconds) => {
    expect(await arm(seconds)).toMatchObject({ code: 0, stderr: '' });
    expect((await host.run([CONFIRM, 'status'])).code).toBe(0);
    expect((await arm('60')).stderr).toContain('already waits');
    await sh(`${CONFIRM} restore`);
    await expectIn('mcp-reader', keys.reader);
  });

  test('confirm installs what was left for it, byte for byte, and nothing when nothing was', async () => {
    const before = await host.readFile(`${KEYS}/pra-runner`);
    await host.run([CONFIRM, 'arm', '600'], { input: `${KEYS}/mcp-reader\n${KEYS}/pra-runner\n` });
    const later = `# later\nrestrict,command="/usr/local/bin/mcp-wrapper" ${publicKey(keys.reader)}\n`;
    expect((await host.run([CONFIRM, 'after', `${KEYS}/mcp-reader`], { input: later })).code).toBe(0);
    const stranger = await host.run([CONFIRM, 'after', '/etc/passwd'], { input: later });
    expect(stranger.stderr).toContain('not among those that were armed');
    await sh(`${CONFIRM} confirm`);
    expect(await host.readFile(`${KEYS}/mcp-reader`)).toBe(later);
    expect(await host.readFile(`${KEYS}/pra-runner`)).toBe(before);
    expect(await sh(`stat -c '%U %a' ${KEYS}/mcp-reader; ls -A /etc/mcp-pra/rollback`)).toBe('root 644');
    await change({});
  });
});

describe('when a key ends', () => {
  /** The lines of two keys, one of which ended two minutes ago, as the renderer writes them for this OpenSSH in this zone. */
  const lines = (openssh: readonly number[], zone: string): string => {
    const at = (seconds: number): string =>
      `${new Date(Date.now() + seconds * 1000).toISOString().slice(0, 19)}Z`;
    const site = siteFor(host, keys, {
      keys: {
        reader: [
          { key: publicKey(keys.reader), expires: at(3000) },
          { key: publicKey(keys.stranger), expires: at(-120) },
        ],
        runner: [],
      },
    });
    const input = JSON.stringify({ site, openssh });
    const env = { ...process.env, TZ: zone };
    const said = execFileSync('python3', ['-B', RENDER], { input, encoding: 'utf8', env });
    return (JSON.parse(said) as { files: Record<string, string> }).files[`${KEYS}/mcp-reader`] ?? '';
  };

  test.each<[openssh: string, version: readonly number[], zone: string]>([
    ['9.1 and newer: in UTC', [9, 2], 'UTC'],
    ['older ones, in winter: the time of the host', [8, 9], 'America/New_York'],
    ['older ones, in summer: without summer time', [8, 9], 'Australia/Sydney'],
  ])('as written for OpenSSH %s', async (_, version, zone) => {
    const before = await sh(`readlink /etc/localtime; cat ${KEYS}/mcp-reader`);
    await sh(`test -e /usr/share/zoneinfo/${zone}; ln -sfn /usr/share/zoneinfo/${zone} /etc/localtime`);
    try {
      await host.writeFile(`${KEYS}/mcp-reader`, lines(version, zone));
      await expectIn('mcp-reader', keys.reader);
      await expectOut('mcp-reader', keys.stranger);
    } finally {
      await sh(`ln -sfn ${before.split('\n')[0] ?? ''} /etc/localtime`);
      await change({});
    }
  });
});

test('from: the rules of sshd keep others out even where the line forgets to', async () => {
  const from = (address: string): Record<string, unknown> => ({
    keys: {
      reader: [{ key: publicKey(keys.reader), from: [address] }],
      runner: [{ key: publicKey(keys.runner) }],
    },
  });
  await change(from(lab.gateway));
  await expectIn('mcp-reader', keys.reader);
  await change(from('192.0.2.1'));
  await expectOut('mcp-reader', keys.reader);
  await expectIn('pra-runner', keys.runner);
  await sh(`sed -i 's/,from="[^"]*"//' ${KEYS}/mcp-reader; ! grep -q from= ${KEYS}/mcp-reader`);
  await expectOut('mcp-reader', keys.reader);
  expect(await sh('journalctl -u ssh -o cat')).toMatch(/mcp-reader .*not listed in AllowUsers/u);
  await change({});
  await expectIn('mcp-reader', keys.reader);
});

test.each<[what: string, spoil: string, repair: string, says: RegExp]>([
  [
    'in a file that sorts before ours',
    "printf 'PermitEmptyPasswords no\nMatch Address 10.0.0.0/8\n  AllowTcpForwarding yes\n' >/etc/ssh/sshd_config.d/00-corp.conf",
    'rm /etc/ssh/sshd_config.d/00-corp.conf',
    /00-corp\.conf has `Match Address 10\.0\.0\.0\/8` before our rules, .*give .* a name that sorts after 00-mcp-pra\.conf$/u,
  ],
  [
    'in the main file, before it includes ours',
    "cp -a /etc/ssh/sshd_config /root/kept; sed -i '1i Match Address 10.0.0.0/8\\n  AllowTcpForwarding yes\\nMatch all' /etc/ssh/sshd_config",
    'mv /root/kept /etc/ssh/sshd_config',
    /\/etc\/ssh\/sshd_config has `Match Address 10\.0\.0\.0\/8` before our rules, .*move it behind Include/u,
  ],
])('a Match of the host %s: refused, for it would win for some addresses', async (_, spoil, repair, says) => {
  await sh(spoil);
  try {
    const done = await setUp(host, siteFor(host, keys), 'sshd');
    expect(done).toMatchObject({ code: 1, changed: [] });
    expect(done.refusal).toMatch(says);
  } finally {
    await sh(repair);
  }
  const sound = await setUp(host, siteFor(host, keys), 'sshd', 'verify');
  expect(sound, sound.refusal).toMatchObject({ code: 0, changed: [] });
});

test('a port on which sshd listens for everybody is refused as one for the accounts alone', async () => {
  const done = await setUp(host, siteFor(host, keys, { sshd: { port: 22 } }), 'sshd');
  expect(done).toMatchObject({ code: 1, changed: [] });
  expect(done.refusal).toMatch(/sshd listens on port 22 already, for everybody: .* name another$/u);
  await expectIn('admin', lab.adminKey);
});

test('a change that waits, of which a folder is gone meanwhile: the rest is put back and sshd reads it', async () => {
  const done = await setUp(host, siteFor(host, keys, { sshd: { port: 2222 } }), '--seconds', '600', 'sshd');
  expect(done, done.refusal).toMatchObject({ code: 0 });
  await sh(`mv ${KEYS} /root/keys-kept`);
  try {
    expect(await sh(`${CONFIRM} restore`)).toContain('sshd was reloaded');
  } finally {
    await sh(`mv /root/keys-kept ${KEYS}`);
  }
  expect((await login('mcp-reader', keys.reader, 2222)).stderr).toContain('Connection refused');
  const sound = await setUp(host, siteFor(host, keys), 'sshd', 'verify');
  expect(sound, sound.refusal).toMatchObject({ code: 0, changed: [] });
  await expectIn('mcp-reader', keys.reader);
});

test('a port for the two accounts alone: they log in there and nowhere else, everybody else as before', async () => {
  const changed = await change({ sshd: { port: 2222 } });
  expect(changed).toContain('reloaded ssh.service');
  await expectIn('mcp-reader', keys.reader, 2222);
  await expectIn('pra-runner', keys.runner, 2222);
  await expectOut('mcp-reader', keys.reader);
  await expectIn('admin', lab.adminKey);
  await expectOut('admin', lab.adminKey, 2222);
  await change({});
  await expectIn('mcp-reader', keys.reader);
  expect((await login('mcp-reader', keys.reader, 2222)).stderr).toContain('Connection refused');
});

test('hardened algorithms: ssh-audit finds nothing to fail, and everybody still gets in', async () => {
  /** The algorithms that sshd offers, and those of them that ssh-audit fails. */
  const audit = async (): Promise<{
    readonly offered: readonly string[];
    readonly failed: readonly string[];
  }> => {
    const { stdout, stderr } = await capture('ssh-audit', ['--no-colors', '--batch', host.address], {
      timeoutMs: 100_000,
    });
    expect(stderr).toBe('');
    const rows = [...stdout.matchAll(/^\((kex|key|enc|mac)\) (\S+).*$/gmu)];
    const names = (found: typeof rows): string[] => [
      ...new Set(found.map(([, kind, name]) => `${kind} ${name}`)),
    ];
    const [offered, failed] = [names(rows), names(rows.filter(([row]) => row.includes('[fail]')))];
    // Whatever else it may find to fail, outside the algorithms.
    expect(stdout.split('\n').filter((row) => row.includes('[fail]')).length).toBe(failed.length);
    return { offered, failed };
  };
  const before = await audit();
  expect(before.failed, 'without them there is something to fail').toContain('kex ecdh-sha2-nistp256');
  await change({ sshd: { hardened_algorithms: true } });
  const after = await audit();
  expect(after.failed).toEqual([]);
  for (const kind of ['kex', 'key', 'enc', 'mac'])
    expect(
      after.offered.filter((name) => name.startsWith(kind)),
      kind,
    ).not.toEqual([]);
  process.stdout.write(
    `ssh-audit: ${String(after.failed.length)} of ${String(after.offered.length)} algorithms fail; before, ${String(before.failed.length)} of ${String(before.offered.length)}\n`,
  );
  const ours = ['kexalgorithms', 'ciphers', 'macs', 'hostkeyalgorithms'];
  expect(await Promise.all(ADMINS.map((user) => rules(user, ours)))).toEqual(
    adminRules.map((lines) => lines.filter((line) => !ours.includes(line.split(' ', 1)[0] ?? ''))),
  );
  await expectIn('mcp-reader', keys.reader);
  await expectIn('pra-runner', keys.runner);
  await expectIn('admin', lab.adminKey);
  await change({});
  expect(await sh('ls /etc/ssh/sshd_config.d')).not.toContain('algorithms');
});

test('where systemd listens instead of sshd: changed, taken back, and by the next boot too', async () => {
  await sh('systemctl disable --now ssh.service; systemctl enable --now ssh.socket');
  try {
    await change({ sshd: { max_sessions: 7 } });
    await expectIn('mcp-reader', keys.reader);
    await expectIn('admin', lab.adminKey);
    // From here on an sshd runs, which the socket started.
    expect(await sh('systemctl is-active ssh.socket ssh.service')).toBe('active\nactive');
    const other = siteFor(host, keys, { keys: { reader: [{ key: publicKey(keys.stranger) }], runner: [] } });
    const done = await setUp(host, other, '--seconds', '600', 'sshd');
    expect(done, done.refusal).toMatchObject({ code: 0 });
    await expectIn('mcp-reader', keys.stranger);
    expect(await sh(`${CONFIRM} restore`)).toContain('is taken back');
    await expectIn('mcp-reader', keys.reader);
    await expectOut('mcp-reader', keys.stranger);
    expect(await rules('mcp-reader')).toContain('maxsessions 7');

    const port = await setUp(host, siteFor(host, keys, { sshd: { port: 2222 } }), 'sshd');
    expect(port.refusal).toContain('needs sshd to listen by itself');

    const later = await setUp(host, other, '--seconds', '3600', 'sshd');
    expect(later, later.refusal).toMatchObject({ code: 0 });
    await host.reboot();
    await expectIn('mcp-reader', keys.reader);
    await expectOut('mcp-reader', keys.stranger);
    await expectIn('admin', lab.adminKey);
    expect(await sh('systemctl is-active ssh.socket; systemctl is-system-running --wait')).toBe(
      'active\nrunning',
    );
  } finally {
    await sh(
      'systemctl disable --now ssh.socket; systemctl stop ssh.service; systemctl enable --now ssh.service',
    );
  }
  await change({});
  await expectIn('mcp-reader', keys.reader);
});

test('removed while a change waits: that is taken back first', async () => {
  const done = await setUp(
    host,
    siteFor(host, keys, { sshd: { max_sessions: 9 } }),
    '--seconds',
    '600',
    'sshd',
  );
  expect(done, done.refusal).toMatchObject({ code: 0 });
  const gone = await removeStage(host, 'sshd');
  expect(gone.join('\n')).toContain('changed restored what an earlier change');
  expect(await sh(`ls /etc/mcp-pra; ${CONFIRM} status || true`)).not.toMatch(/armed|rollback/u);
  await expectIn('admin', lab.adminKey);
  await change({});
});

test('removed: nothing of the stage is left, the admin gets in, and what was revoked stays revoked', async () => {
  const lines = await removeStage(host, 'sshd');
  expect(lines).toEqual(expect.arrayContaining(['changed gone /etc/ssh/sshd_config.d/00-mcp-pra.conf']));
  expect(await sh('ls /etc/mcp-pra')).not.toMatch(/authorized_keys|principals|rollback|key-expiry/u);
  expect(await sh('ls /etc/mcp-pra')).toContain('revoked_keys');
  expect(await sh('find /etc/systemd /etc/ssh /run/systemd/transient -name "*mcp-pra-[ru]*"')).toBe('');
  await expectIn('admin', lab.adminKey);
  await expectOut('mcp-reader', keys.reader);
});
