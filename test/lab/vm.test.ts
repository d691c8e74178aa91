import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { prepare, signWith, sshAs, submit, ticketFrom, type Loot } from '../support/thief.ts';
import type { Lab, LabHost } from './lab.ts';
import { DEMO_UNIT, PASSPHRASE, vmTarget, type LabKeys } from './provisioned.ts';

// What a container cannot show, on a target with a kernel and a clock of its own: limits that bind, a kernel log, the
// audit of the kernel, and a wall clock that can be set without moving anybody else's.

const WRAPPER = '/usr/local/bin/mcp-wrapper';

let lab: Lab;
let keys: LabKeys;
let host: LabHost;

beforeAll(async () => {
  ({ lab, keys } = await vmTarget());
  host = lab.hosts[0] as LabHost;
});

afterAll(async () => {
  await lab?.down();
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

const asReader = (line: string) => sshAs(loot(keys.reader), 'mcp-reader', [line]);

/** Puts a program where the wrapper is, as an attacker who got past it would have it, and the wrapper back. */
const insteadOfWrapper = async <T>(program: string, work: () => Promise<T>): Promise<T> => {
  await sh(`cp -p ${WRAPPER} ${WRAPPER}.kept`);
  await host.writeFile(WRAPPER, program, 0o755);
  try {
    return await work();
  } finally {
    await sh(`mv ${WRAPPER}.kept ${WRAPPER}`);
  }
};

describe('a kernel of its own', () => {
  test('the host is a virtual machine with its own boot, and a reader works on it', async () => {
    expect(await sh('systemd-detect-virt')).toMatch(/^(?:qemu|kvm)$/u);
    expect(await sh('cat /proc/sys/kernel/random/boot_id')).not.toBe(
      readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim(),
    );
    expect((await asReader('uptime')).code).toBe(0);
  });

  test('LVM and md work on its spare disks', async () => {
    await sh(
      'vgcreate --quiet lab /dev/vdb && lvcreate --quiet --yes -L 32M -n one lab && mkfs.ext4 -q /dev/lab/one',
    );
    expect(await sh('lvs --noheadings -o lv_name,lv_size --units m lab')).toMatch(/^one\s+32\.00m$/u);
    await sh('mdadm --create /dev/md0 --run --level=1 --raid-devices=2 --metadata=1.2 /dev/vdc missing 2>&1');
    expect(await sh('cat /proc/mdstat')).toMatch(/md0 : active raid1 vdc\[0\][^[]*\[2\/1\] \[U_\]/u);
    await sh('mdadm --stop --quiet /dev/md0; vgremove --quiet --yes lab');
  });
});

describe('limits of the accounts', () => {
  // The reader's default is 256 tasks and 512 MB for all of its processes together.
  const TASKS = 256;
  const MORE = 400;
  // Its processes outlive the test: on a slow machine those of a few seconds would make room for each other.
  const bomb = `#!/bin/sh
i=0
while [ "$i" -lt ${String(MORE)} ]; do
  sleep 3600 </dev/null >/dev/null 2>&1 &
  i=$((i + 1))
  echo "$i"
done
`;
  const forks = ({ stdout }: { stdout: string }): number => Number(stdout.trim().split('\n').at(-1));
  const uid = (): Promise<string> => sh('id -u mcp-reader');
  const endAll = (): Promise<string> => sh('pkill -KILL -u mcp-reader || true');

  test('a fork bomb of the reader stops at TasksMax, and the host and a second account go on', async () => {
    try {
      const said = await insteadOfWrapper(bomb, () => asReader('uptime'));
      expect(forks(said)).toBeGreaterThan(TASKS / 2);
      expect(forks(said)).toBeLessThan(TASKS);
      expect((await sshAs(loot(lab.adminKey), 'admin', ['true'])).code).toBe(0);
      expect((await sshAs(loot(keys.runner), 'pra-runner', ['version'])).code).toBe(0);
    } finally {
      await endAll();
    }
    expect((await asReader('uptime')).code).toBe(0);
  });

  test('without the slice it does not stop there', async () => {
    const dropIn = `/etc/systemd/system/user-${await uid()}.slice.d`;
    await sh(`mv ${dropIn} /root/kept && systemctl daemon-reload`);
    try {
      expect(forks(await insteadOfWrapper(bomb, () => asReader('uptime')))).toBe(MORE);
    } finally {
      await endAll();
      await sh(`mv /root/kept ${dropIn} && systemctl daemon-reload`);
    }
  });

  test('memory beyond MemoryMax ends in the account, and the kernel log says so', async () => {
    const hog = (megabytes: number): string => `#!/bin/sh
exec /usr/bin/python3 -IBSc 'data = b"x" * (${String(megabytes)} << 20); print(len(data) >> 20, flush=True)'
`;
    const below = await insteadOfWrapper(hog(300), () => asReader('uptime'));
    expect(below).toMatchObject({ code: 0, stdout: '300\n' });
    const beyond = await insteadOfWrapper(hog(700), () => asReader('uptime'));
    expect(beyond).toMatchObject({ stdout: '' });
    expect(beyond.code).not.toBe(0);
    const log = await sh('journalctl -k -o cat --no-pager');
    expect(log).toMatch(new RegExp(`oom-kill:constraint=CONSTRAINT_MEMCG.*user-${await uid()}\\.slice`, 'u'));
    expect((await asReader('uptime')).code).toBe(0);
  });

  test('an action is not in the slice of the runner: it is a unit of the system', async () => {
    const made = await prepare(loot(keys.runner), {
      action: 'restart_service',
      args: [['unit', DEMO_UNIT]],
    });
    const ticketText = ticketFrom(made);
    const signatures = [signWith(keys.approver, 'mcp-pra-low', ticketText, PASSPHRASE)];
    const said = await submit(loot(keys.runner), 'restart_service', {
      ticketText,
      signatures,
      offer: made.signed,
    });
    expect(said.stdout, said.stderr).toContain('state SUCCEEDED');
    const slice = await sh(`journalctl -o json --no-pager -q -t pra-run | tail -1`);
    expect(slice).not.toContain(`user-${await sh('id -u pra-runner')}.slice"`);
  });
});

describe('the audit of the kernel', () => {
  test('what a diagnostic executes is what its verb file says, seen from the kernel', async () => {
    const uid = await sh('id -u mcp-reader');
    await sh(
      `auditctl -D >/dev/null && auditctl -a always,exit -F arch=b64 -S execve -F uid=${uid} -k reader`,
    );
    expect((await asReader('disk_usage')).code).toBe(0);
    const verb = await host.readFile('/usr/local/lib/mcp-pra/verbs/disk_usage');
    const listed = verb
      .split('\n')
      .filter((line) => line.startsWith('run\t'))
      .map((line) => line.split('\t')[2]);
    const log = await sh('ausearch --input-logs -k reader --raw');
    // execve is call 59 of x86-64; auditctl's own change of the rules is logged under the same key.
    const executed = new Set(
      [...log.matchAll(/^type=SYSCALL .* syscall=59 .* exe="([^"]+)"/gmu)].map(([, exe]) => exe),
    );
    for (const program of listed) {
      expect([...executed]).toContain(await sh(`readlink -f ${String(program)}`));
    }
    // The wrapper's own tools, and nothing else: no shell but dash, no interpreter. systemd runs a manager for each user.
    const own = ['dash', 'setpriv', 'timeout', 'dd', 'logger', 'date', 'cat', 'head', 'env'];
    const others = [...executed].filter(
      (exe) =>
        !exe?.startsWith('/usr/lib/systemd/') &&
        !own.some((name) => exe?.endsWith(`/${name}`)) &&
        !listed.includes(exe),
    );
    expect(others).toEqual([]);
    await sh('auditctl -D >/dev/null');
  });

  test('events that it lost are counted, by the collector in its sandbox', async () => {
    await sh('auditctl --reset-lost >/dev/null; systemctl start mcp-pra-collect-audit.service');
    expect((await asReader('audit_lost')).stdout).toMatch(
      /"audit_answers":true,"audit_enabled":"on",.*"audit_lost":0,/u,
    );
    // One event a second, and more programs than that.
    await sh('auditctl -r 1 >/dev/null && auditctl -a always,exit -F arch=b64 -S execve -k flood');
    await sh(
      'for i in 1 2 3 4 5 6 7 8 9; do /usr/bin/true; done; auditctl -D >/dev/null; auditctl -r 0 >/dev/null',
    );
    await sh('systemctl start mcp-pra-collect-audit.service');
    const { stdout } = await asReader('audit_lost');
    expect(stdout).toMatch(/"audit_lost":[1-9][0-9]*,/u);
    expect(stdout).not.toContain('flood');
    await sh('auditctl --reset-lost >/dev/null');
  });
});

describe('a wall clock that is wrong', () => {
  const MEDIUM = 'mcp-pra-medium';
  const reload = { action: 'reload_proxy', args: [['proxy', 'nginx']] } as const;
  const approve = (made: Awaited<ReturnType<typeof prepare>>) => {
    const ticketText = ticketFrom(made);
    const signatures = [signWith(keys.approver, MEDIUM, ticketText, PASSPHRASE)];
    return { ticketText, signatures, offer: made.signed };
  };

  test.each([
    ['forwards', '+3 hours'],
    ['back', '-3 hours'],
  ])('set %s between offer and approval, a valid approval runs once', async (_, step) => {
    const ours = Date.now();
    const approved = approve(await prepare(loot(keys.runner), reload));
    const before = Number(await sh('date +%s'));
    await sh(`date -s '${step}' >/dev/null`);
    try {
      expect(Math.abs(Number(await sh('date +%s')) - before)).toBeGreaterThan(10_000);
      const said = await submit(loot(keys.runner), 'reload_proxy', approved);
      expect(said.stdout, said.stderr).toContain('state SUCCEEDED');
      // A second time it is the first one's state, not a second run.
      const again = await submit(loot(keys.runner), 'reload_proxy', approved);
      expect(again.stdout).toContain('state SUCCEEDED');
      expect(Date.now() - ours).toBeLessThan(600_000); // this machine's clock was never moved
    } finally {
      await sh(`date -s '${step.startsWith('+') ? '-' : '+'}3 hours' >/dev/null`);
    }
  });

  test('set back by a day, it makes no offer younger: offers age by a clock that nobody can set', async () => {
    const boot = Number(await sh('cut -d. -f1 /proc/uptime'));
    await sh("date -s '-1 day' >/dev/null");
    try {
      expect(Number(await sh('cut -d. -f1 /proc/uptime'))).toBeGreaterThanOrEqual(boot);
      const { offer } = await prepare(loot(keys.runner), reload);
      expect(Math.abs(offer.boottimeMs / 1_000 - boot)).toBeLessThan(120);
    } finally {
      await sh("date -s '+1 day' >/dev/null");
    }
  });
});
