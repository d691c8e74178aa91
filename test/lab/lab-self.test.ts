import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { mirrorInDeb822, mirrorInOneLine } from './apt-mirror.ts';
import { listProcesses } from './cgroup.ts';
import { isAlive, readHostStatus, readLabState, type LabState } from './lab-state.ts';
import { NODE } from './lab-life.ts';
import { labAvailable, labUp, runPlaybook, ssh, type Lab, type LabHost } from './lab.ts';
import { parseRecap } from './playbook.ts';

const available = await labAvailable();
if (!available.ok && process.env['MCP_PRA_LAB'] === 'required') throw new Error(available.missing);

const asAdmin = async (lab: Lab, host: LabHost, ...command: string[]) =>
  await ssh(lab, host, { user: 'admin', key: lab.adminKey, command });

const bootIdOf = async (host: LabHost): Promise<string> =>
  await host.readFile('/proc/sys/kernel/random/boot_id');

/** Everything a lab could leave on the machine; an empty list is the proof that it left nothing. */
async function tracesOf(state: LabState, folder: string): Promise<string[]> {
  const machines = state.hosts.map(({ machine }) => machine);
  const links = [state.id, ...machines.map((machine) => `vb-${machine}`)];
  const cgroups = ['/sys/fs/cgroup', '/sys/fs/cgroup/systemd', '/sys/fs/cgroup/unified'];
  const processes = readdirSync('/proc').filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(folder);
    } catch {
      return false;
    }
  });
  return [
    ...(isAlive(state.keeper) ? [`keeper ${state.keeper.pid}`] : []),
    ...(await Promise.all(machines.map(listProcesses))).flat().map((pid) => `process ${pid} inside`),
    ...processes.map((pid) => `process ${pid}`),
    ...readFileSync('/proc/mounts', 'utf8')
      .split('\n')
      .filter((line) => line.includes(` ${folder}/`)),
    ...links.filter((link) => existsSync(`/sys/class/net/${link}`)),
    ...cgroups.flatMap((cgroup) =>
      machines.map((machine) => `${cgroup}/mcp-pra-lab-${machine}.scope`).filter((path) => existsSync(path)),
    ),
    ...(existsSync(folder) ? [folder] : []),
  ];
}

/** A process that brings up a lab and then only waits; resolves with the lab's folder. */
async function startOwner(): Promise<{ kill: (signal: NodeJS.Signals) => Promise<void>; folder: string }> {
  const lab = JSON.stringify(fileURLToPath(new URL('lab.ts', import.meta.url)));
  const program = `const { labUp } = await import(${lab});
    console.log((await labUp({ hosts: 1 })).dir); setInterval(() => {}, 1000);`;
  const owner = spawn(NODE, ['--input-type=module', '--eval', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(owner, 'exit');
  const line = once(createInterface({ input: owner.stdout }), 'line') as Promise<[string]>;
  const [folder] = await Promise.race([line, exited.then(() => [''])]);
  if (folder === undefined || folder === '') throw new Error('the owner ended before its lab was up');
  return {
    folder,
    async kill(signal) {
      owner.kill(signal);
      await exited;
    },
  };
}

async function stateOf(lab: Lab): Promise<LabState> {
  const state = await readLabState(lab.dir);
  if (state === undefined) throw new Error(`${lab.id} has no state`);
  return state;
}

async function waitUntil(
  what: string,
  seconds: number,
  isTrue: () => boolean | Promise<boolean>,
): Promise<void> {
  const deadline = Date.now() + seconds * 1000;
  while (!(await isTrue())) {
    if (Date.now() > deadline) throw new Error(`not within ${seconds} s: ${what}`);
    await sleep(100);
  }
}

describe.skipIf(!available.ok)('two labs side by side', () => {
  let pair: Lab;
  let single: Lab;
  let first: LabHost;
  let second: LabHost;
  let alone: LabHost;

  beforeAll(async () => {
    [pair, single] = await Promise.all([labUp({ hosts: 2 }), labUp({ hosts: 1, names: ['web-1'] })]);
    [first, second] = pair.hosts as [LabHost, LabHost];
    [alone] = single.hosts as [LabHost];
  });
  afterAll(async () => {
    await Promise.all([pair?.down(), single?.down()]);
  });

  test('each host is a Debian of its own that finished booting', async () => {
    for (const host of [first, second, alone]) {
      const { stdout } = await host.run(['systemctl', 'is-system-running', '--wait']);
      expect(stdout.trim()).toBe('running');
      expect((await host.run(['hostname'])).stdout.trim()).toBe(host.name);
    }
    const services = ['ssh', 'rsyslog', 'systemd-journald', 'dbus'];
    expect((await alone.run(['systemctl', 'is-active', ...services])).stdout).toBe('active\n'.repeat(4));
    expect((await alone.run(['systemctl', 'is-active', 'fail2ban'])).stdout).toBe('inactive\n');
    const ids = await Promise.all(
      [first, second, alone].flatMap((host) => [host.readFile('/etc/machine-id'), bootIdOf(host)]),
    );
    expect(new Set(ids).size).toBe(6);
  });

  test('admin logs in with the key of the lab and may use sudo', async () => {
    for (const [lab, host] of [
      [pair, first],
      [pair, second],
      [single, alone],
    ] as const) {
      const { code, stdout, stderr } = await asAdmin(lab, host, 'id -un; sudo -n id -un');
      expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: 'admin\nroot\n', stderr: '' });
    }
  });

  test("a key of another lab, no key, and another lab's known_hosts are refused", async () => {
    const stranger = await ssh(pair, first, { user: 'admin', key: single.adminKey, command: ['true'] });
    expect(stranger).toMatchObject({
      code: 255,
      stderr: expect.stringContaining('Permission denied (publickey)'),
    });
    const keyless = await ssh(pair, first, {
      user: 'admin',
      key: pair.adminKey,
      args: ['-o', 'PubkeyAuthentication=no'],
      command: ['true'],
    });
    expect(keyless).toMatchObject({
      code: 255,
      stderr: expect.stringContaining('Permission denied (publickey)'),
    });
    const unknown = await ssh(single, first, { user: 'admin', key: pair.adminKey, command: ['true'] });
    expect(unknown).toMatchObject({
      code: 255,
      stderr: expect.stringContaining('Host key verification failed'),
    });
  });

  test('hosts reach each other and us, and nothing else', async () => {
    expect((await first.run(['ping', '-c', '1', '-W', '5', second.address])).code).toBe(0);
    expect((await first.run(['ping', '-c', '1', '-W', '5', pair.gateway])).code).toBe(0);
    expect((await first.run(['ip', 'route'])).stdout).not.toContain('default');
    expect((await first.run(['ping', '-c', '1', '-W', '5', alone.address])).stderr).toContain('unreachable');
    expect((await first.run(['getent', 'hosts', 'example.org'])).code).toBe(2);
  });

  test('run keeps code, input and both outputs, and a timeout ends the program inside', async () => {
    const script = 'cat; echo oops >&2; exit 7';
    expect(await first.run(['sh', '-c', script], { input: 'fed' })).toEqual({
      code: 7,
      stdout: 'fed',
      stderr: 'oops\n',
    });
    await expect(first.run(['sleep', '7331'], { timeoutMs: 500 })).rejects.toThrow('stopped after 500 ms');
    expect((await first.run(['pgrep', '-fx', 'sleep 7331'])).code).toBe(1);
  });

  test('files are written as root with their mode and read back', async () => {
    await first.writeFile('/srv/deep/folder/note', 'größer\n', 0o640);
    expect(await first.readFile('/srv/deep/folder/note')).toBe('größer\n');
    expect((await first.run(['stat', '-c', '%U:%G %a', '/srv/deep/folder/note'])).stdout).toBe(
      'root:root 640\n',
    );
    expect(readFileSync(join(first.rootDir, 'srv/deep/folder/note'), 'utf8')).toBe('größer\n');
    await expect(first.readFile('/no/such')).rejects.toThrow('cannot be read');
  });

  test('a playbook changes once, and a failing one is counted by host', async () => {
    const tasks = [
      { name: 'A file', copy: { dest: '/etc/lab-note', content: '{{ words }}', mode: '0600' } },
      {
        name: 'A refusal',
        command: '/bin/false',
        when: 'break_on is defined and inventory_hostname == break_on',
      },
    ];
    const path = join(pair.dir, 'note.yml');
    await writeFile(path, JSON.stringify([{ hosts: 'targets', gather_facts: false, become: true, tasks }]));
    const firstRun = await runPlaybook(pair, path, { words: 'hello' });
    expect(firstRun).toMatchObject({
      code: 0,
      changed: { h1: 1, h2: 1 },
      failed: { h1: 0, h2: 0 },
    });
    expect(await second.readFile('/etc/lab-note')).toBe('hello');
    const again = await runPlaybook(pair, path, { words: 'hello', break_on: 'h2' });
    expect(again).toMatchObject({ code: 2, changed: { h1: 0, h2: 0 }, failed: { h1: 0, h2: 1 } });
    const dry = await runPlaybook(pair, path, { words: 'bye' }, { limit: 'h1', check: true });
    expect(dry).toMatchObject({ code: 0, changed: { h1: 1 }, failed: { h1: 0 } });
    expect(await first.readFile('/etc/lab-note')).toBe('hello');
  });

  test('a reboot is a new boot of the same files', async () => {
    const before = await bootIdOf(first);
    const other = await bootIdOf(second);
    await first.writeFile('/etc/kept', 'kept');
    await first.writeFile('/run/lost', 'lost');
    await first.reboot();
    expect(await bootIdOf(first)).not.toBe(before);
    expect(await first.readFile('/etc/kept')).toBe('kept');
    await expect(first.readFile('/run/lost')).rejects.toThrow('cannot be read');
    expect((await asAdmin(pair, first, 'sudo', 'id', '-un')).stdout).toBe('root\n');
    expect(await bootIdOf(second)).toBe(other);
  });

  test('a cut link is silence, and comes back', async () => {
    const opts = { user: 'admin', key: pair.adminKey, command: ['true'] };
    await first.link(false);
    const cut = await ssh(pair, first, { ...opts, args: ['-o', 'ConnectTimeout=2'] });
    expect(cut.code).toBe(255);
    expect(cut.stderr).toMatch(/No route to host|timed out/);
    expect((await first.run(['systemctl', 'is-active', 'ssh'])).stdout).toBe('active\n');
    await first.link(true);
    expect((await ssh(pair, first, opts)).code).toBe(0);
  });

  test('a host that was powered off stays off', async () => {
    await second.run(['systemctl', '--no-block', 'poweroff']);
    await waitUntil('h2 is off', 60, async () => (await readHostStatus(pair.dir, 'h2'))?.kind === 'off');
    expect(await readHostStatus(pair.dir, 'h2')).toMatchObject({ code: 0, boot: 1 });
    await expect(second.run(['true'])).rejects.toThrow('h2 is off');
  });

  test('down leaves nothing of this lab and does not touch the other', async () => {
    const state = await stateOf(pair);
    // Otherwise an empty list would also come from looking in the wrong places.
    expect((await tracesOf(state, pair.dir)).length).toBeGreaterThan(6);
    await pair.down();
    expect(await tracesOf(state, pair.dir)).toEqual([]);
    await pair.down();
    expect((await asAdmin(single, alone, 'echo', 'here')).stdout).toBe('here\n');
  });
});

describe.skipIf(!available.ok)('nobody is left behind', () => {
  test.each(['SIGKILL', 'SIGINT', 'SIGTERM'] as const)('when the owner is ended by %s', async (signal) => {
    const owner = await startOwner();
    const state = await readLabState(owner.folder);
    if (state === undefined) throw new Error('the lab has no state');
    expect((await tracesOf(state, owner.folder)).length).toBeGreaterThan(4);
    await owner.kill(signal);
    await waitUntil('no trace', 60, async () => (await tracesOf(state, owner.folder)).length === 0);
  });

  test('when the keeper itself is killed: the hosts die with it, down says so and sweeps the rest', async () => {
    const lab = await labUp({ hosts: 1 });
    const state = await stateOf(lab);
    const processes = async (): Promise<string[]> =>
      (await tracesOf(state, lab.dir)).filter((trace) => /^(process|keeper)/.test(trace));
    expect((await processes()).length).toBeGreaterThan(6);
    process.kill(state.keeper.pid, 'SIGKILL');
    await waitUntil('no process', 60, async () => (await processes()).length === 0);
    expect(await tracesOf(state, lab.dir)).not.toEqual([]);
    await expect(lab.down()).rejects.toThrow('it is gone now');
    expect(await tracesOf(state, lab.dir)).toEqual([]);
    await lab.down();
  });

  test('when a lab cannot come up', async () => {
    await expect(labUp({ hosts: 1, names: ['../x'] })).rejects.toThrow('not a host name');
    await expect(labUp({ hosts: 2, names: ['a'] })).rejects.toThrow('1 to 99 hosts');
  });
});

describe('what the lab reads', () => {
  test('the mirror of the machine, in both formats of apt, never a security or updates suite', () => {
    const security = 'Types: deb\nURIs: http://mirror.test/sec\nSuites: bookworm-security\nComponents: main';
    const off = 'Enabled: no\nTypes: deb\nURIs: http://mirror.test/off\nSuites: bookworm\nComponents: main';
    const good =
      'Types: deb deb-src\n# a note\nURIs: http://mirror.test/debian\nSuites: bookworm bookworm-updates\nComponents: main';
    expect(mirrorInDeb822(`${security}\n\n${off}\n\n${good}\n`, 'bookworm')).toBe(
      'http://mirror.test/debian',
    );
    expect(mirrorInDeb822(`${security}\n\n${off}\n`, 'bookworm')).toBeUndefined();
    const lines =
      '# deb http://mirror.test/no bookworm main\ndeb [arch=amd64] https://mirror.test/yes bookworm main contrib\n';
    expect(mirrorInOneLine(lines, 'bookworm')).toBe('https://mirror.test/yes');
    expect(mirrorInOneLine('deb cdrom:[x]/ bookworm main', 'bookworm')).toBeUndefined();
    expect(mirrorInOneLine(lines, 'trixie')).toBeUndefined();
  });

  test('the recap of Ansible, where an unreachable host has failed', () => {
    const recap = `PLAY RECAP ****\nh1 : ok=3 changed=2 unreachable=0 failed=0 skipped=1\nweb-1   : ok=0    changed=0    unreachable=1    failed=0\n`;
    expect(parseRecap(`h9 : ok=1 changed=9\n${recap}`)).toEqual({
      changed: { h1: 2, 'web-1': 0 },
      failed: { h1: 0, 'web-1': 1 },
    });
  });
});
