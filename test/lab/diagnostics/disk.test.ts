import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { lookingLab, type LookingLab } from './looking.ts';
import { absent, planted } from './proof.ts';
import { smallDisk } from './small-disk.ts';

let on: LookingLab;

beforeAll(async () => {
  on = await lookingLab({ software: 'instances' });
});

afterAll(async () => {
  await on?.lab.down();
});

/** Mounts it, and gives its mount point. */
const mountSmallDisk = async (name: string): Promise<string> => {
  await on.host.sh(smallDisk(name));
  return `/srv/${name}`;
};

type Row = Readonly<Record<string, unknown>>;
const rowOf = (rows: unknown, column: string, value: string): Row | undefined =>
  (rows as readonly Row[]).find((row) => row[column] === value);

describe('disk_usage', () => {
  test(absent('disk_usage', 'a filesystem with room'), async () => {
    const mount = await mountSmallDisk('roomy');
    const { facts } = await on.capture('disk_usage', 'debian-12', 'one small filesystem that is empty');
    expect(rowOf(facts['filesystems'], 'mount', mount)).toMatchObject({
      size_bytes: 8 * 1024 * 1024,
      used_percent: 0,
    });
    expect(facts['fullest_percent']).toBeLessThan(100);
  });

  test(planted('disk_usage', 'a full disk'), async () => {
    const mount = await mountSmallDisk('full');
    await on.host.run(['dd', 'if=/dev/zero', `of=${mount}/file`, 'bs=64k']);
    const { facts } = await on.capture('disk_usage', 'full', 'a filesystem without a free byte');
    expect(facts).toMatchObject({ fullest_mount: mount, fullest_percent: 100 });
  });

  test(planted('disk_usage', 'full inodes'), async () => {
    const mount = await mountSmallDisk('many');
    await on.host.run(['sh', '-c', `i=0; while : >${mount}/$i; do i=$((i + 1)); done`]);
    const { facts } = await on.capture('disk_usage', 'inodes', 'a filesystem with room and without inodes');
    expect(facts).toMatchObject({ fewest_inodes_mount: mount, fewest_inodes_percent: 100 });
    expect(Number(rowOf(facts['filesystems'], 'mount', mount)?.['used_percent'])).toBeLessThan(20);
  });
});

describe('disk_growth', () => {
  test(planted('disk_growth', 'a program that fills a disk'), async () => {
    const mount = await mountSmallDisk('grows');
    // Some 40 kB a second into 8 MB, for longer than anybody looks.
    const unit = ['--unit=lab-grows', '--collect', '--quiet'];
    const loop = `while :; do head -c 20000 /dev/zero >>${mount}/log; sleep 0.5; done`;
    await on.host.run(['systemd-run', ...unit, '/bin/sh', '-c', loop]);
    const { facts } = await on.capture('disk_growth', 'growing', 'one filesystem that grows', { seconds: 4 });
    await on.host.run(['systemctl', 'stop', 'lab-grows']);
    const row = rowOf(facts['filesystems'], 'mount', mount);
    expect(row?.['bytes_per_second']).toBeGreaterThan(0);
    expect(row?.['full_in_seconds']).toBeLessThan(8 * 1024 * 1024);
    expect(facts['growing']).toBeGreaterThan(0);
  });

  test(absent('disk_growth', 'a disk to which nobody writes'), async () => {
    const mount = await mountSmallDisk('rests');
    const { facts } = await on.look('disk_growth', { seconds: 1 });
    expect(facts['seconds']).toBeGreaterThan(0);
    expect(rowOf(facts['filesystems'], 'mount', mount)).toBeUndefined();
  });
});

describe('mounts', () => {
  const fstab = (lines: string): Promise<void> => on.host.writeFile('/etc/fstab', lines);

  test(absent('mounts', 'everything of fstab is mounted as it says'), async () => {
    await on.host.sh('mkdir -p /srv/kept /srv/read /srv/by-hand');
    await fstab(
      'tmpfs /srv/kept tmpfs size=1m 0 0\ntmpfs /srv/read tmpfs ro,size=1m 0 0\ntmpfs /srv/by-hand tmpfs noauto 0 0\n',
    );
    await on.host.sh('mount /srv/kept && mount /srv/read');
    const { facts } = await on.capture('mounts', 'debian-12', 'fstab and mounts agree');
    expect(facts).toMatchObject({
      missing: 0,
      missing_targets: 'none',
      turned_read_only: 0,
      other_source: 0,
    });
    expect(rowOf(facts['fstab'], 'target', '/srv/by-hand')).toMatchObject({ state: 'not_automatic' });
    expect(rowOf(facts['mounts'], 'target', '/srv/read')).toMatchObject({ read_only: true, in_fstab: true });
  });

  test(planted('mounts', 'a mount that is broken and one that turned read-only'), async () => {
    await on.host.sh('mkdir -p /srv/broken && mount -o remount,ro /srv/kept');
    await fstab(
      '/dev/lab-gone /srv/broken ext4 defaults 0 2\ntmpfs /srv/kept tmpfs size=1m 0 0\ntmpfs /srv/read tmpfs ro,size=1m 0 0\n',
    );
    const { facts } = await on.capture('mounts', 'broken', 'one is not mounted and one turned read-only');
    expect(facts).toMatchObject({
      missing: 1,
      missing_targets: '/srv/broken',
      turned_read_only: 1,
      turned_read_only_targets: '/srv/kept',
    });
    await on.host.sh('mount -o remount,rw /srv/kept');
    expect((await on.look('mounts')).facts).toMatchObject({ turned_read_only: 0 });
  });
});
