import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LabHost } from '../lab.ts';
import { collect } from './collect.ts';
import { lookingLab, type LookingLab } from './looking.ts';
import { absent, planted } from './proof.ts';

let on: LookingLab;
let host: LabHost;

beforeAll(async () => {
  on = await lookingLab({
    software: 'instances',
    names: {
      tree: {
        backups: '/srv/backups',
        stopped: '/srv/stopped',
        closed: '/srv/closed',
        nowhere: '/srv/nowhere',
        restores: '/srv/restores',
        failing: '/srv/failing',
      },
    },
  });
  ({ host } = on);
  // Three nights of two backups each, the last one an hour ago.
  await host.sh(`
    mkdir -p /srv/backups/files /srv/stopped /srv/closed/in /srv/restores /srv/failing
    chmod 0700 /srv/closed
    for day in 2 1 0; do
      head -c 100000 /dev/zero >/srv/backups/db-2026-11-2$day.dump
      touch -d "$day days ago -1 hour" /srv/backups/db-2026-11-2$day.dump
      head -c 500000 /dev/zero >/srv/backups/files/home-2$day.tar
      touch -d "$day days ago -1 hour" /srv/backups/files/home-2$day.tar
    done
    ln -s /etc /srv/backups/etc
    cp -a /srv/backups/. /srv/stopped/`);
});

afterAll(async () => {
  await on?.lab.down();
});

describe('backup_age', () => {
  test(absent('backup_age', 'two backups that were made an hour ago'), async () => {
    const { status, facts } = await on.capture('backup_age', 'fresh', 'two series, three nights', {
      tree: 'backups',
    });
    expect(status).toBe('ok');
    expect(facts).toMatchObject({
      state: 'ok',
      files: 6,
      bytes: 1_800_000,
      change_percent: 0,
      unreadable: 0,
      complete: true,
    });
    for (const fact of ['newest_age_seconds', 'stalest_series_age_seconds']) {
      expect(facts[fact]).toBeGreaterThanOrEqual(3_600);
      expect(facts[fact]).toBeLessThan(7_200);
    }
  });

  test(planted('backup_age', 'one of two backups stopped and the other one is empty'), async () => {
    // The night of one series is missing; the newest of the other is there and holds nothing.
    await host.sh(`rm /srv/stopped/db-2026-11-20.dump /srv/stopped/db-2026-11-21.dump
      touch -d '50 hours ago' /srv/stopped/db-2026-11-22.dump
      : >/srv/stopped/files/home-23.tar`);
    const { facts } = await on.capture('backup_age', 'stopped', 'one series stopped, one is empty', {
      tree: 'stopped',
    });
    expect(facts).toMatchObject({
      state: 'ok',
      newest: 'files/home-23.tar',
      newest_bytes: 0,
      change_percent: -100,
    });
    expect(facts['stalest_series_age_seconds']).toBeGreaterThanOrEqual(50 * 3_600);
    expect(facts['series']).toMatchObject([
      { newest: 'db-2026-11-22.dump', files: 1 },
      { newest: 'files/home-23.tar', files: 4, usual_bytes: 500_000, change_percent: -100 },
    ]);
  });

  test('a folder that is not there, is empty, or may not be looked into says so', async () => {
    expect((await on.look('backup_age', { tree: 'nowhere' })).facts).toEqual({ state: 'missing' });
    expect((await on.look('backup_age', { tree: 'closed' })).facts).toEqual({ state: 'unreadable' });
    expect((await on.look('backup_age', { tree: 'failing' })).facts).toMatchObject({
      state: 'empty',
      files: 0,
    });
    // A folder in it that is closed is counted, and the rest is read.
    await host.sh('chmod 0755 /srv/closed && chmod 0700 /srv/closed/in && touch /srv/closed/a-1.dump');
    expect((await on.look('backup_age', { tree: 'closed' })).facts).toMatchObject({
      files: 1,
      unreadable: 1,
    });
  });
});

describe('restore_test', () => {
  const marker = async (path: string, text: string, age: string): Promise<void> => {
    await host.writeFile(path, text);
    await host.run(['touch', '-d', age, path]);
  };

  test(absent('restore_test', 'a restore that worked yesterday'), async () => {
    const text = '{"ok":true,"source":"restic:files","seconds":212,"bytes":500000}\n';
    await marker('/srv/restores/files.json', text, '1 day ago');
    const { facts } = await on.capture('restore_test', 'worked', 'one marker', { tree: 'restores' });
    expect(facts).toMatchObject({
      state: 'ok',
      count: 1,
      failed: 0,
      unreadable: 0,
      tests: [{ name: 'files', ok: true, source: 'restic:files', seconds: 212, bytes: 500_000 }],
    });
    expect(facts['last_success_age_seconds']).toBeGreaterThanOrEqual(86_400);
    expect(facts['last_success_age_seconds']).toBeLessThan(90_000);
  });

  test(planted('restore_test', 'a restore that failed, and a marker that is none'), async () => {
    await marker('/srv/failing/db.json', '{"ok":false,"source":"pgbackrest:main"}\n', '2 hours ago');
    await marker('/srv/failing/files.json', '{"ok":true}\n', '40 days ago');
    await marker('/srv/failing/torn.json', '{"ok":tr', '1 hour ago');
    await host.sh('ln -s /etc/hostname /srv/failing/link.json');
    const { facts } = await on.capture('restore_test', 'failed', 'one failed', { tree: 'failing' });
    expect(facts).toMatchObject({
      count: 2,
      failed: 1,
      unreadable: 2,
      tests: [
        { name: 'db', ok: false },
        { name: 'files', ok: true },
      ],
    });
    expect(facts['stalest_age_seconds']).toBeGreaterThanOrEqual(40 * 86_400);
  });

  test('no marker at all', async () => {
    expect((await on.look('restore_test', { tree: 'nowhere' })).facts).toEqual({ state: 'missing' });
    expect((await on.look('restore_test', { tree: 'backups' })).facts).toMatchObject({ state: 'empty' });
  });
});

/** What the timer does every hour. */
const collectBackups = (): Promise<void> => collect(host, 'backups');

const configure = (name: string, fields: Readonly<Record<string, string>>): Promise<void> =>
  host.writeFile(
    `/etc/mcp-pra/backups/${name}.conf`,
    Object.entries(fields)
      .map(([key, value]) => `${key}=${value}\n`)
      .join(''),
    0o600,
  );

const SECRET = 'correct horse battery';

/** Nothing that a reader gets may hold it. */
const expectNoSecret = async (): Promise<void> => {
  const written = await host.readFile('/run/mcp-pra/facts/backups.json');
  for (const hidden of [SECRET, '/srv/', '/etc/lab', 'home-2']) expect(written).not.toContain(hidden);
};

test('a host without such repositories', async () => {
  await collectBackups();
  for (const name of ['restic_snapshots', 'borg_archives', 'pgbackrest_info'])
    expect((await on.look(name)).status).toBe('not_present');
});

describe('restic_snapshots', () => {
  const restic = (line: string): Promise<string> =>
    host.sh(`restic --no-cache --repo /srv/restic --password-file /etc/lab/restic ${line}`);

  test(absent('restic_snapshots', 'a snapshot was taken now, and tried'), async () => {
    await host.writeFile('/etc/lab/restic', `${SECRET}\n`, 0o600);
    await restic('init');
    await restic('backup --quiet --time "2026-01-01 00:00:00" /srv/backups/files');
    await restic('backup --quiet /srv/backups');
    await host.writeFile('/srv/restores/restic.json', '{"ok":true}\n');
    await configure('nightly', {
      kind: 'restic',
      repository: '/srv/restic',
      password_file: '/etc/lab/restic',
      restore_marker: '/srv/restores/restic.json',
      check_marker: '/srv/restores/none.json',
    });
    await collectBackups();
    const { facts } = await on.capture('restic_snapshots', 'two', 'two snapshots, the newest now');
    expect(facts).toMatchObject({
      stale: false,
      failing: 0,
      repositories: [
        {
          name: 'nightly',
          state: 'ok',
          count: 2,
          bytes: 1_800_000,
          change_percent: 20,
          restore_test_ok: true,
        },
      ],
    });
    expect(facts['oldest_age_seconds']).toBeLessThan(600);
    expect((facts['repositories'] as readonly object[])[0]).not.toHaveProperty('check_ok');
    await expectNoSecret();
  });

  test(
    planted('restic_snapshots', 'the newest snapshot is three days old, and another repository is gone'),
    async () => {
      await restic('forget --quiet latest');
      await restic('backup --quiet --time "$(date -u -d "3 days ago" "+%F %T")" /srv/backups');
      await configure('offsite', {
        kind: 'restic',
        repository: '/srv/gone',
        password_file: '/etc/lab/restic',
      });
      await collectBackups();
      const { facts } = await on.capture(
        'restic_snapshots',
        'stopped',
        'three days old, and one that is gone',
      );
      expect(facts).toMatchObject({
        failing: 1,
        repositories: [
          { name: 'offsite', state: 'it could not be read' },
          { name: 'nightly', state: 'ok', count: 2 },
        ],
      });
      expect(facts['oldest_age_seconds']).toBeGreaterThanOrEqual(3 * 86_400 - 60);
      await expectNoSecret();
    },
  );
});

describe('borg_archives', () => {
  const borg = (line: string): Promise<string> => host.sh(`BORG_PASSPHRASE='${SECRET}' borg ${line}`);

  test(absent('borg_archives', 'an archive was made now'), async () => {
    await host.writeFile('/etc/lab/borg', `${SECRET}\n`, 0o600);
    await borg('init --encryption=repokey /srv/borg');
    await borg('create /srv/borg::one /srv/backups/files');
    await borg('create /srv/borg::two /srv/backups');
    await configure('borg', { kind: 'borg', repository: '/srv/borg', password_file: '/etc/lab/borg' });
    await collectBackups();
    const { facts } = await on.capture('borg_archives', 'two', 'two archives, the newest now');
    expect(facts).toMatchObject({ failing: 0, repositories: [{ name: 'borg', state: 'ok', count: 2 }] });
    expect(facts['oldest_age_seconds']).toBeLessThan(600);
    await expectNoSecret();
  });

  test(
    planted('borg_archives', 'the newest archive is three days old; then the password is wrong'),
    async () => {
      await borg('delete /srv/borg::one /srv/borg::two');
      await borg('delete /srv/borg::two || :');
      await borg(`create --timestamp "$(date -u -d '3 days ago' +%FT%T)" /srv/borg::old /srv/backups`);
      await collectBackups();
      const { facts } = await on.capture('borg_archives', 'stopped', 'the newest is three days old');
      expect(facts['oldest_age_seconds']).toBeGreaterThanOrEqual(3 * 86_400 - 60);
      await host.writeFile('/etc/lab/borg', 'wrong\n', 0o600);
      await collectBackups();
      expect((await on.look('borg_archives')).facts).toMatchObject({
        failing: 1,
        repositories: [{ name: 'borg', state: 'it could not be read' }],
      });
      await host.writeFile('/etc/lab/borg', `${SECRET}\n`, 0o600);
    },
  );
});

describe('pgbackrest_info', () => {
  const asPostgres = (line: string): Promise<string> =>
    host.sh(`runuser -u postgres -- ${line}`, { timeoutMs: 300_000 });

  test(absent('pgbackrest_info', 'a full backup was taken now'), async () => {
    await host.writeFile(
      '/etc/pgbackrest.conf',
      '[global]\nrepo1-path=/var/lib/pgbackrest\nstart-fast=y\n[main]\npg1-path=/var/lib/postgresql/15/main\n',
    );
    await host.writeFile(
      '/etc/postgresql/15/main/conf.d/archive.conf',
      "archive_mode = on\narchive_command = 'pgbackrest --stanza=main archive-push %p'\n",
    );
    await host.sh(
      'install -d -o postgres -g postgres /var/lib/pgbackrest && systemctl start postgresql@15-main.service',
    );
    await asPostgres('pgbackrest --stanza=main --log-level-console=warn stanza-create');
    await asPostgres('pgbackrest --stanza=main --log-level-console=warn --type=full backup');
    await configure('main', { kind: 'pgbackrest', stanza: 'main' });
    await collectBackups();
    const { facts } = await on.capture('pgbackrest_info', 'full', 'a stanza with one full backup');
    expect(facts).toMatchObject({
      failing: 0,
      repositories: [{ name: 'main', state: 'ok', count: 1, status: 'ok' }],
    });
    expect(facts['oldest_age_seconds']).toBeLessThan(600);
  });

  test(planted('pgbackrest_info', 'a stanza that holds no backup'), async () => {
    await asPostgres('pgbackrest --stanza=main --log-level-console=warn stop');
    await host.sh('systemctl stop postgresql@15-main.service');
    await asPostgres('pgbackrest --stanza=main --log-level-console=warn --force stanza-delete');
    await collectBackups();
    const { facts } = await on.capture('pgbackrest_info', 'deleted', 'the stanza was deleted');
    expect(facts).toMatchObject({ failing: 1 });
    expect((facts['repositories'] as readonly { readonly state: string }[])[0]?.state).not.toBe('ok');
  });
});

test('a configuration that others can read, or that has a password in its place, is not used', async () => {
  await configure('open', { kind: 'restic', repository: '/srv/restic', password_file: '/etc/lab/restic' });
  await host.sh('chmod 0644 /etc/mcp-pra/backups/open.conf');
  await configure('inline', {
    kind: 'restic',
    repository: 'rest:https://me:hunter2@backup.example/x',
    password_file: '/etc/lab/restic',
  });
  await collectBackups();
  const written = await host.readFile('/run/mcp-pra/facts/backups.json');
  expect(written).not.toContain('hunter2');
  expect((JSON.parse(written) as { unknown: unknown }).unknown).toEqual([
    { name: 'inline', state: 'its configuration is wrong at repository' },
    { name: 'open', state: "its configuration must be root's own, mode 0600" },
  ]);
});
