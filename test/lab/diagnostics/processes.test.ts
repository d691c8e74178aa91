import { afterAll, beforeAll, expect, test } from 'vitest';
import type { FactRow } from '../../../src/catalog/types.ts';
import { collect } from './collect.ts';
import { lookingLab, rowsOf, textOf, type Looked, type LookingLab } from './looking.ts';
import { absent, genuine, planted } from './proof.ts';

let on: LookingLab;
const SECRET = 'hunter2';

beforeAll(async () => {
  on = await lookingLab();
});

afterAll(async () => {
  await on?.lab.down();
});

const ofUnit = (looked: Looked, unit: string, name = 'processes'): FactRow | undefined =>
  rowsOf(looked, name).find((row) => row['unit'] === unit);

/** A unit that runs a program with a word in its argv that must never be shown. */
const start = async (unit: string, argv: readonly string[], ready = ''): Promise<void> => {
  await on.host.run(['systemctl', 'stop', unit]);
  const all = ['systemd-run', '--quiet', '--collect', `--unit=${unit}`, `--setenv=WORD=${SECRET}`, ...argv];
  const { code, stderr } = await on.host.run(all);
  if (code !== 0) throw new Error(stderr);
  if (ready !== '') await on.host.sh(`until ${ready}; do :; done`);
};
const stop = (unit: string): Promise<string> => on.host.sh(`systemctl stop ${unit}`);

const BUSY = 'lab-runaway.service';
const runaway = (): Promise<void> =>
  start(
    BUSY,
    ['/bin/sh', '-c', 'while :; do :; done', SECRET],
    `[ "$(systemctl is-active ${BUSY})" = active ]`,
  );

test(absent('top_cpu', 'no runaway'), async () => {
  const looked = await on.capture('top_cpu', 'idle', 'a host with little to do');
  expect(ofUnit(looked, BUSY)).toBeUndefined();
  expect(looked.facts['restricted']).toBe(false);
});

test(planted('top_cpu', 'a runaway process'), async () => {
  await runaway();
  const looked = await on.capture('top_cpu', 'runaway', 'a process that never stops');
  expect(looked.facts).toMatchObject({ busiest_comm: 'sh', busiest_unit: BUSY });
  expect(ofUnit(looked, BUSY)).toMatchObject({ comm: 'sh', user: 'root' });
  expect(textOf(looked)).not.toContain(SECRET);
  await stop(BUSY);
});

test(absent('top_processes', 'no runaway'), async () => {
  await collect(on.host, 'processes');
  const looked = await on.capture('top_processes', 'idle', 'a host with little to do');
  expect(ofUnit(looked, BUSY)).toBeUndefined();
});

test(planted('top_processes', 'a runaway process'), async () => {
  await runaway();
  await collect(on.host, 'processes');
  const looked = await on.capture('top_processes', 'runaway', 'a process that never stops');
  expect(looked.facts['stale']).toBe(false);
  expect(rowsOf(looked, 'processes')[0]).toMatchObject({ comm: 'sh', unit: BUSY, user: 'root' });
  await stop(BUSY);
});

const BIG = 'lab-hoarder.service';
const hoarder = (): Promise<void> =>
  start(
    BIG,
    [
      '/usr/bin/python3',
      '-c',
      'import time\nheap = bytearray(b"x" * 300_000_000)\nopen("/run/lab-hoarder", "w")\ntime.sleep(9999)',
      SECRET,
    ],
    '[ -e /run/lab-hoarder ]',
  );

test(absent('top_memory', 'no hoarder'), async () => {
  const looked = await on.capture('top_memory', 'idle', 'a host with little to do');
  expect(ofUnit(looked, BIG)).toBeUndefined();
});

test(planted('top_memory', 'a process that holds 300 MB'), async () => {
  await hoarder();
  const looked = await on.capture('top_memory', 'hoarder', 'a process that holds 300 MB');
  expect(looked.facts).toMatchObject({ biggest_comm: 'python3', biggest_unit: BIG });
  expect(looked.facts['biggest_rss_kb']).toBeGreaterThan(290_000);
  expect(textOf(looked)).not.toContain(SECRET);
  await on.host.sh(`systemctl stop ${BIG}; rm /run/lab-hoarder`);
});

const STUCK = 'lab-stuck.service';

test(absent('blocked_processes', 'nothing waits for a disk'), async () => {
  await collect(on.host, 'process_internals');
  const looked = await on.capture('blocked_processes', 'none', 'no process in state D');
  expect(ofUnit(looked, STUCK)).toBeUndefined();
  expect(looked.facts['stale']).toBe(false);
});

test(planted('blocked_processes', 'a process in state D'), async () => {
  // vfork(2) keeps the parent in state D until the child starts its program: here it first waits for somebody to write to a pipe.
  const program =
    'import os\nos.mkfifo("/run/lab-pipe")\nos.posix_spawn("/bin/true", ["true"], {}, file_actions=[(os.POSIX_SPAWN_OPEN, 0, "/run/lab-pipe", os.O_RDONLY, 0)])';
  await start(
    STUCK,
    ['/usr/bin/python3', '-c', program, SECRET],
    `grep -qs '^State:.D' /proc/$(systemctl show --property=MainPID --value ${STUCK})/status`,
  );
  await collect(on.host, 'process_internals');
  const looked = await on.capture('blocked_processes', 'one', 'a process in state D');
  expect(ofUnit(looked, STUCK)).toMatchObject({ comm: 'python3', user: 'root', stuck: true });
  expect(ofUnit(looked, STUCK)?.['wchan']).toMatch(/^[a-z_][a-z0-9_.]+$/u);
  expect(looked.facts['stuck']).toBe(1);
  expect(textOf(looked)).not.toContain(SECRET);
  await on.host.sh(': >/run/lab-pipe; rm /run/lab-pipe');
});

test(genuine('open_files', 'a process near its limit'), async () => {
  const unit = 'lab-opener.service';
  await start(
    unit,
    [
      '--property=LimitNOFILE=100',
      '--uid=nobody',
      '/usr/bin/python3',
      '-c',
      'import time\nkept = [open("/dev/null") for _ in range(90)]\nprint("ready", flush=True)\ntime.sleep(9999)',
    ],
    `journalctl --quiet --output=cat --unit=${unit} | grep -qx ready`,
  );
  await collect(on.host, 'process_internals');
  const looked = await on.capture(
    'open_files',
    'near-limit',
    'a process that has 90 files more than its first',
  );
  const row = ofUnit(looked, unit);
  expect(row).toMatchObject({ comm: 'python3', user: 'nobody', limit: 100 });
  expect(row?.['open_files']).toBeGreaterThanOrEqual(93);
  expect(looked.facts).toMatchObject({ fullest_unit: unit });
  await stop(unit);
});

test(genuine('zombies', 'a child that nobody collects'), async () => {
  const unit = 'lab-parent.service';
  await start(
    unit,
    ['/usr/bin/python3', '-c', 'import os, time\nif os.fork() == 0:\n    os._exit(0)\ntime.sleep(9999)'],
    "grep -qs '^State:.Z' /proc/[0-9]*/status",
  );
  const looked = await on.capture('zombies', 'one', 'a child that its parent does not collect');
  expect(rowsOf(looked, 'processes')).toContainEqual(
    expect.objectContaining({ comm: 'python3', parent: 'python3', parent_unit: unit }),
  );
  await stop(unit);
});

test(genuine('threads', 'a process of fifty threads'), async () => {
  const unit = 'lab-threads.service';
  await start(
    unit,
    [
      '/usr/bin/python3',
      '-c',
      'import threading, time\nfor _ in range(49):\n    threading.Thread(target=time.sleep, args=(9999,), daemon=True).start()\nprint("ready", flush=True)\ntime.sleep(9999)',
    ],
    `journalctl --quiet --output=cat --unit=${unit} | grep -qx ready`,
  );
  const looked = await on.capture('threads', 'fifty', 'a process of fifty threads');
  expect(rowsOf(looked, 'processes')[0]).toMatchObject({ comm: 'python3', threads: 50, unit });
  expect(looked.facts['pid_max']).toBe(Number(await on.host.sh('cat /proc/sys/kernel/pid_max')));
  await stop(unit);
});

test(genuine('process_tree', 'who started whom'), async () => {
  const looked = await on.capture('process_tree', 'debian-12', 'the processes of a small host');
  const rows = rowsOf(looked, 'processes');
  expect(rows[0]).toMatchObject({ depth: 0, pid: 1, comm: 'systemd', user: 'root' });
  const journald = rows.find(({ comm }) => comm === 'systemd-journal');
  expect(journald).toMatchObject({ depth: 1, ppid: 1, unit: 'systemd-journald.service' });
});

test(genuine('cgroup_usage', 'the unit that is busy'), async () => {
  await runaway();
  const looked = await on.capture('cgroup_usage', 'runaway', 'a unit with a process that never stops');
  expect(looked.facts['busiest_unit']).toBe(BUSY);
  expect(ofUnit(looked, BUSY, 'units')).toMatchObject({ processes: 1, threads: 1 });
  await stop(BUSY);
});

test(genuine('process_detail', 'a service and a number that no process has'), async () => {
  const unit = 'lab-one.service';
  await start(unit, ['--property=LimitNOFILE=321', '--uid=nobody', '--nice=5', '/usr/bin/sleep', '9999']);
  const pid = Number(await on.host.sh(`systemctl show --property=MainPID --value ${unit}`));
  await on.host.sh(`until grep -qx sleep /proc/${String(pid)}/comm; do :; done`);
  const looked = await on.capture('process_detail', 'sleep', 'a service that sleeps', { pid });
  expect(looked.facts).toMatchObject({
    exists: true,
    pid,
    comm: 'sleep',
    user: 'nobody',
    unit,
    ppid: 1,
    nice: 5,
  });
  expect(rowsOf(looked, 'limits')).toContainEqual({ limit: 'open files', soft: '321', hard: '321' });
  expect(textOf(looked)).not.toContain('9999');
  const none = await on.look('process_detail', { pid: 4_194_304 });
  expect(none.facts).toEqual({ exists: false });
  await stop(unit);
});

test('swap_by_process: as much swap as the kernel has', async () => {
  const looked = await on.capture('swap_by_process', 'no-swap', 'a host that has no swap');
  const total = Number(await on.host.sh("sed -n 's/^SwapTotal: *\\([0-9]*\\) kB$/\\1/p' /proc/meminfo"));
  expect(looked.facts['swap_total_kb']).toBe(total);
  expect(total > 0 ? [] : rowsOf(looked, 'processes')).toEqual([]);
});

test('core_dumps: a host without systemd-coredump says that it is not there', async () => {
  const { status } = await on.capture('core_dumps', 'not-installed', 'systemd-coredump is not installed');
  expect(status).toBe('not_present');
});
