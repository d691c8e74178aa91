import { afterAll, beforeAll, expect, test } from 'vitest';
import type { FactRow } from '../../../src/catalog/types.ts';
import { collect } from './collect.ts';
import { lookingLab, rowsOf, textOf, type Looked, type LookingLab } from './looking.ts';
import { absent, genuine, planted } from './proof.ts';

let on: LookingLab;
const BROKEN = 'lab-broken.service';

beforeAll(async () => {
  on = await lookingLab({ software: 'instances' });
  const unit = (path: string, text: string): Promise<void> =>
    on.host.writeFile(`/etc/systemd/system/${path}`, text);
  await unit(
    BROKEN,
    "[Service]\nType=oneshot\nRestart=no\nLimitNOFILE=777\nEnvironment=LAB_WORD=hunter2\nExecStart=/bin/sh -c 'echo the ledger cannot be opened; exit 3'\n",
  );
  await unit('lab-needy.service', `[Unit]\nWants=${BROKEN}\n[Service]\nExecStart=/usr/bin/sleep infinity\n`);
  await unit('lab-broken.timer', '[Timer]\nOnCalendar=2040-01-01\n[Install]\nWantedBy=timers.target\n');
  await on.host.sh('systemctl daemon-reload; systemctl start cron.service lab-broken.timer');
});

afterAll(async () => {
  await on?.lab.down();
});

const rowOf = (looked: Looked, name: string, column: string, value: string): FactRow | undefined =>
  rowsOf(looked, name).find((row) => row[column] === value);

/** Returns when the unit has failed; the start command itself says so of a oneshot. */
const breakIt = (): Promise<unknown> => on.host.run(['systemctl', 'start', BROKEN]);
const mend = (): Promise<string> => on.host.sh(`systemctl reset-failed ${BROKEN} || :`);

test(absent('failed_units', 'a unit that has not run'), async () => {
  await mend();
  const looked = await on.capture('failed_units', 'none', 'no unit has failed');
  expect(rowOf(looked, 'units', 'unit', BROKEN)).toBeUndefined();
  expect(looked.facts['count']).toBe(rowsOf(looked, 'units').length);
});

test(planted('failed_units', 'a service that ends with 3'), async () => {
  await breakIt();
  const looked = await on.capture('failed_units', 'one', 'a service ended with exit code 3');
  expect(rowOf(looked, 'units', 'unit', BROKEN)).toMatchObject({ active: 'failed', sub: 'failed' });
});

test(absent('unit_status', 'a service that runs'), async () => {
  const { facts } = await on.capture('unit_status', 'running', 'a service that runs', {
    unit: 'cron.service',
  });
  expect(facts).toMatchObject({ active_state: 'active', sub_state: 'running', result: 'success' });
  expect(facts['main_pid']).toBeGreaterThan(1);
});

test(planted('unit_status', 'a service that ends with 3'), async () => {
  await breakIt();
  const looked = await on.capture('unit_status', 'failed', 'a service ended with exit code 3', {
    unit: BROKEN,
  });
  expect(looked.facts).toMatchObject({ active_state: 'failed', result: 'exit-code', exit_status: 3 });
  expect(textOf(looked)).not.toContain('hunter2');
});

test(absent('unit_journal', 'a unit that says nothing'), async () => {
  const { facts } = await on.capture('unit_journal', 'silent', 'a unit that logged nothing', {
    unit: 'lab-silent.service',
  });
  expect(facts).toEqual({ lines: 0, entries: 0 });
});

test(planted('unit_journal', 'what a service said before it failed'), async () => {
  await breakIt();
  const looked = await on.capture('unit_journal', 'failed', 'a service that failed', {
    unit: BROKEN,
    lines: 10,
  });
  expect(textOf(looked)).toContain('the ledger cannot be opened');
  expect(looked.facts['entries']).toBeGreaterThan(2);
});

test(genuine('unit_list', 'services that run, and those that failed'), async () => {
  await breakIt();
  const running = await on.capture('unit_list', 'running', 'services that run', { state: 'running' });
  expect(rowOf(running, 'units', 'unit', 'cron.service')).toMatchObject({ sub: 'running' });
  expect(rowOf(running, 'units', 'unit', BROKEN)).toBeUndefined();
  const failed = await on.look('unit_list', { state: 'failed' });
  expect(rowOf(failed, 'units', 'unit', BROKEN)).toBeDefined();
});

test(genuine('unit_properties', 'limits and restarts, and no environment'), async () => {
  const cron = await on.capture('unit_properties', 'cron', 'a service as Debian ships it', {
    unit: 'cron.service',
  });
  expect(cron.facts).toMatchObject({ restart: 'on-failure', kill_mode: 'process', protect_system: 'no' });
  const broken = await on.look('unit_properties', { unit: BROKEN });
  expect(broken.facts).toMatchObject({ type: 'oneshot', open_files_limit: '777' });
  expect(textOf(broken)).not.toContain('hunter2');
});

test(genuine('unit_dependencies', 'a service that wants one that failed'), async () => {
  await breakIt();
  const looked = await on.capture('unit_dependencies', 'one-failed', 'it wants a service that failed', {
    unit: 'lab-needy.service',
  });
  expect(looked.facts).toMatchObject({ load_state: 'loaded', failed_needs: 1, failed: [{ unit: BROKEN }] });
  expect(rowsOf(looked, 'units')[0]).toEqual({ unit: BROKEN, relation: 'Wants', failed: true });
  expect(looked.facts['needs']).toBeGreaterThan(5);
  const cron = await on.look('unit_dependencies', { unit: 'cron.service' });
  expect(rowsOf(cron, 'units')).toContainEqual({
    unit: 'multi-user.target',
    relation: 'WantedBy',
    failed: false,
  });
  const none = await on.look('unit_dependencies', { unit: 'lab-nowhere.service' });
  expect(none.facts).toMatchObject({ load_state: 'not-found', needs: 0 });
});

test(genuine('timers', 'a timer whose service failed comes first'), async () => {
  await breakIt();
  const looked = await on.capture('timers', 'one-failed', 'the service of one timer has failed');
  expect(looked.facts['failed']).toBe(1);
  expect(rowsOf(looked, 'timers')[0]).toMatchObject({
    timer: 'lab-broken.timer',
    starts: BROKEN,
    failed: true,
    next_run: '2040-01-01T00:00:00Z',
  });
  expect(rowOf(looked, 'timers', 'timer', 'logrotate.timer')).toMatchObject({ failed: false });
});

test(genuine('socket_units', 'what systemd listens on'), async () => {
  await on.host.writeFile(
    '/etc/systemd/system/lab-door.socket',
    '[Socket]\nListenStream=127.0.0.1:4711\nAccept=no\n',
  );
  await on.host.writeFile(
    '/etc/systemd/system/lab-door.service',
    '[Service]\nExecStart=/usr/bin/sleep 9999\n',
  );
  await on.host.sh('systemctl daemon-reload; systemctl start lab-door.socket');
  const looked = await on.capture('socket_units', 'debian-12', 'one network port besides what Debian has');
  expect(rowsOf(looked, 'sockets')).toContainEqual({
    listen: '127.0.0.1:4711',
    unit: 'lab-door.socket',
    starts: 'lab-door.service',
  });
  const isNetwork = ({ listen }: FactRow): boolean => !String(listen).startsWith('/');
  expect(looked.facts['network']).toBeGreaterThanOrEqual(1);
  expect(rowsOf(looked, 'sockets').slice(0, Number(looked.facts['network'])).every(isNetwork)).toBe(true);
  await on.host.sh('systemctl stop lab-door.socket');
});

test(genuine('core_dumps', 'a dump that systemd-coredump kept'), async () => {
  const none = await on.capture('core_dumps', 'none', 'nothing crashed', { since: '60s' });
  expect(none.facts).toMatchObject({ count: 0, last_time: 'none', crashes: [] });
  // The kernel of the machine hands its dumps to the machine: what it would say is said by hand.
  await on.host.sh(
    'sleep 300 & p=$!; head -c 4096 /dev/zero | /lib/systemd/systemd-coredump $p 0 0 11 $(date +%s) 18446744073709551615 h1; kill $p; until coredumpctl list --json=short | grep -q sleep; do :; done',
  );
  const looked = await on.capture('core_dumps', 'one', 'a program died of a bad address');
  expect(rowOf(looked, 'crashes', 'program', '/usr/bin/sleep')).toMatchObject({
    signal: 11,
    uid: 0,
    dump: 'inaccessible', // to the reader account
  });
  expect(looked.facts['last_program']).toBe('/usr/bin/sleep');
});

test(genuine('cron_jobs', 'a job of a user that ran, without its command'), async () => {
  await on.host.writeFile(
    '/etc/cron.d/lab',
    'PATH=/usr/bin\n* * * * * root /usr/bin/true --password hunter2\n17 3 * * 1-5 nobody cd / && true\n',
  );
  await on.host.sh(
    'printf "@daily /usr/local/bin/report hunter3\\n" >/var/spool/cron/crontabs/admin; chown admin:crontab /var/spool/cron/crontabs/admin; chmod 0600 /var/spool/cron/crontabs/admin',
  );
  // As cron logs a start, by root and under its name; waiting for the minute to turn would take one.
  await on.host.sh('logger -t CRON -- "(root) CMD (/usr/bin/true --password hunter2)"; journalctl --sync');
  await collect(on.host, 'cron_jobs');
  const looked = await on.capture('cron_jobs', 'debian-12', 'jobs of the lab besides those of Debian');
  expect(rowsOf(looked, 'jobs')).toContainEqual(
    expect.objectContaining({
      file: 'cron.d/lab',
      line: 2,
      user: 'root',
      program: 'true',
      last_run: expect.any(String),
    }),
  );
  expect(rowsOf(looked, 'jobs')).toContainEqual({
    file: 'cron.d/lab',
    line: 3,
    schedule: '17 3 * * 1-5',
    user: 'nobody',
  });
  expect(rowsOf(looked, 'jobs')).toContainEqual({
    file: 'user',
    line: 1,
    schedule: '@daily',
    user: 'admin',
    program: 'report',
  });
  expect(textOf(looked)).not.toMatch(/hunter|cd \//u);
  expect(looked.facts['stale']).toBe(false);
});
