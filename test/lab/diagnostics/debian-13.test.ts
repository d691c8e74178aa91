import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadCatalog } from '../../../src/catalog/load.ts';
import { allFixtures, expectedOf, readFixture } from '../../fixtures/all-fixtures.ts';
import type { FactRow } from '../../../src/catalog/types.ts';
import type { LabHost } from '../lab.ts';
import { collect } from './collect.ts';
import { kernelSays } from './kernel-says.ts';
import { lookingLab, rowsOf, textOf, type Args, type Looked, type LookingLab } from './looking.ts';
import { refuseLogins } from './refused-logins.ts';
import { smallDisk } from './small-disk.ts';

// A host of Debian 13 beside one of Debian 12, with the same on both: whatever the older one says, the newer one says too. In between came
// util-linux 2.41, systemd 257, iproute2 6.15, procps 4, apt 3, OpenSSL 3.5, OpenSSH 10 (sshd-session), wtmpdb in place of wtmp.

const NAMES = {
  log: { dpkg: '/var/log/dpkg.log' },
  endpoint: { web: '127.0.0.1:80', page: 'http://127.0.0.1/', tls: '127.0.0.1:443', closed: '127.0.0.1:9' },
  tree: { documents: '/usr/share/doc', backups: '/srv/backups', markers: '/srv/markers' },
  certificate: { lab: '/srv/lab.pem' },
};

/** Of diagnostics that need some: what both hosts have. */
const ARGS: Readonly<Record<string, Args>> = {
  backup_age: { tree: 'backups' },
  big_directories: { tree: 'documents' },
  certificate_endpoint: { endpoint: 'tls' },
  certificate_file: { certificate: 'lab' },
  container_logs: { container: 'web' },
  disk_growth: { seconds: 1 },
  dns_lookup: { endpoint: 'web' },
  elasticsearch_health: { endpoint: 'page' },
  endpoint_reachability: { endpoint: 'web' },
  facts_age: { collector: 'security' },
  http_probe: { endpoint: 'page' },
  io_statistics: { seconds: 1 },
  journal_by_priority: { priority: 'info' },
  journal_search: { unit: 'ssh.service', text: 'Server listening' },
  log_tail: { log: 'dpkg', lines: 5 },
  package_integrity: { package: 'coreutils' },
  package_version: { package: 'coreutils' },
  packages_changed: { since: '90d' },
  patroni_cluster: { endpoint: 'page' },
  process_detail: { pid: 1 },
  restore_test: { tree: 'markers' },
  timeline: { since: '10m' },
  unit_dependencies: { unit: 'multi-user.target' },
  unit_journal: { unit: 'ssh.service', lines: 20 },
  unit_list: { state: 'running' },
  unit_properties: { unit: 'ssh.service' },
  unit_status: { unit: 'ssh.service' },
  what_changed: { since: '10m' },
};

/** What the host of Debian 12 has no program for: a recording of Debian 12 says what there is to say. */
const RECORDED: Readonly<Record<string, string>> = {
  certificate_endpoint: 'good',
  certificate_file: 'good',
  core_dumps: 'one',
  time_sync: 'chrony',
};
/** Facts that are there or not from one moment to the next, on any release. */
const OF_THE_MOMENT: Readonly<Record<string, RegExp>> = {
  // Only where something grew, or used a CPU, between two looks.
  disk_growth: /^(?:fastest_|full_)/u,
  top_cpu: /^busiest_/u,
  // As long as a connection takes to be forgotten.
  tcp_health: /^fullest_queue_/u,
  kernel: /^parameters$/u,
};
/** Tables whose columns depend on what happens to be in them. */
const VARYING = new Set(
  'boot_history cgroup_usage connection_states cron_jobs disk_growth established_peers io_statistics journal_by_priority mounts open_files process_tree threads timeline timers top_cpu top_memory top_processes unit_list what_changed who_writes'.split(
    ' ',
  ),
);

/** Kept as recordings of Debian 13. */
const KEPT = new Set(
  'addresses authorized_keys_changes backup_age block_devices blocked_processes boot_history certificate_endpoint certificate_file connection_states disk_usage endpoint_reachability failed_units hardware_summary host_overview journal_disk_use kernel link_errors listening_ports memory mounts neighbours os_identity package_version pressure readiness reboot_required routes socket_units sshd_settings sudo_summary time_sync timers top_memory unit_properties unit_status uptime virtualization'.split(
    ' ',
  ),
);

const ROOT = join(import.meta.dirname, '../../..');
const catalog = loadCatalog([join(ROOT, 'catalog')], { targetScripts: join(ROOT, 'target-scripts') });

let old: LookingLab;
let on: LookingLab;

/** The same on both hosts. What only Debian 13 has a program for is passed over on the other. */
const prepare = async (host: LabHost): Promise<void> => {
  await host.sh(
    `mkdir -p /srv/backups /srv/markers /run/chrony
    echo dump >/srv/backups/books-1.dump; echo '{"ok":true,"source":"books"}' >/srv/markers/books.json
    if command -v openssl >/dev/null; then
      openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout /srv/lab.key -out /srv/lab.pem -days 30 -subj /CN=lab.example -addext subjectAltName=DNS:lab.example,IP:127.0.0.1 2>/dev/null
      chmod 0644 /srv/lab.pem
      systemd-run --quiet --unit=lab-tls openssl s_server -quiet -accept 443 -cert /srv/lab.pem -key /srv/lab.key
    fi
    if command -v chronyd >/dev/null; then
      printf 'local stratum 8\\nport 0\\n' >/run/lab-chrony.conf
      systemd-run --quiet --unit=lab-chrony chronyd -x -d -f /run/lab-chrony.conf
    fi
    systemctl start nginx; systemctl is-system-running --wait || :
    for unit in /etc/systemd/system/mcp-pra-collect-*.service; do systemctl start "\${unit##*/}"; done
    printf 'MESSAGE=ready\\nCONTAINER_NAME=web\\n' | logger --journald
    journalctl --sync`,
  );
};

beforeAll(async () => {
  old = await lookingLab({ names: NAMES });
  on = await lookingLab({ release: 'trixie', names: NAMES });
  await prepare(old.host);
  await prepare(on.host);
  // chronyd answers once its socket is there.
  while (!('stratum' in (await on.look('time_sync')).facts));
});

afterAll(async () => {
  await on?.lab.down();
  await old?.lab.down();
});

const columnsOf = (value: unknown): readonly string[] =>
  Array.isArray(value) ? value.flatMap((row: FactRow) => Object.keys(row)) : [];
const without = (names: readonly string[], known: readonly string[]): readonly string[] =>
  [...new Set(names)].filter((name) => !known.includes(name)).sort();

const codesOf = ({ answer }: Pick<Looked, 'answer'>) => answer.sections.map(({ rc }) => rc);

/** What Debian 12 says, and how its programs end: the host does, or else the recording. */
const expected = async (name: string) => {
  const recording = RECORDED[name];
  if (recording === undefined) {
    const looked = await old.look(name, ARGS[name]);
    return { status: looked.status, facts: looked.facts, codes: codesOf(looked) };
  }
  const fixture = allFixtures().find((one) => one.diagnostic === name && one.name === recording);
  const said = fixture === undefined ? undefined : expectedOf(fixture);
  if (fixture === undefined || said === undefined || !('facts' in said))
    throw new Error(`no recording ${name}/${recording}`);
  return { status: 'ok', facts: said.facts, codes: codesOf(readFixture(fixture)) };
};

/** Columns that tables of the older answer have and the newer one's do not; of tables with rows in both. */
const lostColumns = (name: string, before: Looked['facts'], now: Looked['facts']): readonly string[] =>
  VARYING.has(name)
    ? []
    : Object.entries(now)
        .filter(([, value]) => columnsOf(value).length > 0)
        .flatMap(([fact, value]) =>
          without(columnsOf(before[fact]), columnsOf(value)).map((column) => `${fact}.${column}`),
        );

describe('each diagnostic says on Debian 13 what it says on Debian 12', () => {
  /** What both hosts have. Of the rest (databases and other servers) the formats are shown on Debian 12 alone. */
  const shown: string[] = [];

  // Nothing has crashed yet: core_dumps is below.
  test.each([...catalog.diagnostics.keys()].filter((name) => name !== 'core_dumps'))('%s', async (name) => {
    const looked = KEPT.has(name)
      ? await on.capture(name, 'debian-13', 'a host of Debian 13', ARGS[name])
      : await on.look(name, ARGS[name]);
    const wanted = await expected(name);
    expect(looked.status).toBe(wanted.status);
    if (looked.status === 'ok') shown.push(name);
    // What a program says on standard error is dropped; that it failed is in its exit code.
    expect(codesOf(looked)).toEqual(wanted.codes);
    const lost = without(Object.keys(wanted.facts), Object.keys(looked.facts));
    expect(lost.filter((fact) => OF_THE_MOMENT[name]?.test(fact) !== true)).toEqual([]);
    expect(lostColumns(name, wanted.facts, looked.facts)).toEqual([]);
  });

  test('which are most of them', () => {
    expect(shown.length).toBeGreaterThanOrEqual(95);
  });
});

/** Of recordings that would be long: so many of the last lines of each section. */
const SHORT = { lines: 20 };

describe.each(['12', '13'])('the last lines of the journal on Debian %s', (release) => {
  const lab = (): LookingLab => (release === '12' ? old : on);
  /** Numbers in the order in which the text has them. */
  const numbers = (looked: Looked): readonly number[] =>
    [...textOf(looked).matchAll(/line ([0-9]+) of/gu)].map(([, number]) => Number(number));

  beforeAll(async () => {
    // journald takes what a unit prints and what systemd says of its start and its end in any order, if they come at once. So the
    // unit speaks when its start is in the journal, and ends when its lines are.
    await lab().host.sh(
      `mkfifo /run/lab-talks
      systemd-run --quiet --collect --unit=lab-talks sh -c 'read go </run/lab-talks; i=1; while [ $i -le 30 ]; do echo "<2>line $i of thirty"; i=$((i + 1)); done; journalctl --sync'
      journalctl --sync; echo go >/run/lab-talks; until [ "$(systemctl is-active lab-talks)" = inactive ]; do :; done
      i=1; while [ $i -le 30 ]; do printf 'MESSAGE=line %s of thirty\\nCONTAINER_NAME=talks\\n' $i | logger --journald; i=$((i + 1)); done
      journalctl --sync`,
    );
    await kernelSays(
      lab().host,
      [1, 2, 3, 4, 5, 6].map((at) => `sdz: line ${String(at)} of six`),
    );
  });

  test('unit_journal', async () => {
    const args = { unit: 'lab-talks.service', lines: 6 };
    const about = 'the last 5 of 30 lines, and that the unit has ended';
    const looked = await lab().capture('unit_journal', `last-${release}`, about, args);
    expect(numbers(looked)).toEqual([26, 27, 28, 29, 30]);
    expect(looked.facts).toMatchObject({ entries: 6 });
    expect(numbers(await lab().look('unit_journal', { ...args, lines: 500 }))).toHaveLength(30);
  });

  test('journal_by_priority', async () => {
    const args = { priority: 'crit', lines: 5 };
    const about = 'the last 5 of 30 messages';
    const looked = await lab().capture('journal_by_priority', `last-${release}`, about, args);
    expect(numbers(looked)).toEqual([26, 27, 28, 29, 30]);
    expect(looked.facts).toMatchObject({ entries: 5, loudest_unit: 'lab-talks.service' });
  });

  test('kernel_messages', async () => {
    const args = { priority: 'err', lines: 4 };
    const looked = await lab().capture(
      'kernel_messages',
      `last-${release}`,
      'the last 4 of 6 messages',
      args,
    );
    expect(numbers(looked)).toEqual([3, 4, 5, 6]);
  });

  test('container_logs', async () => {
    const args = { container: 'talks', lines: 5 };
    const looked = await lab().capture('container_logs', `last-${release}`, 'the last 5 of 30 lines', args);
    expect(numbers(looked)).toEqual([26, 27, 28, 29, 30]);
  });

  test('timeline tells of the newest starts, in the order of time', async () => {
    await lab().host.sh(
      `for n in 1 2 3; do systemd-run --quiet --wait --collect --unit=lab-order-$n true; done; journalctl --sync`,
    );
    const starts = (looked: Looked) =>
      rowsOf(looked, 'rows')
        .map(({ kind, what }) => `${String(kind)} ${String(what)}`)
        .filter((row) => row.startsWith('unit_started lab-order-'));
    // The last second is never in it.
    while (starts(await lab().look('timeline', { since: '2m' })).length < 3);
    const about = 'three units that were started, one after the other';
    const looked = await lab().capture(
      'timeline',
      `last-${release}`,
      about,
      { since: '2m' },
      lab().host,
      SHORT,
    );
    expect(starts(looked)).toEqual([1, 2, 3].map((at) => `unit_started lab-order-${String(at)}.service`));
  });
});

describe('faults on Debian 13', () => {
  test('failed_units and unit_status: a unit that fails', async () => {
    await on.host.sh(
      'systemd-run --quiet --unit=lab-fails false; until systemctl is-failed lab-fails; do :; done',
    );
    const failed = await on.capture('failed_units', 'debian-13-one', 'a unit that fails');
    expect(failed.facts).toMatchObject({ count: 1, units: [{ unit: 'lab-fails.service' }] });
    const args = { unit: 'lab-fails.service' };
    const status = await on.capture('unit_status', 'debian-13-failed', 'a unit that failed', args);
    expect(status.facts).toMatchObject({ active_state: 'failed', result: 'exit-code', exit_status: 1 });
    expect((await on.look('host_overview')).facts).toMatchObject({ failed_units: 1 });
    await on.host.sh('systemctl reset-failed lab-fails');
    expect((await on.look('failed_units')).facts).toMatchObject({ count: 0 });
  });

  test('oom_kills: a service above its limit', async () => {
    await kernelSays(on.host, [
      'oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=lab-limited.service,mems_allowed=0,oom_memcg=/system.slice/lab-limited.service,task_memcg=/system.slice/lab-limited.service,task=python3,pid=4711,uid=0',
      'Memory cgroup out of memory: Killed process 4711 (python3) total-vm:629760kB, anon-rss:51200kB, file-rss:5632kB, shmem-rss:0kB, UID:0 pgtables:160kB oom_score_adj:0',
    ]);
    const about = 'messages handed to journald as the kernel would';
    const { facts } = await on.capture('oom_kills', 'debian-13', about, { since: '10m' });
    expect(facts).toMatchObject({ kills: 1, victims: [{ process: 'python3', unit: 'lab-limited.service' }] });
    const kills = async (): Promise<readonly unknown[]> =>
      rowsOf(await on.look('timeline', { since: '10m' }), 'rows').filter(({ kind }) => kind === 'oom_kill');
    // The last second is never in it.
    let seen = await kills();
    while (seen.length === 0) seen = await kills();
    expect(seen).toEqual([expect.objectContaining({ what: 'python3 (pid 4711)' })]);
  });

  test('auth_failures and failed_logins: wrong keys and passwords, said by sshd-session', async () => {
    await refuseLogins(on, ['mallory', 'mallory', 'mallory'], 'admin');
    await on.host.sh(
      `echo wrong | setpriv --reuid=nobody --regid=nogroup --clear-groups su --command true root || :
      journalctl --sync`,
    );
    await collect(on.host, 'failed_logins');
    const looked = await on.capture('auth_failures', 'debian-13', 'wrong keys and passwords', {
      since: '10m',
    });
    expect(looked.facts).toMatchObject({ failures: 6, ssh_failures: 5, complete: true });
    expect(rowsOf(looked, 'users')).toContainEqual(expect.objectContaining({ user: 'mallory', failures: 3 }));
    // sshd of Debian 13 writes no btmp (its changelog.Debian: "Stop writing /var/log/btmp").
    const about = 'a wrong password of su; sshd writes none of its own';
    const logins = await on.capture('failed_logins', 'debian-13', about);
    expect(logins.facts).toMatchObject({ failures: 1, users: [{ user: 'root', failures: 1 }] });
  });

  test('last_logins: a login with a terminal, and the boot, of wtmpdb', async () => {
    const looked = await on.capture('last_logins', 'debian-13', 'logins of Ansible, kept by wtmpdb');
    expect(looked.facts).toMatchObject({ reboots: 1, last_user: 'admin', last_from: on.lab.gateway });
    expect(looked.facts['last_time']).toMatch(/Z$/u);
  });

  test('uptime: the look itself is nobody who is logged in', async () => {
    expect((await on.look('uptime')).facts).toMatchObject({ sessions: 0, users: 0 });
    expect(textOf(await on.look('uptime'))).toMatch(/^mcp-reader +sshd /mu);
  });

  test('core_dumps: a dump that systemd-coredump kept', async () => {
    // The kernel of the machine hands its dumps to the machine: what it would say is said by hand, of a process that is still there.
    await on.host.sh(
      'sleep 300 & p=$!; head -c 4096 /dev/zero | /usr/lib/systemd/systemd-coredump $p 0 0 11 $(date +%s) 18446744073709551615 h1 1; until coredumpctl list --json=short | grep -q sleep; do :; done; kill $p',
    );
    const looked = await on.capture('core_dumps', 'debian-13', 'a program died of a bad address');
    expect(without(Object.keys((await expected('core_dumps')).facts), Object.keys(looked.facts))).toEqual([]);
    expect(rowsOf(looked, 'crashes')).toMatchObject([{ program: '/usr/bin/sleep', signal: 11, uid: 0 }]);
  });

  test('what_changed: a unit that was started', async () => {
    await on.host.sh('systemd-run --quiet --wait --collect --unit=lab-changed true; journalctl --sync');
    const looked = await on.capture(
      'what_changed',
      'debian-13',
      'a unit was started',
      { since: '1m' },
      on.host,
      SHORT,
    );
    expect(rowsOf(looked, 'units')).toContainEqual(
      expect.objectContaining({ unit: 'lab-changed.service', failed: 0, started: 1 }),
    );
  });

  test('top_cpu: a process that never rests', async () => {
    await on.host.sh(`systemd-run --quiet --unit=lab-busy sh -c 'while :; do :; done'`);
    const looked = await on.capture('top_cpu', 'debian-13', 'a process that never rests');
    await on.host.sh('systemctl stop lab-busy');
    expect(rowsOf(looked, 'processes')).toContainEqual(
      expect.objectContaining({ unit: 'lab-busy.service', comm: 'sh', user: 'root' }),
    );
  });

  test('disk_growth: a file that grows', async () => {
    await on.host.sh(smallDisk('grows', 64));
    await on.host.sh(
      `systemd-run --quiet --unit=lab-grows sh -c 'while head -c 262144 /dev/zero; do sleep 0.1; done >/srv/grows/file'`,
    );
    const looked = await on.capture('disk_growth', 'debian-13', 'a file that grows', { seconds: 2 });
    await on.host.sh('systemctl stop lab-grows; umount /srv/grows /run/lab-grows');
    const [row] = rowsOf(looked, 'filesystems').filter(({ mount }) => mount === '/srv/grows');
    expect(row?.['bytes_per_second']).toBeGreaterThan(0);
  });

  test('disk_usage: a disk that is full', async () => {
    await on.host.sh(smallDisk('full'));
    await on.host.sh('dd if=/dev/zero of=/srv/full/file bs=64k 2>/dev/null || :');
    const { facts } = await on.capture('disk_usage', 'debian-13-full', 'a full disk');
    expect(facts).toMatchObject({ fullest_mount: '/srv/full', fullest_percent: 100 });
    await on.host.sh('umount /srv/full /run/lab-full');
  });
});
