import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { TriageHost, TriageReport } from '../../../src/request/triage.ts';
import { makeOperator, type Operator } from '../../support/operator.ts';
import { collect } from './collect.ts';
import { kernelSays } from './kernel-says.ts';
import { lookingLab, type LookingLab } from './looking.ts';
import { absent, planted } from './proof.ts';
import { smallDisk } from './small-disk.ts';

// Each symptom of `mcp-pra triage` with a fault that explains it, and without.

const NAMES = { certificate: { shop: '/srv/tls/shop.pem' } };

let on: LookingLab;
let home: string;
let operator: Operator;
const sh = (line: string): Promise<string> => on.host.sh(line);

beforeAll(async () => {
  on = await lookingLab({ software: 'instances', names: NAMES });
  home = mkdtempSync(join(tmpdir(), 'mcp-pra-triage-'));
  operator = makeOperator({
    home,
    hosts: { [on.host.name]: { address: on.host.address } },
    keys: { reader: on.keys.reader, runner: on.keys.runner },
    knownHosts: on.lab.knownHosts,
    more: { limits: { calls_per_minute: 600 } },
  });
  await certificate(90);
});

afterAll(async () => {
  await on?.lab.down();
  if (home !== undefined) rmSync(home, { recursive: true, force: true });
});

/** What the command line says of the host; its exit code must be 0, so that all was answered. */
const triage = async (symptom: string): Promise<TriageHost> => {
  const { code, stdout, stderr } = await operator.cli('triage', symptom, '--host', on.host.name, '--json');
  expect(code, stdout + stderr).toBe(0);
  const [host] = (JSON.parse(stdout) as TriageReport).hosts;
  if (host === undefined) throw new Error('no host');
  return host;
};

/** Whether a triage names this fact of this diagnostic. */
const finds = async (symptom: string, diagnostic: string, fact: string): Promise<boolean> =>
  (await triage(symptom)).findings.some((one) => one.diagnostic === diagnostic && one.fact === fact);

const certificate = (days: number): Promise<string> =>
  sh(
    `mkdir -p /srv/tls; openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=shop.example -days ${String(days)} -keyout /srv/tls/shop.key -out /srv/tls/shop.pem 2>/dev/null`,
  );

test(absent('triage slow', 'nothing is stuck'), async () => {
  // Whoever still waits for the disk to take what the start of the host wrote does so for more than a second on a busy machine.
  await sh('sync');
  await collect(on.host, 'process_internals');
  expect(await finds('slow', 'blocked_processes', 'stuck')).toBe(false);
});

test(planted('triage slow', 'a process that cannot be interrupted'), async () => {
  // vfork(2) keeps the parent in state D until the child starts its program: here it first waits for somebody to write to a pipe.
  await on.host.writeFile(
    '/root/stuck.py',
    'import os\nos.mkfifo("/run/lab-pipe")\nos.posix_spawn("/bin/true", ["true"], {}, file_actions=[(os.POSIX_SPAWN_OPEN, 0, "/run/lab-pipe", os.O_RDONLY, 0)])\n',
  );
  await sh(`systemd-run --quiet --collect --unit=lab-stuck python3 /root/stuck.py
  until grep -qs '^State:.D' /proc/$(systemctl show --property=MainPID --value lab-stuck)/status; do :; done`);
  await collect(on.host, 'process_internals');
  expect(await finds('slow', 'blocked_processes', 'stuck')).toBe(true);
  await sh(': >/run/lab-pipe; rm /run/lab-pipe');
});

test(absent('triage unreachable', 'no unit has failed'), async () => {
  expect(await finds('unreachable', 'failed_units', 'count')).toBe(false);
});

test(planted('triage unreachable', 'the unit that served has failed'), async () => {
  await sh(
    'systemd-run --quiet --unit=lab-gone /bin/false; until systemctl is-failed -q lab-gone; do :; done',
  );
  const { findings, facts } = await triage('unreachable');
  expect(findings).toContainEqual(expect.objectContaining({ diagnostic: 'failed_units', value: 1 }));
  expect(facts['failed_units']?.['units']).toEqual([expect.objectContaining({ unit: 'lab-gone.service' })]);
  await sh('systemctl reset-failed lab-gone');
});

test(absent('triage crash', 'nothing ended by itself'), async () => {
  expect(await finds('crash', 'failed_units', 'count')).toBe(false);
});

test(planted('triage crash', 'a service that a signal ended'), async () => {
  await sh(
    `systemd-run --quiet --unit=lab-crash sh -c 'kill -SEGV $$'; until systemctl is-failed -q lab-crash; do :; done`,
  );
  expect(await finds('crash', 'failed_units', 'count')).toBe(true);
  await sh('systemctl reset-failed lab-crash');
});

test(absent('triage disk', 'there is room'), async () => {
  expect(await finds('disk', 'disk_usage', 'fullest_percent')).toBe(false);
});

test(planted('triage disk', 'a filesystem is full'), async () => {
  await sh(`${smallDisk('full')}
  dd if=/dev/zero of=/srv/full/log bs=64k 2>/dev/null || :`);
  expect(await finds('disk', 'disk_usage', 'fullest_percent')).toBe(true);
  await sh('umount /srv/full /run/lab-full');
});

test(absent('triage network', 'each interface that is up has a carrier'), async () => {
  expect(await finds('network', 'link_errors', 'without_carrier')).toBe(false);
});

test(planted('triage network', 'an interface whose other end is down'), async () => {
  await sh('ip link add lab0 type veth peer name lab1; ip link set lab0 up');
  expect(await finds('network', 'link_errors', 'without_carrier')).toBe(true);
  await sh('ip link delete lab0');
});

const SHOP = 'certificate_file certificate=shop';

test(absent('triage certificate', 'the named certificate has time left'), async () => {
  const { clean } = await triage('certificate');
  expect(clean).toContain(SHOP);
});

test(planted('triage certificate', 'the named certificate ends in three days'), async () => {
  await certificate(3);
  const { findings, facts } = await triage('certificate');
  expect(findings.filter(({ diagnostic }) => diagnostic === SHOP)).toMatchObject([
    { fact: 'soonest_days_left', limit: '< 7' },
  ]);
  expect(facts[SHOP]).toMatchObject({ subject: 'CN=shop.example' });
});

test(absent('triage oom', 'nobody was killed'), async () => {
  expect(await finds('oom', 'kernel_messages', 'oom_kills')).toBe(false);
});

test(planted('triage oom', 'the kernel killed a process'), async () => {
  await kernelSays(on.host, [
    'Out of memory: Killed process 4712 (java) total-vm:8388608kB, anon-rss:7340032kB, file-rss:0kB, shmem-rss:0kB, UID:1000 pgtables:14400kB oom_score_adj:0',
  ]);
  expect(await finds('oom', 'kernel_messages', 'oom_kills')).toBe(true);
});
