import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeKey } from '../support/ssh-keys.ts';
import { labUp, type Lab, type LabHost } from './lab.ts';
import { publicKey, type LabKeys } from './provisioned.ts';
import { sendPack, setUp, siteFor, type SetUp } from './setup-target.ts';

// setup-target without Ansible, on a real host: what each refusal leaves behind, and what `remove` does. The role and the package both
// start this program; what they add is how it gets there.

const OWN = ['account', 'scripts', 'tables', 'sudo'] as const;
const STAGES = 'preflight account scripts tables sudo sshd limits logs fail2ban verify'.split(' ');
const PACK = '/root/mcp-pra-pack';
const ROOT = join(import.meta.dirname, '../..');

let lab: Lab;
let host: LabHost;
let keys: LabKeys;
let dir: string;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'mcp-pra-installer-'));
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
  await sendPack(host);
});

afterAll(async () => {
  await lab?.down();
  if (dir !== undefined) rmSync(dir, { recursive: true, force: true });
});

const sh = (line: string): Promise<string> => host.sh(line);

/** Every file of /etc, /usr and /var with kind, owner, mode, size and content's hash, but for logs and the accounts' own backups. */
const everything = async (): Promise<string> =>
  await sh(`find /etc /usr/local /var/empty /var/lib/mcp-pra -xdev -not -name '*-' -printf '%y %u:%g %m %p\\n' 2>/dev/null | sort
    find /etc /usr/local -xdev -type f -not -name '*-' -exec sha256sum {} + | sort -k 2`);

const install = async (sections: Record<string, unknown> = {}, ...stages: string[]): Promise<SetUp> =>
  await setUp(host, siteFor(host, keys, sections), ...(stages.length > 0 ? stages : OWN));

/** Spoils the host, expects a refusal that leaves everything as it was after spoiling, and repairs. */
const expectRefused = async (
  spoil: string,
  repair: string,
  stage: string,
  says: RegExp,
  sections: Record<string, unknown> = {},
): Promise<void> => {
  await sh(spoil);
  try {
    const before = await everything();
    const run = await install(sections, stage);
    expect(run.refusal).toMatch(says);
    expect(run).toMatchObject({ code: 1, changed: [], same: [] });
    expect(await everything()).toBe(before);
  } finally {
    await sh(repair);
  }
};

describe('on a bare host', () => {
  test('--check names every thing and makes none', async () => {
    const before = await everything();
    const run = await install({}, '--check', 'preflight', ...OWN, 'verify');
    expect(run.code, run.refusal).toBe(0);
    expect(run.changed).toEqual(
      expect.arrayContaining([
        'account mcp-reader',
        '0755 /usr/local/bin/pra-run',
        '0440 /etc/sudoers.d/mcp-pra',
      ]),
    );
    expect(await everything()).toBe(before);
  });

  test('the page for the security team names every file, and no other', async () => {
    const run = await install(
      {
        sshd: { hardened_algorithms: true, port: 2222 },
        certificates: { ca_keys: [publicKey(keys.stranger)], from: [] },
        nftables: { ssh_from: ['192.0.2.0/24'] },
        names: { log: { syslog: '/var/log/syslog' } },
        fail2ban: { enabled: true, ignore: ['192.0.2.1'] },
      },
      '--check',
      ...STAGES,
    );
    expect(run.code, run.refusal).toBe(0);
    // `0644 /path`, `lines /path`; a folder ends with a slash.
    const made = run.changed
      .map((line) => /^\S+ (\/.*[^/])$/u.exec(line)?.[1])
      .filter((path) => path !== undefined);
    const page = readFileSync(join(ROOT, 'docs/for-your-security-team.md'), 'utf8');
    const named = [...page.matchAll(/^\| (`\/.+?) \|/gmu)].flatMap(([, cell]) =>
      [...(cell as string).matchAll(/`(\/[^`]+)`(?: and `(\.timer)`)?/gu)].flatMap(([, path, timer]) =>
        timer === undefined
          ? [path as string]
          : [path as string, (path as string).replace('.service', timer)],
      ),
    );
    const pattern = (path: string): RegExp =>
      new RegExp(
        `^${path
          .replaceAll('.', String.raw`\.`)
          .replaceAll('*', '[^/]+')
          .replace('[^/]+[^/]+', '.+')
          .replace('<uid>', '.+')}$`,
        'u',
      );
    expect(made.filter((path) => !named.some((one) => pattern(one).test(path)))).toEqual([]);
    // Not made here: it appears while the host is used, or belongs to a program that this lab host lacks.
    const later = [
      '/etc/mcp-pra/disabled',
      '/etc/mcp-pra/rollback/**',
      '/run/mcp-pra/**',
      '/run/mcp-pra-setup.lock',
      '/run/mcp-pra-revoke.lock',
      '/var/lib/mcp-pra/**',
    ];
    const elsewhere = /^\/var\/log\/|^\/etc\/(?:fail2ban\/|at\.deny$)/u;
    expect(
      named.filter(
        (one) =>
          !later.includes(one) && !elsewhere.test(one) && !made.some((path) => pattern(one).test(path)),
      ),
    ).toEqual([]);
  });

  test('a disk that is full in the middle of stage scripts leaves none of its files', async () => {
    await install({}, 'account');
    await expectRefused(
      'mkdir /usr/local/lib/mcp-pra; mount -t tmpfs -o size=96k tmpfs /usr/local/lib/mcp-pra',
      'umount /usr/local/lib/mcp-pra; rmdir /usr/local/lib/mcp-pra',
      'scripts',
      /^stage scripts: \/usr\/local\/lib\/mcp-pra\/\S+ cannot be written: No space left on device$/u,
    );
  });

  test('the stages go through, and a second time nothing changes', async () => {
    const first = await install();
    expect(first.code, first.refusal).toBe(0);
    const second = await install();
    expect(second).toMatchObject({ code: 0, changed: [] });
    expect(second.same.length).toBeGreaterThan(50);
  });
});

describe('a refusal says why and changes nothing', () => {
  test.each<[what: string, spoil: string, repair: string, stage: string, says: RegExp]>([
    [
      'something in a home',
      'touch /var/empty/mcp-reader/.pam_environment',
      'rm /var/empty/mcp-reader/.pam_environment',
      'account',
      /^stage account: \/var\/empty\/mcp-reader is not empty; look at what is in it, and remove it$/u,
    ],
    [
      'an account that shares its uid',
      'cp /etc/passwd /root/passwd; useradd --non-unique --uid "$(id -u pra-runner)" --no-create-home double',
      'userdel -f double 2>/dev/null || true; cp /root/passwd /etc/passwd; rm /root/passwd',
      'account',
      /^stage account: pra-runner shares its uid \d+ with another account; /u,
    ],
    [
      'a revocation list that ssh-keygen cannot read',
      'cp /etc/mcp-pra/revoked_keys /root/krl; echo x >/etc/mcp-pra/revoked_keys; rm /usr/local/lib/mcp-pra/verbs/uptime',
      'mv /root/krl /etc/mcp-pra/revoked_keys',
      'tables',
      /^stage tables: \/etc\/mcp-pra\/revoked_keys cannot be read by ssh-keygen, so it refuses everybody; /u,
    ],
    [
      "a revocation list with the host's own key",
      'cp /etc/mcp-pra/revoked_signers /root/krl; ssh-keygen -q -k -f /etc/mcp-pra/revoked_signers /etc/ssh/ssh_host_ed25519_key.pub',
      'mv /root/krl /etc/mcp-pra/revoked_signers',
      'tables',
      /^stage tables: \/etc\/mcp-pra\/revoked_signers revokes this host's own key; /u,
    ],
    [
      'a revocation list that is lost',
      'mv /etc/mcp-pra/revoked_keys /root/krl',
      'mv /root/krl /etc/mcp-pra/revoked_keys',
      'tables',
      /^stage tables: \/etc\/mcp-pra\/revoked_keys is missing on a host that was a target: .*ssh-keygen -k -f/u,
    ],
    [
      "a broken sudoers file of somebody else's",
      "printf 'ALL ALL=(\\n' >/etc/sudoers.d/site; chmod 440 /etc/sudoers.d/site; rm /etc/sudoers.d/mcp-pra",
      'rm /etc/sudoers.d/site',
      'sudo',
      /^stage sudo: \/usr\/sbin\/visudo -c ended with 1: .*sudoers\.d\/site/u,
    ],
    [
      'a sudo rule for everybody',
      "printf 'ALL ALL=(ALL) NOPASSWD: /usr/bin/id\\n' >/etc/sudoers.d/site; chmod 440 /etc/sudoers.d/site",
      'rm /etc/sudoers.d/site',
      'sudo',
      /^stage sudo: sudo allows mcp-reader something else than the generated lines: also \(ALL\) NOPASSWD: \/usr\/bin\/id; /u,
    ],
    [
      'a sudoers folder that is not included',
      "cp -p /etc/sudoers /root/sudoers; sed -i '/includedir/d' /etc/sudoers",
      'mv /root/sudoers /etc/sudoers',
      'sudo',
      /^stage sudo: sudo allows pra-runner something else than the generated lines: not \(root\) NOPASSWD: \/usr\/local\/bin\/pra-run/u,
    ],
    [
      'a folder that others can write',
      'chmod 777 /usr/local/lib',
      'chmod 755 /usr/local/lib',
      'tables',
      /^stage tables: \/usr\/local\/lib can be written by others than root; /u,
    ],
  ])('%s', async (_, spoil, repair, stage, says) => {
    await expectRefused(spoil, repair, stage, says);
    expect((await install()).refusal).toBe('');
  });

  test('a stage that is stopped in the middle is put back', async () => {
    await expectRefused(
      `mv /usr/bin/ssh-keygen /root/ssh-keygen; rm /usr/local/lib/mcp-pra/verbs/* /etc/mcp-pra/policy.json
       printf '#!/bin/sh\\nkill -TERM $PPID\\nexec sleep 30\\n' >/usr/bin/ssh-keygen; chmod 755 /usr/bin/ssh-keygen`,
      'mv /root/ssh-keygen /usr/bin/ssh-keygen',
      'tables',
      /^stage tables: stopped by signal 15; nothing of this stage is left$/u,
    );
    expect((await install()).refusal).toBe('');
  });

  test('two at a time', async () => {
    const run = `/usr/bin/python3 -IB ${PACK}/target-scripts/setup-target --site ${PACK}/site.json tables`;
    const said = await host.run(['flock', '/run/mcp-pra-setup.lock', '/bin/sh', '-c', run]);
    expect(said).toMatchObject({
      code: 1,
      stderr: 'another setup-target runs on this host: wait until it has ended\n',
    });
  });

  test.each([
    ['group can write it', 'chmod 660', 'chmod 600'],
    ['belongs to somebody else', 'chown nobody', 'chown root'],
  ])('a site file that %s', async (_, spoil, repair) => {
    await install();
    await sh(`${spoil} ${PACK}/site.json`);
    const run = `/usr/bin/python3 -IB ${PACK}/target-scripts/setup-target --site ${PACK}/site.json tables`;
    const said = await host.run(['/bin/sh', '-c', run]);
    await sh(`${repair} ${PACK}/site.json`);
    expect(said.code).toBe(1);
    expect(said.stderr).toContain('must be a file of your own that nobody else can write');
  });
});

describe('cron and at', () => {
  const files = async (): Promise<string> =>
    await sh(
      'for f in /etc/cron.allow /etc/cron.deny /etc/at.allow /etc/at.deny; do echo "$f: $(cat $f 2>&1)"; done',
    );

  test('an .allow file loses the accounts, a .deny file gains them, and none is made that would open at to others', async () => {
    await sh(
      `rm -f /etc/cron.deny; printf 'ops\\nmcp-reader\\n' >/etc/cron.allow; chmod 640 /etc/cron.allow; printf 'guest\\n' >/etc/at.deny`,
    );
    expect((await install({}, 'account')).changed).toEqual(['0640 /etc/cron.allow', '0644 /etc/at.deny']);
    expect(await files()).toBe(
      [
        '/etc/cron.allow: ops',
        '/etc/cron.deny: cat: /etc/cron.deny: No such file or directory',
        '/etc/at.allow: cat: /etc/at.allow: No such file or directory',
        '/etc/at.deny: guest\nmcp-reader\npra-runner',
      ].join('\n'),
    );
    await sh('rm /etc/cron.allow /etc/at.deny');
    expect((await install({}, 'account')).changed).toEqual(['0644 /etc/cron.deny']);
  });
});

describe('by its os-release', () => {
  const calledItself = async <T>(lines: string, work: () => Promise<T>): Promise<T> => {
    await sh('mv /etc/os-release /root/os-release');
    await host.writeFile('/etc/os-release', lines);
    try {
      return await work();
    } finally {
      await sh('mv -fT /root/os-release /etc/os-release');
    }
  };

  test.each([
    [
      'Rocky Linux',
      'NAME="Rocky Linux"\nPRETTY_NAME="Rocky Linux 9.6"\nID="rocky"\nID_LIKE="rhel centos fedora"\n',
    ],
    ['Fedora', 'NAME="Fedora Linux"\nPRETTY_NAME="Fedora Linux 42"\nID=fedora\n'],
  ])('%s is a target, whose cron stays closed to others by having no list at all', async (name, lines) => {
    await sh('rm -f /etc/cron.deny');
    await calledItself(lines, async () => {
      const run = await install({}, 'preflight', 'account');
      expect(run, run.refusal).toMatchObject({ code: 0, changed: [] });
      expect(run.same).toContainEqual(expect.stringContaining(`preflight ${name}`));
    });
    expect((await install({}, 'account')).changed).toEqual(['0644 /etc/cron.deny']);
  });

  test.each([
    ['Ubuntu', 'PRETTY_NAME="Ubuntu 24.04.3 LTS"\nID=ubuntu\nID_LIKE=debian\n'],
    ['Linux Mint', 'PRETTY_NAME="Linux Mint 22"\nID=linuxmint\nID_LIKE="ubuntu debian"\n'],
  ])('%s is one like Debian', async (_, lines) => {
    await calledItself(lines, async () =>
      expect(await install({}, 'preflight', 'account')).toMatchObject({ code: 0, changed: [] }),
    );
  });

  test.each([
    ['Alpine', 'PRETTY_NAME="Alpine Linux v3.22"\nID=alpine\n'],
    ['one whose name only contains a known one', 'ID=notdebian\nID_LIKE="rhelish"\n'],
    ['one that does not say', ''],
  ])('%s is none', async (_, lines) => {
    const run = await calledItself(lines, async () => await install({}, 'preflight'));
    expect(run).toMatchObject({ code: 1, changed: [] });
    expect(run.refusal).toContain('a target is a Debian, Ubuntu or RHEL-family host with systemd');
  });
});

describe('a pinned digest', () => {
  const version = async (): Promise<string> => {
    const said = await host.run([
      'runuser',
      '-u',
      'pra-runner',
      '--',
      'sudo',
      '-n',
      '/usr/local/bin/pra-run',
      'version',
    ]);
    return said.stdout.split('\n')[0] || said.stderr.trim();
  };

  test('sudo starts the installed pra-run, and no other', async () => {
    const run = await install({ sudo: { pin_digest: true } });
    expect(run.changed).toEqual(['0440 /etc/sudoers.d/mcp-pra']);
    expect(await version()).toBe('mcp-pra 1');
    await sh("cp -p /usr/local/bin/pra-run /root/; echo '#' >>/usr/local/bin/pra-run");
    expect(await version()).toBe('sudo: a password is required');
    await sh('cp -p /root/pra-run /usr/local/bin/');
    expect(await version()).toBe('mcp-pra 1');
  });

  test('an update brings the program and its line in one step', async () => {
    await sh(
      `cp -p ${PACK}/target-scripts/pra-run /root/; echo '# the next version' >>${PACK}/target-scripts/pra-run`,
    );
    const run = await install({ sudo: { pin_digest: true } }, 'scripts');
    expect(run.changed).toEqual(
      expect.arrayContaining(['0755 /usr/local/bin/pra-run', '0440 /etc/sudoers.d/mcp-pra']),
    );
    expect(await version()).toBe('mcp-pra 1');
    await sh(`mv /root/pra-run ${PACK}/target-scripts/`);
    // Without the pin again: the old line must not outlive the old program.
    const back = await install({}, 'scripts');
    expect(back.changed).toContain('0440 /etc/sudoers.d/mcp-pra');
    expect(await version()).toBe('mcp-pra 1');
    expect((await install()).changed).toEqual([]);
  });
});

describe('remove', () => {
  const remove = async (...flags: string[]): Promise<SetUp> => {
    const argv = ['/usr/bin/python3', '-IB', `${PACK}/target-scripts/setup-target`, ...flags, 'remove'];
    const { code, stdout, stderr } = await host.run(argv);
    const lines = stdout.split('\n').filter((line) => line.startsWith('changed '));
    return { code, changed: lines.map((line) => line.slice(8)), same: [], refusal: stderr.trim() };
  };

  test('not while an action runs', async () => {
    await sh('systemd-run --quiet --collect --unit=mcp-pra-aaaaaaaaaaaaaaaa /usr/bin/sleep infinity');
    const before = await everything();
    try {
      expect(await remove()).toMatchObject({
        code: 1,
        refusal:
          'stage remove: an action is running (mcp-pra-aaaaaaaaaaaaaaaa.service): wait for its end, or stop it with systemctl stop',
      });
      expect(await everything()).toBe(before);
    } finally {
      await sh('systemctl stop mcp-pra-aaaaaaaaaaaaaaaa');
    }
  });

  test('--check says what would go, and nothing goes', async () => {
    const before = await everything();
    const run = await remove('--check');
    expect(run.code, run.refusal).toBe(0);
    expect(run.changed).toEqual(
      expect.arrayContaining([
        'gone account mcp-reader',
        'gone /usr/local/lib/mcp-pra',
        'gone /etc/sudoers.d/mcp-pra',
      ]),
    );
    expect(await everything()).toBe(before);
  });

  test('ends what the accounts still run, leaves the evidence, and can be said again', async () => {
    await sh('systemd-run --quiet --collect --unit=left-over --uid=mcp-reader /usr/bin/sleep infinity');
    const run = await remove();
    expect(run.code, run.refusal).toBe(0);
    const left =
      'find / -xdev \\( -name "*mcp-*" -o -name "pra-*" \\) -not -path "/root/*" -not -path "/proc/*"';
    expect(
      (await sh(left))
        .split('\n')
        .filter((path) => !path.startsWith('/var/log/'))
        .toSorted(),
    ).toEqual(['/etc/mcp-pra', '/var/lib/mcp-pra']);
    expect(await sh('ls /etc/mcp-pra')).toBe(
      'allowed_signers\ndisabled\nnames\npolicy.json\nrevoked_keys\nrevoked_signers',
    );
    expect(
      await sh(
        'grep -E "(mcp-reader|pra-runner)" /etc/passwd /etc/group /etc/shadow || true; ls -d /var/empty || true',
      ),
    ).toBe('');
    expect(await sh('sudo -n -l -U admin; visudo -c; systemctl is-system-running')).toMatch(/running$/u);
    expect(await remove()).toMatchObject({ code: 0, changed: [] });
  });

  test('--evidence takes that too', async () => {
    expect(await remove('--evidence')).toMatchObject({
      code: 0,
      changed: ['gone /etc/mcp-pra', 'gone /var/lib/mcp-pra'],
    });
  });
});
