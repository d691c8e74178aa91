import { afterAll, beforeAll, expect, test } from 'vitest';
import { ssh } from '../lab.ts';
import { collect } from './collect.ts';
import { kernelSays } from './kernel-says.ts';
import { lookingLab, rowsOf, textOf, type LookingLab } from './looking.ts';
import { absent, genuine, planted } from './proof.ts';
import { refuseLogins } from './refused-logins.ts';

let on: LookingLab;

beforeAll(async () => {
  on = await lookingLab({
    software: 'instances',
    names: { log: { dpkg: '/var/log/dpkg.log', closed: '/srv/closed.log', gone: '/var/log/gone.log' } },
  });
});

afterAll(async () => {
  await on?.lab.down();
});

test(absent('journal_by_priority', 'a unit that has logged no error'), async () => {
  const looked = await on.capture('journal_by_priority', 'quiet', 'a host with little to say', {
    priority: 'crit',
    since: '1m',
  });
  expect(rowsOf(looked, 'units').map(({ unit }) => unit)).not.toContain('lab-loud.service');
});

test(planted('journal_by_priority', 'a unit that logs seven errors'), async () => {
  await on.host.sh(
    'systemd-run --quiet --wait --collect --unit=lab-loud sh -c \'for i in 1 2 3 4 5 6 7; do echo "<2>quota $i is gone"; echo "<6>try $i"; done\'; journalctl --sync',
  );
  const looked = await on.capture('journal_by_priority', 'loud', 'one unit logged seven critical messages', {
    priority: 'crit',
    since: '10m',
  });
  expect(looked.facts).toMatchObject({ loudest_unit: 'lab-loud.service' });
  expect(looked.facts['loudest_entries']).toBeGreaterThanOrEqual(7);
  expect(textOf(looked)).toContain('quota 7 is gone');
  expect(textOf(looked)).not.toContain('try 7');
});

test(absent('kernel_messages', 'a kernel that has said nothing'), async () => {
  const { facts } = await on.capture('kernel_messages', 'none', 'the kernel said nothing', {
    since: '1s',
  });
  expect(facts).toMatchObject({ entries: 0, io_errors: 0, oom_kills: 0, hung_tasks: 0 });
});

test(planted('kernel_messages', 'a disk with errors, a hung task, lost audit records'), async () => {
  await kernelSays(on.host, [
    'I/O error, dev sdz, sector 2048 op 0x0:(READ) flags 0x0 phys_seg 1 prio class 2',
    'EXT4-fs error (device sdz1): ext4_lookup:1826: inode #2: comm ls: iget: checksum invalid',
    'INFO: task kworker/0:1:17 blocked for more than 120 seconds.',
    'audit: audit_lost=41 audit_rate_limit=0 audit_backlog_limit=64',
  ]);
  const looked = await on.capture(
    'kernel_messages',
    'planted',
    'messages handed to journald as the kernel would',
    {
      since: '10m',
    },
  );
  expect(looked.facts).toMatchObject({
    io_errors: 1,
    filesystem_errors: 1,
    hung_tasks: 1,
    audit_lost: 41,
    segfaults: 0,
    oom_kills: 0,
  });
  expect(textOf(looked)).toContain('dev sdz, sector 2048');
});

test(absent('oom_kills', 'nobody was killed'), async () => {
  const { facts } = await on.capture('oom_kills', 'none', 'nobody was killed', { since: '1s' });
  expect(facts).toMatchObject({ kills: 0, victims: [] });
});

test(planted('oom_kills', 'a service above its limit, and a host without memory'), async () => {
  const group = '/system.slice/lab-limited.service';
  await kernelSays(on.host, [
    `oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=lab-limited.service,mems_allowed=0,oom_memcg=${group},task_memcg=${group},task=python3,pid=4711,uid=0`,
    'Memory cgroup out of memory: Killed process 4711 (python3) total-vm:629760kB, anon-rss:51200kB, file-rss:5632kB, shmem-rss:0kB, UID:0 pgtables:160kB oom_score_adj:0',
    'Out of memory: Killed process 4712 (java) total-vm:8388608kB, anon-rss:7340032kB, file-rss:0kB, shmem-rss:0kB, UID:1000 pgtables:14400kB oom_score_adj:0',
  ]);
  const { facts } = await on.capture('oom_kills', 'two', 'messages handed to journald as the kernel would', {
    since: '10m',
  });
  expect(facts).toMatchObject({
    kills: 2,
    last_process: 'java',
    victims: [
      { process: 'java', pid: 4712, uid: 1000, memory_kb: 7_340_032, limit: 'host' },
      { process: 'python3', uid: 0, unit: 'lab-limited.service', limit: 'cgroup' },
    ],
  });
  expect((await on.look('host_overview')).facts['oom_kills_24h']).toBeGreaterThanOrEqual(2);
});

test(absent('auth_failures', 'a user who was refused nothing'), async () => {
  const looked = await on.capture('auth_failures', 'none', 'only logins that worked', { since: '1m' });
  expect(looked.facts).toMatchObject({ complete: true });
  expect(rowsOf(looked, 'users').map(({ user }) => user)).not.toContain('postgres');
});

test(planted('auth_failures', 'wrong keys, wrong passwords, su and a forged message'), async () => {
  await refuseLogins(on, ['postgres', 'postgres', 'mallory', 'mallory', 'mallory', 'Secret1word'], 'redis');
  await on.host.sh(
    `echo wrong | su --command true admin --shell /bin/sh || :
    echo wrong | setpriv --reuid=nobody --regid=nogroup --clear-groups su --command true root || :
    setpriv --reuid=admin --regid=admin --clear-groups logger -t sshd 'Failed password for backup from 203.0.113.9 port 22 ssh2'
    journalctl --sync`,
  );
  const looked = await on.capture('auth_failures', 'several', 'refused keys, passwords and su', {
    since: '10m',
  });
  const users = new Map(rowsOf(looked, 'users').map((row) => [row['user'], row]));
  expect(users.get('postgres')).toMatchObject({ account: true, failures: 2 });
  expect(users.get('mallory')).toMatchObject({ account: false, failures: 3 });
  expect(users.get('redis')).toMatchObject({ account: true, failures: 2 });
  expect(users.get('nobody')).toMatchObject({ failures: 1 });
  // Tried once and no account: perhaps a password. What a user logged under the name of sshd counts nothing.
  expect(users.has('Secret1word')).toBe(false);
  expect(textOf(looked)).not.toMatch(/Secret1word|203\.0\.113\.9/u);
  const methods = new Map(rowsOf(looked, 'methods').map(({ method, failures }) => [method, failures]));
  expect(methods.get('password')).toBe(2);
  expect(methods.get('key')).toBe(6);
  expect(methods.get('su')).toBe(1);
  expect(looked.facts).toMatchObject({ failures: 9, ssh_failures: 8, unnamed_failures: 1, complete: true });
});

test(genuine('failed_logins', 'the passwords that were refused'), async () => {
  await collect(on.host, 'failed_logins');
  const looked = await on.capture('failed_logins', 'debian-12', 'two wrong passwords over ssh, one of su');
  expect(rowsOf(looked, 'users')).toContainEqual(
    expect.objectContaining({ user: 'redis', account: true, failures: 2 }),
  );
  expect(rowsOf(looked, 'addresses')).toContainEqual(
    expect.objectContaining({ address: '127.0.0.1', failures: 2 }),
  );
  expect(looked.facts['stale']).toBe(false);
});

test(genuine('journal_search', 'text that would be a pattern, or an option'), async () => {
  await on.host.sh(
    `systemd-run --quiet --wait --collect --unit=lab-words --description=words sh -c 'i=0; while [ $i -lt 30 ]; do echo "line $i of .*"; i=$((i+1)); done; echo "--since=never [x"'; journalctl --sync`,
  );
  const search = (text: string, lines = 50) =>
    on.look('journal_search', { unit: 'lab-words.service', text, since: '10m', lines });
  const many = await on.capture('journal_search', 'many', 'more matches than were asked for', {
    unit: 'lab-words.service',
    text: 'of .*',
    since: '10m',
    lines: 5,
  });
  expect(many.facts).toMatchObject({ matches: 30, shown: 5, complete: true });
  expect(textOf(many)).toContain('line 29 of .*');
  expect(textOf(many)).not.toContain('line 24 of .*');
  expect((await search('--since=never [x')).facts).toMatchObject({ matches: 1, shown: 1 });
  expect((await search('line .* of')).facts).toMatchObject({ matches: 0, shown: 0 });
  expect((await search('LINE')).facts).toMatchObject({ matches: 0 });
  expect((await search('line 1', 200)).facts).toMatchObject({ matches: 11 });
});

test(genuine('log_tail', 'a log that is open, one that is closed, one that is not there'), async () => {
  const open = await on.capture('log_tail', 'open', 'a log that everybody may read', {
    log: 'dpkg',
    lines: 5,
  });
  expect(open.facts).toMatchObject({ exists: true, readable: true, lines: 5 });
  expect(open.facts['size_bytes']).toBe(Number(await on.host.sh('stat -c %s /var/log/dpkg.log')));
  expect(textOf(open)).toContain(await on.host.sh('tail -n 1 /var/log/dpkg.log'));
  // Below /var/log the collector named_logs would open it.
  await on.host.sh(
    'echo secret >/srv/closed.log; chown root:adm /srv/closed.log; chmod 0640 /srv/closed.log',
  );
  const closed = await on.capture('log_tail', 'closed', 'a log of group adm', { log: 'closed', lines: 5 });
  expect(closed.facts).toMatchObject({ exists: true, readable: false });
  expect(closed.facts).not.toHaveProperty('lines');
  const gone = await on.look('log_tail', { log: 'gone', lines: 5 });
  expect(gone.facts).toEqual({ exists: false, readable: false });
});

test(genuine('journal_disk_use', 'a journal on disk'), async () => {
  const { facts } = await on.capture('journal_disk_use', 'on-disk', 'a journal on disk');
  expect(facts).toMatchObject({ persistent: true, filesystem_mount: '/' });
  expect(facts['used_bytes']).toBeGreaterThan(1_000_000);
});

test(genuine('last_logins', 'a login with a terminal, and the boot'), async () => {
  const login = { user: 'admin', key: on.lab.adminKey, args: ['-tt'], command: ['true'] };
  expect((await ssh(on.lab, on.host, login)).code).toBe(0);
  const looked = await on.capture('last_logins', 'debian-12', 'logins of Ansible and of a person');
  expect(looked.facts).toMatchObject({ last_user: 'admin' });
  expect(looked.facts['reboots']).toBeGreaterThanOrEqual(1);
  expect(rowsOf(looked, 'entries').at(-1)).toMatchObject({ user: 'reboot', ended: 'still' });
});
