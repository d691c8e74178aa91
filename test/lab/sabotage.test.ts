import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { sshAs, type Loot } from '../support/thief.ts';
import { spoiltCheckout } from './checkout.ts';
import { runPlaybook, type Lab, type LabHost } from './lab.ts';
import { provisionedLab, type LabKeys } from './provisioned.ts';

// Everything that may go wrong while sshd's rules and the keys change. Each sabotage ends with the old access proven alive, by fresh
// logins of the admin and of both accounts, and with a message that says what happened. The change itself is always the same:
// another number of sessions and one more key, so that drop-in and key lines both change.

const DROP_IN = '/etc/ssh/sshd_config.d/00-mcp-pra.conf';
const ROLLBACK = '/etc/mcp-pra/rollback';
const RELOAD = '/etc/systemd/system/ssh.service.d/50-sabotage.conf';
const OLD_SESSIONS = 'MaxSessions 10';
const NEW_SESSIONS = 'MaxSessions 7';

// A playbook, a timer of ninety seconds and a dead link one after the other, on a machine that may be busy.
vi.setConfig({ testTimeout: 600_000 });

let lab: Lab;
let keys: LabKeys;
let vars: Record<string, unknown>;
let change: Record<string, unknown>;
let dir: string;
let h1: LabHost;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'mcp-pra-sabotage-'));
  ({ lab, keys, vars } = await provisionedLab(3));
  h1 = lab.hosts[0] as LabHost;
  change = { ...vars, mcp_pra_max_sessions: 7, mcp_pra_confirm_seconds: 600 };
});

afterAll(async () => {
  await lab?.down();
  if (dir !== undefined) rmSync(dir, { recursive: true, force: true });
});

/** A shell line as root on a host; its output. Fails when the line does. */
const sh = (line: string, host = h1): Promise<string> => host.sh(line, { timeoutMs: 360_000 });

const loot = (key: string, host: LabHost): Loot => ({
  host: host.name,
  address: host.address,
  port: 22,
  knownHosts: lab.knownHosts,
  key,
});

/** Fresh logins of the admin, with sudo, and of both accounts with their keys. */
const expectAccess = async (host = h1): Promise<void> => {
  const admin = await sshAs(loot(lab.adminKey, host), 'admin', ['sudo', '-n', 'id', '-u']);
  expect(admin, admin.stderr).toMatchObject({ code: 0, stdout: '0\n' });
  const reader = await sshAs(loot(keys.reader, host), 'mcp-reader', ['uptime']);
  expect(reader, reader.stderr).toMatchObject({ code: 0 });
  const runner = await sshAs(loot(keys.runner, host), 'pra-runner', ['version']);
  expect(runner, runner.stderr).toMatchObject({ code: 0 });
};

/** The old rules are on the disk, sshd runs, nothing waits, and whoever got in before gets in. */
const expectAsBefore = async (host = h1): Promise<void> => {
  expect(await host.readFile(DROP_IN)).toContain(OLD_SESSIONS);
  expect(
    await sh(`ls ${ROLLBACK}; systemctl is-active mcp-pra-unconfirmed.timer || true; sshd -t`, host),
  ).toMatch(/^(?:said\n)?inactive$/u);
  expect(await sh('cat /etc/mcp-pra/authorized_keys/*', host)).not.toContain('probe');
  await expectAccess(host);
};

const provision = (
  what: Record<string, unknown>,
  opts: { playbook?: string; limit?: string } = {},
): ReturnType<typeof runPlaybook> => {
  const { playbook = 'provision.yml', ...more } = opts;
  return runPlaybook(lab, playbook, what, { limit: h1.name, ...more });
};

const keysFile = 'target-scripts/installer/keys.py';
const sshdFile = 'target-scripts/installer/sshd.py';

test('before: everything is in order, and a run without a change logs in nowhere', async () => {
  await expectAsBefore();
  const run = await provision(vars);
  expect(run.code, run.output).toBe(0);
  expect(run.changed[h1.name]).toBe(0);
  expect(run.output).not.toContain('keys of the probe');
});

describe('what is written', () => {
  test('a typo in a key option: sshd passes over the line without a word, the login does not', async () => {
    const playbook = spoiltCheckout(join(dir, 'typo'), {
      [keysFile]: (text) => text.replace("options = ['restrict',", "options = ['restrikt',"),
    });
    const run = await provision(change, { playbook });
    expect(run.failed[h1.name], run.output).toBe(1);
    expect(run.output).toMatch(/Who may log in to h1 stays as it was: mcp-reader with a key of this run/u);
    expect(run.output).toContain('Permission denied');
    expect(run.output).toContain('sshd passes over a line with a wrong option');
    expect(run.output).toContain('The admin logs in afresh as before.');
    await expectAsBefore();
  });

  test('a wrong from=: nobody could come from there', async () => {
    const run = await provision({ ...change, mcp_pra_from: ['192.0.2.99'] });
    expect(run.failed[h1.name], run.output).toBe(1);
    expect(run.output).toMatch(/stays as it was: mcp-reader with a key of this run/u);
    expect(run.output).toContain('compare mcp_pra_from with its address');
    await expectAsBefore();
  });

  test('a real key that would not work any more is missed before it is too late', async () => {
    const other = { ...change, mcp_pra_reader_keys: vars['mcp_pra_runner_keys'] };
    const run = await provision({
      ...other,
      mcp_pra_runner_keys: vars['mcp_pra_reader_keys'],
      mcp_pra_reader_key_file: keys.reader,
    });
    expect(run.failed[h1.name], run.output).toBe(1);
    expect(run.output).toContain('stays as it was: mcp-reader with mcp_pra_reader_key_file');
    expect(run.output).toContain('As before: mcp-reader with mcp_pra_reader_key_file');
    await expectAsBefore();
  });

  test('a broken drop-in: sshd is not reloaded', async () => {
    const playbook = spoiltCheckout(join(dir, 'broken'), {
      [sshdFile]: (text) => text.replace("('PermitTTY', 'no')", "('PermitTTYY', 'no')"),
    });
    const run = await provision(change, { playbook });
    expect(run.failed[h1.name], run.output).toBe(1);
    expect(run.output).toMatch(/sshd does not accept the drop-in: .*PermitTTYY/u);
    expect(run.output).toContain('The admin logs in afresh as before.');
    await expectAsBefore();
  });

  test('a drop-in that would change the rules of the admin', async () => {
    const playbook = spoiltCheckout(join(dir, 'admin'), {
      [sshdFile]: (text) =>
        text.replace("    lines.append('Match all')", "    lines += ['Match all', 'PermitTTY no']"),
    });
    const run = await provision(change, { playbook });
    expect(run.failed[h1.name], run.output).toBe(1);
    expect(run.output).toMatch(/the drop-in changes what sshd applies to root: permittty/u);
    await expectAsBefore();
  });

  test('bad sudoers: refused before anything of sudo or sshd is touched', async () => {
    const playbook = spoiltCheckout(join(dir, 'sudoers'), {
      'target-scripts/tables/sudoers': (text) => `${text}pra-runner ALL=(root NOPASSWD\n`,
    });
    const run = await provision(change, { playbook });
    expect(run.failed[h1.name], run.output).toBe(1);
    expect(run.output).toContain('visudo refuses');
    await expectAsBefore();
  });
});

describe('the host', () => {
  test('a broken drop-in of somebody else: nothing is changed on such ground', async () => {
    const foreign = '/etc/ssh/sshd_config.d/70-site.conf';
    await h1.writeFile(foreign, 'PermitRootLogin perhaps\n');
    try {
      const run = await provision(change);
      expect(run.failed[h1.name], run.output).toBe(1);
      expect(run.output).toContain("sshd's configuration was broken before anything was changed");
      expect(run.output).toMatch(/70-site\.conf.*perhaps/u);
      // The sshd that runs is the old one, and it stays: restarting it on such files would be the end.
      await expectAccess();
      expect(await h1.readFile(DROP_IN)).toContain(OLD_SESSIONS);
    } finally {
      await sh(`rm ${foreign}`);
    }
    await expectAsBefore();
  });

  test.each<[what: string, reload: string, says: RegExp]>([
    ['will not reload', '/bin/false', /systemctl reload ssh\.service ended with 1/u],
    [
      'ends when it should reload',
      '/bin/kill -TERM $MAINPID',
      /sshd ended when it was to read its new rules/u,
    ],
    [
      'says that it reloads, and does not',
      '/bin/true',
      /sshd did not take its new rules within \d+ seconds/u,
    ],
    [
      'finds the disk full just then',
      "/bin/sh -c 'head -c 1M /dev/zero >/etc/mcp-pra/filler; kill -HUP $MAINPID'",
      /No space left on device/u,
    ],
  ])('an sshd that %s', async (what, reload, says) => {
    const full = what.includes('full');
    // The folder of keys and copies, on a filesystem of its own that can be filled.
    if (full)
      await sh(`cp -a /etc/mcp-pra /root/kept; mount -t tmpfs -o size=256k,mode=755 tmpfs /etc/mcp-pra
        cp -a /root/kept/. /etc/mcp-pra/`);
    await h1.writeFile(RELOAD, `[Service]\nExecReload=\nExecReload=${reload}\n`);
    await sh('systemctl daemon-reload');
    try {
      const run = await provision(change);
      expect(run.failed[h1.name], run.output).toBe(1);
      expect(run.output).toMatch(says);
      expect(run.output).toContain('The admin logs in afresh as before.');
      await expectAsBefore();
    } finally {
      await sh(`rm -r ${RELOAD} /etc/mcp-pra/filler || true; systemctl daemon-reload`);
      if (full) await sh('umount /etc/mcp-pra; rm -r /root/kept');
      await sh('systemctl reset-failed ssh; systemctl restart ssh');
    }
    await expectAsBefore();
  });

  test('a disk that is full from the start: without copies nothing is changed', async () => {
    await sh(`cp -a /etc/mcp-pra /root/kept; mount -t tmpfs -o size=256k,mode=755 tmpfs /etc/mcp-pra
      cp -a /root/kept/. /etc/mcp-pra/; head -c 1M /dev/zero >/etc/mcp-pra/filler || true`);
    try {
      const run = await provision(change);
      expect(run.failed[h1.name], run.output).toBe(1);
      expect(run.output).toContain('the copies or the timer could not be made, so nothing was changed');
      await expectAsBefore();
    } finally {
      await sh('umount /etc/mcp-pra; rm -r /root/kept');
    }
    await expectAsBefore();
  });

  test('the switch that closes both channels is no sabotage: their refusal is the answer', async () => {
    await sh('touch /etc/mcp-pra/disabled');
    try {
      const there = await provision(change);
      expect(there.code, there.output).toBe(0);
      const back = await provision(vars);
      expect(back.code, back.output).toBe(0);
    } finally {
      await sh('rm /etc/mcp-pra/disabled');
    }
    await expectAsBefore();
  });
});

describe('the control node', () => {
  // Instead of logging in, the probe kills the Ansible that started it, all its processes up to the first one.
  const CUT = `
import signal

if sys.argv[1] == 'try':
    above, pid = [], os.getppid()
    while pid > 1:
        with open(f'/proc/{pid}/cmdline') as file:
            ansible = 'ansible-playbook' in file.read()
        if above and above[-1][1] and not ansible:
            break
        above.append((pid, ansible))
        with open(f'/proc/{pid}/stat') as file:
            pid = int(file.read().rsplit(')', 1)[1].split()[1])
    for pid, _ in reversed(above if above and above[-1][1] else []):
        os.kill(pid, signal.SIGKILL)
    sys.exit()

if __name__ == '__main__':`;
  let cuts = 0;
  /** Runs the change and cuts the control node off when sshd has the new rules and nobody has confirmed them. */
  const cutOff = async (seconds: number): Promise<void> => {
    const playbook = spoiltCheckout(join(dir, `cut-${String((cuts += 1))}`), {
      'ansible/roles/target/files/probe.py': (text) =>
        text.replace("\nif __name__ == '__main__':", () => CUT),
    });
    const run = await provision({ ...change, mcp_pra_confirm_seconds: seconds }, { playbook });
    expect(run.code, run.output).toBe(137);
    expect(await sh(`test -e ${ROLLBACK}/armed; cat ${DROP_IN}`)).toContain(NEW_SESSIONS);
    expect(await sh('cat /etc/mcp-pra/authorized_keys/mcp-reader')).toMatch(
      /expiry-time="\d{14}Z" \S+ \S+ mcp-pra-probe-reader/u,
    );
  };

  test('killed between the reload and the confirmation: the timer of the host takes it back', async () => {
    // Time enough for a busy machine to get as far as the cut.
    await cutOff(90);
    await sh(`timeout 150 /bin/sh -c 'until test -e ${ROLLBACK}/said; do sleep 0.2; done'`);
    await expectAsBefore();
    expect(await sh(`cat ${ROLLBACK}/said`)).toContain('the change was not confirmed and is taken back');
    expect(await sh('journalctl -t mcp-pra-restore -o cat')).toContain('is taken back');
    const late = await h1.run(['/usr/local/lib/mcp-pra/commit-confirm', 'confirm']);
    expect(late).toMatchObject({ code: 1, stdout: '' });
    expect(late.stderr).toContain('nothing waits for a confirmation any more');
  });

  test('and a host that is restarted meanwhile takes it back before its sshd starts', async () => {
    await cutOff(3600);
    await h1.reboot();
    await expectAsBefore();
    expect(await sh('systemctl is-system-running --wait || true')).toBe('running');
  });

  test('started again meanwhile: it begins with what was before, and ends with the change', async () => {
    await cutOff(3600);
    const again = await provision(change);
    expect(again.code, again.output).toBe(0);
    expect(again.output).toContain('changed restored what an earlier change');
    expect(await h1.readFile(DROP_IN)).toContain(NEW_SESSIONS);
    await expectAccess();
    expect(await sh(`ls ${ROLLBACK}; cat /etc/mcp-pra/authorized_keys/*`)).not.toContain('probe');
    const back = await provision(vars);
    expect(back.code, back.output).toBe(0);
    await expectAsBefore();
  });
});

describe('from= a bastion', () => {
  test('is proven from there: through it as a jump host, or by a machine that stands there', async () => {
    const [, h2] = lab.hosts as readonly [LabHost, LabHost, LabHost];
    const options = `-F /dev/null -i ${lab.adminKey} -o IdentitiesOnly=yes -o UserKnownHostsFile=${lab.knownHosts}`;
    const jump = `-o ProxyCommand="ssh ${options} -W %h:%p admin@${h2.address}"`;
    const narrow = { ...vars, mcp_pra_from: [h2.address] };

    const through = await provision({ ...narrow, mcp_pra_max_sessions: 7, ansible_ssh_common_args: jump });
    expect(through.code, through.output).toBe(0);
    const direct = await sshAs(loot(keys.reader, h1), 'mcp-reader', ['uptime']);
    expect(direct).toMatchObject({ code: 255, stdout: '' });

    await h2.writeFile('/etc/ssh/ssh_known_hosts', readFileSync(lab.knownHosts, 'utf8'));
    const elsewhere = { ...narrow, mcp_pra_probe_host: h2.name };
    const there = await provision(elsewhere);
    expect(there.code, there.output).toBe(0);
    expect(await h1.readFile(DROP_IN)).toContain(OLD_SESSIONS);
    expect(await sh('cat /etc/mcp-pra/authorized_keys/*')).not.toContain('probe');

    const back = await provision(vars);
    expect(back.code, back.output).toBe(0);
    await expectAsBefore();
    expect(await sh('ls -d /tmp/mcp-pra-probe-* 2>/dev/null || true', h2)).toBe('');
  });
});

describe('a batch', () => {
  const all = { limit: 'all' };

  test('a first host that cannot be reached: nothing is changed anywhere', async () => {
    const [, h2, h3] = lab.hosts as readonly [LabHost, LabHost, LabHost];
    await h1.link(false);
    try {
      const run = await provision(change, all);
      expect(run.code, run.output).not.toBe(0);
      expect(run.failed).toEqual({ h1: 1 });
      for (const host of [h2, h3]) await expectAsBefore(host);
    } finally {
      await h1.link(true);
    }
    await expectAsBefore();
  });

  test('another one that cannot be reached: it is as before, named, and holds up nobody', async () => {
    const [, h2, h3] = lab.hosts as readonly [LabHost, LabHost, LabHost];
    await h2.link(false);
    try {
      const run = await provision(change, all);
      expect(run.code, run.output).not.toBe(0);
      expect(run.failed).toEqual({ h1: 0, h2: 1, h3: 0 });
      for (const host of [h1, h3]) {
        expect(await host.readFile(DROP_IN)).toContain(NEW_SESSIONS);
        await expectAccess(host);
      }
    } finally {
      await h2.link(true);
    }
    await expectAsBefore(h2);
    const back = await provision(vars, all);
    expect(back.code, back.output).toBe(0);
  });

  test('a host that is lost in the middle of its change: it takes the change back, the others complete theirs', async () => {
    const [, h2, h3] = lab.hosts as readonly [LabHost, LabHost, LabHost];
    await h2.writeFile(
      RELOAD,
      "[Service]\nExecReload=\nExecReload=/bin/sh -c 'ip link set host0 down; kill -HUP $MAINPID'\n",
    );
    await sh('systemctl daemon-reload', h2);
    const restored = sh(
      `timeout 350 /bin/sh -c 'until test -e ${ROLLBACK}/said; do sleep 0.2; done'; ip link set host0 up`,
      h2,
    );
    const seconds = `{{ 60 if inventory_hostname == '${h2.name}' else 600 }}`;
    const run = await provision({ ...change, mcp_pra_confirm_seconds: seconds }, all);
    await restored;
    await sh(`rm ${RELOAD}; systemctl daemon-reload`, h2);
    expect(run.failed, run.output).toMatchObject({ h1: 0, h2: 1, h3: 0 });
    expect(run.output).toContain('Who may log in to h2 stays as it was');
    expect(run.output).toMatch(
      /its own timer does, 60 seconds after|the change was not confirmed and is taken back/u,
    );
    expect(run.output).toContain('The admin logs in afresh as before.');
    for (const host of [h1, h3]) {
      expect(await host.readFile(DROP_IN)).toContain(NEW_SESSIONS);
      await expectAccess(host);
    }
    await expectAsBefore(h2);
  });
});
