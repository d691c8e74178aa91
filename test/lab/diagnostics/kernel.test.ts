import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { collect } from './collect.ts';
import { lookingVm, type LookingVm } from './looking-vm.ts';
import { absent, genuine, planted } from './proof.ts';

// What a container cannot show, on a machine with a kernel of its own: one CPU, 1 GB of memory, and spare disks.

let on: LookingVm;

// One virtual machine at a time: another file may have it first.
beforeAll(async () => {
  on = await lookingVm();
}, 1_800_000);

afterAll(async () => {
  await on?.lab.down();
});

/** Runs a Python line as a service of its own until somebody stops it. It gives way to whoever looks. */
const service = async (name: string, line: string, ...properties: readonly string[]): Promise<void> => {
  const options = properties.map((property) => `--property=${property}`);
  const argv = ['systemd-run', '--quiet', '--nice=19', `--unit=${name}`, ...options];
  const { code, stderr } = await on.host.run([...argv, '/usr/bin/python3', '-ISc', line]);
  if (code !== 0) throw new Error(stderr);
};

const stop = (name: string): Promise<string> => on.host.sh(`systemctl stop ${name}`);

/**
 * Looks until a fact is as wanted; the time limit of the test ends it otherwise. Looking is work for an emulated processor: more
 * often, and the host would be busy with that alone.
 */
const until = async (look: () => Promise<boolean>): Promise<void> => {
  while (!(await look())) await pause(3_000);
};

/** The same for a condition of the shell, inside. */
const untilTrue = (condition: string): Promise<string> =>
  on.host.sh(`until ${condition}; do sleep 1; done`, { timeoutMs: 580_000 });

const EIGHT_BUSY = 'import os\n[os.fork() for _ in range(3)]\nwhile True: pass';
/** By and by: the kernel refuses at once whoever wants more than there can be. */
const eats = (megabytes: number): string =>
  `import time\nkept = []\nwhile len(kept) < ${String(megabytes / 4)}: kept.append(b"x" * (4 << 20))\ntime.sleep(100000)`;

describe('a host with nothing to do', () => {
  test(
    absent('uptime', 'no more work than CPUs'),
    async () => {
      await untilTrue("grep -q '^0\\.[0-7]' /proc/loadavg");
      const { facts } = await on.capture('uptime', 'debian-12-vm', 'a machine with nothing to do');
      expect(facts['cpus']).toBe(1);
      expect(facts['load_1m']).toBeLessThan(1);
      expect(facts['uptime_seconds']).toBeLessThanOrEqual(
        Number(await on.host.sh('cut -d. -f1 /proc/uptime')),
      );
      expect(facts['uptime_seconds']).toBeGreaterThan(0);
    },
    600_000,
  );

  test(absent('pressure', 'nobody waits for memory, and few for the CPU'), async () => {
    await until(async () => Number((await on.look('pressure')).facts['cpu_some_percent']) < 50);
    const { facts } = await on.capture('pressure', 'debian-12-vm', 'a machine with little to do');
    expect(facts).toMatchObject({ memory_full_percent: 0, memory_some_percent: 0 });
    expect(facts['cpu_some_percent']).toBeLessThan(50);
  });

  test(absent('memory', 'most of it is free'), async () => {
    const { facts } = await on.capture('memory', 'debian-12-vm', 'a machine of 1 GB with little to do');
    expect(facts['available_percent']).toBeGreaterThan(60);
    expect(facts['swap_total_kb']).toBe(0);
  });

  test(absent('oom_kills', 'nobody was killed'), async () => {
    const { facts } = await on.look('oom_kills');
    expect(facts).toEqual({ kills: 0, since_boot: 0, victims: [] });
    expect((await on.look('kernel_messages')).facts).toMatchObject({ oom_kills: 0 });
  });
});

describe('a host with too much to do', () => {
  test(
    planted('uptime', 'eight processes that want one CPU'),
    async () => {
      await service('lab-busy', EIGHT_BUSY);
      await untilTrue("grep -q '^[2-9]\\.' /proc/loadavg");
      const { facts } = await on.capture('uptime', 'busy', 'eight processes that want one CPU');
      expect(facts['load_1m']).toBeGreaterThanOrEqual(2);
      expect(facts['cpus']).toBe(1);
    },
    600_000,
  );

  test(planted('pressure', 'eight processes that want one CPU'), async () => {
    await until(async () => Number((await on.look('pressure')).facts['cpu_some_percent']) > 80);
    const { facts } = await on.capture('pressure', 'busy', 'eight processes that want one CPU');
    expect(facts).toMatchObject({ worst: 'cpu' });
    expect(facts['worst_percent']).toBeGreaterThan(80);
    await stop('lab-busy');
  });

  test(planted('memory', 'a process that eats 600 MB of 1 GB'), async () => {
    await service('lab-eats', eats(600));
    await until(async () => Number((await on.look('memory')).facts['available_percent']) < 30);
    const { facts } = await on.capture('memory', 'short', 'one process has 600 MB of 1 GB');
    expect(facts['available_percent']).toBeLessThan(30);
    await stop('lab-eats');
    expect((await on.look('memory')).facts['available_percent']).toBeGreaterThan(60);
  });
});

test(planted('oom_kills', 'the kernel kills a service above its limit'), async () => {
  expect((await on.look('oom_kills')).facts).toMatchObject({ kills: 0 });
  await service('lab-limited', eats(200), 'MemoryMax=50M', 'MemorySwapMax=0');
  await until(async () => (await on.look('oom_kills')).facts['kills'] === 1);
  const { facts } = await on.capture('oom_kills', 'kernel', 'a service that the kernel killed for its limit');
  expect(facts).toMatchObject({ kills: 1, last_process: 'python3', last_unit: 'lab-limited.service' });
  expect(facts['victims']).toMatchObject([
    { process: 'python3', unit: 'lab-limited.service', limit: 'cgroup' },
  ]);
  expect((await on.look('kernel_messages', { since: '1h', priority: 'err' })).facts).toMatchObject({
    oom_kills: 1,
  });
});

test(genuine('swap', 'an area on a disk'), async () => {
  await on.host.sh('mkswap /dev/vdc >/dev/null && swapon /dev/vdc');
  const { facts } = await on.capture('swap', 'one-area', 'one area on a disk');
  await on.host.sh('swapoff /dev/vdc && wipefs -qa /dev/vdc');
  expect(facts).toMatchObject({ areas: 1, swap_areas: [{ name: '/dev/vdc', kind: 'partition' }] });
  expect(facts['size_bytes']).toBe(256 * 1024 * 1024 - 4096);
  expect((await on.look('swap')).facts).toMatchObject({ areas: 0, size_bytes: 0 });
});

test(genuine('swap_by_process', 'a process that may keep 40 MB of its 120 MB in memory'), async () => {
  await on.host.sh('mkswap /dev/vdc >/dev/null && swapon /dev/vdc');
  await service('lab-swapped', eats(120), 'MemoryHigh=40M');
  const mine = async () => {
    const { facts } = await on.look('swap_by_process');
    const rows = facts['processes'] as readonly Readonly<Record<string, unknown>>[];
    return rows.find(({ unit }) => unit === 'lab-swapped.service');
  };
  await until(async () => Number((await mine())?.['swap_kb'] ?? 0) > 20_000);
  const { facts } = await on.capture('swap_by_process', 'swapped', 'a process over its memory.high');
  expect(await mine()).toMatchObject({ comm: 'python3', user: 'root' });
  expect(facts['swap_total_kb']).toBe(256 * 1024 - 4);
  expect(facts['swap_used_kb']).toBeGreaterThan(20_000);
  await stop('lab-swapped');
  await on.host.sh('swapoff /dev/vdc && wipefs -qa /dev/vdc');
  expect((await on.look('swap_by_process')).facts).toMatchObject({ swap_total_kb: 0, processes: [] });
});

test(genuine('network_bonds', 'a bond of two interfaces, one of which has lost its other end'), async () => {
  expect((await on.look('network_bonds')).status).toBe('not_present');
  await on.host.sh(`ip link add lab0 type veth peer name end0; ip link add lab1 type veth peer name end1
  ip link add bond7 type bond mode active-backup miimon 100
  ip link set lab0 master bond7; ip link set lab1 master bond7
  ip link set end0 up; ip link set end1 up; ip link set bond7 up
  until [ "$(cat /sys/class/net/bond7/bonding/active_slave)" ]; do sleep 0.1; done
  ip link set end1 down
  until grep -q down /sys/class/net/lab1/bonding_slave/mii_status; do sleep 0.1; done`);
  const { facts } = await on.capture('network_bonds', 'one-down', 'a bond of two, one without carrier');
  expect(facts).toMatchObject({ count: 1, slaves_down: 1 });
  expect(facts['bonds']).toMatchObject([{ bond: 'bond7', slaves: 2, slaves_down: 1, active_slave: 'lab0' }]);
  expect(facts['slaves']).toContainEqual(expect.objectContaining({ slave: 'lab1', status: 'down' }));
  await on.host.sh('ip link delete bond7; ip link delete lab0; ip link delete lab1; rmmod bonding');
});

test(genuine('mandatory_access', 'AppArmor without a profile, then with two'), async () => {
  await collect(on.host, 'security');
  expect((await on.look('mandatory_access')).facts).toMatchObject({ system: 'apparmor', profiles: 0 });
  await on.host.sh(
    String.raw`printf 'profile lab-denies /nowhere {}\nprofile lab-complains /nowhere/else flags=(complain) {}\n' | apparmor_parser --replace`,
  );
  await collect(on.host, 'security');
  const { facts } = await on.capture(
    'mandatory_access',
    'apparmor',
    'a profile that denies and one that complains',
  );
  expect(facts).toMatchObject({ system: 'apparmor', profiles: 2, enforced: 1, complaining: 1 });
});

describe('its disks', () => {
  test(genuine('lvm_volumes', 'a thin pool that fills, and a group that lacks a disk'), async () => {
    await collect(on.host, 'lvm');
    expect(await on.look('lvm_volumes')).toMatchObject({ status: 'not_present' });
    await on.host.sh(
      'vgcreate --quiet lab /dev/vdb && lvcreate --quiet --yes -L 32M -n plain lab && lvcreate --quiet --yes -L 64M -T lab/pool && ' +
        'lvcreate --quiet --yes -V 128M -T lab/pool -n thin && dd if=/dev/zero of=/dev/lab/thin bs=1M count=48 oflag=direct',
    );
    await collect(on.host, 'lvm');
    const { facts } = await on.capture('lvm_volumes', 'thin-pool', 'a volume, a thin pool and what is in it');
    expect(facts).toMatchObject({
      stale: false,
      answers: true,
      volume_groups: 1,
      logical_volumes: 3,
      incomplete_groups: 'none',
      unhealthy_volumes: 'none',
      fullest: 'lab/pool',
      fullest_percent: 75,
      groups: [{ name: 'lab', disks: 1, missing_disks: 0, volumes: 3 }],
    });
    const free = await on.host.sh('vgs --noheadings --units b --nosuffix -o vg_free lab');
    expect(facts['free_bytes']).toBe(Number(free));
    expect(facts['volumes']).toContainEqual(
      expect.objectContaining({ name: 'thin', kind: 'thin sparse', pool: 'pool', data_percent: 37.5 }),
    );
    await on.host.sh(
      'vgextend --quiet lab /dev/vdc && dd if=/dev/zero of=/dev/vdc bs=1M count=2 oflag=direct',
    );
    await collect(on.host, 'lvm');
    const lacking = await on.capture(
      'lvm_volumes',
      'disk-gone',
      'a group of two disks, one of which is gone',
    );
    expect(lacking.facts).toMatchObject({ incomplete_groups: 'lab', groups: [{ missing_disks: 1 }] });
    await on.host.sh(
      'vgreduce --quiet --removemissing lab && vgremove --quiet --yes lab && wipefs -qa /dev/vdb /dev/vdc',
    );
  });

  test(genuine('drbd_status', 'a device whose peer nobody has'), async () => {
    await on.host.sh(
      `mkdir -p /etc/drbd.d; printf 'include "drbd.d/*.res";\\n' >/etc/drbd.conf; cat >/etc/drbd.d/lab.res; modprobe drbd`,
      {
        input: `resource lab { device /dev/drbd1; disk /dev/vdb; meta-disk internal;
on ${await on.host.sh('uname -n')} { address 127.0.0.1:7789; } on other { address 127.0.0.1:7790; } }\n`,
      },
    );
    expect((await on.look('drbd_status')).facts).toMatchObject({ resources: 0 });
    await on.host.sh(
      'yes yes | drbdadm create-md --force lab >/dev/null && drbdadm up lab && drbdadm primary --force lab 2>&1',
    );
    const { facts } = await on.capture('drbd_status', 'alone', 'DRBD 8.4, primary, without its peer');
    expect(facts).toMatchObject({
      resources: 1,
      primary: 1,
      disks_not_up_to_date: 0,
      connections_down: 1,
      rows: [{ resource: 'drbd1', role: 'Primary', disk: 'UpToDate', peer_disk: 'DUnknown' }],
    });
    await on.host.sh('drbdadm secondary lab && drbdadm down lab && rmmod drbd && wipefs -qa /dev/vdb');
  });

  test(absent('md_arrays', 'a mirror with both its members'), async () => {
    await on.host.sh(
      'mdadm --create /dev/md0 --run --level=1 --raid-devices=2 --assume-clean --bitmap=none /dev/vdb /dev/vdc 2>&1',
    );
    const { facts } = await on.capture('md_arrays', 'sound', 'a mirror with both its members');
    expect(facts).toMatchObject({ arrays: 1, degraded: 0, degraded_arrays: 'none', failed_members: 'none' });
  });

  test(planted('md_arrays', 'one member of the mirror has failed'), async () => {
    await on.host.sh('mdadm --quiet /dev/md0 --fail /dev/vdc');
    const { facts } = await on.capture('md_arrays', 'degraded', 'a mirror of which one member has failed');
    expect(facts).toMatchObject({
      arrays: 1,
      degraded: 1,
      degraded_arrays: 'md0',
      failed_members: 'vdc',
      array_list: [{ name: 'md0', level: 'raid1', wanted: 2, present: 1, map: 'U_' }],
    });
    await on.host.sh(
      'mdadm --stop --quiet /dev/md0 && mdadm --zero-superblock /dev/vdb && mdadm --zero-superblock /dev/vdc',
    );
  });

  test(absent('kernel_errors', 'no disk and no filesystem has trouble'), async () => {
    const { facts } = await on.look('kernel_errors');
    expect(facts).toMatchObject({ disk: 0, filesystem: 0, ext4_errors: 0, ext4_devices: 'none' });
  });

  test(
    planted('kernel_errors', 'a disk with a sector that cannot be read, a damaged filesystem'),
    async () => {
      // From sector 0x1234 on scsi_debug reports a medium error where bit 2 of opts is set.
      await on.host.sh('modprobe scsi_debug dev_size_mb=8 opts=2 && udevadm settle');
      const disk = await on.host.sh(
        'basename /sys/bus/pseudo/drivers/scsi_debug/adapter0/host*/target*/*/block/*',
      );
      await on.host.sh(`! dd if=/dev/${disk} of=/dev/null skip=4660 count=1 iflag=direct`);
      await on.host.sh(
        'mkfs.ext4 -q /dev/vdb && mkdir -p /srv/hurt && mount /dev/vdb /srv/hurt && echo lab >/sys/fs/ext4/vdb/trigger_fs_error',
      );
      await until(async () => {
        const { filesystem, ext4_errors: counted } = (await on.look('kernel_errors')).facts;
        return Number(filesystem) > 0 && Number(counted) > 0;
      });
      const { facts } = await on.capture(
        'kernel_errors',
        'disk',
        'an unreadable sector, a damaged filesystem',
      );
      expect(facts).toMatchObject({
        ext4_errors: 1,
        ext4_devices: 'vdb',
        scsi_devices: disk,
        crash: 0,
      });
      expect(facts['disk']).toBeGreaterThan(0);
      expect(facts['devices']).toMatch(new RegExp(`\\b${disk}\\b`, 'u'));
      await on.host.sh('umount /srv/hurt && wipefs -qa /dev/vdb && modprobe -r scsi_debug');
    },
  );

  test(genuine('multipath_paths', 'two paths to one disk, of which one goes away'), async () => {
    expect((await on.look('multipath_paths')).facts).toEqual({ answers: false });
    await on.host.writeFile(
      '/etc/multipath.conf',
      'defaults {\n find_multipaths no\n polling_interval 1\n}\nblacklist {\n devnode "^vd"\n}\n',
    );
    // One disk behind two adapters: its identifier is the same.
    await on.host.sh(
      'modprobe scsi_debug dev_size_mb=8 add_host=2 vpd_use_hostno=0 && udevadm settle && systemctl start multipathd',
    );
    await until(async () => (await on.look('multipath_paths')).facts['paths'] === 2);
    const { facts } = await on.capture('multipath_paths', 'two-paths', 'one disk with two paths');
    expect(facts).toMatchObject({ answers: true, maps: 1, paths: 2, failed_paths: 0, maps_degraded: 0 });
    await on.host.sh('echo offline >/sys/block/sdb/device/state');
    await until(async () => (await on.look('multipath_paths')).facts['failed_paths'] === 1);
    const lacking = await on.capture(
      'multipath_paths',
      'path-gone',
      'one disk, one of its two paths is offline',
    );
    expect(lacking.facts).toMatchObject({
      maps_degraded: 1,
      maps_without_path: 0,
      rows: [{ paths: 2, failed: 1 }],
      path_rows: [{ path: 'sdb', device_state: 'offline' }, { path: 'sda' }],
    });
    await on.host.sh(
      'systemctl stop multipathd; echo running >/sys/block/sdb/device/state; until modprobe -r scsi_debug; do multipath -F || :; udevadm settle; done',
    );
  });
});

describe('a filesystem of another host', () => {
  const state = async (): Promise<unknown> =>
    ((await on.look('remote_mounts')).facts['mounts'] as readonly { readonly state: string }[])[0]?.state;

  test(absent('remote_mounts', 'a server that answers'), async () => {
    expect((await on.look('remote_mounts')).facts).toMatchObject({ mounted: 0, troubled: 0, mounts: [] });
    await on.host.sh(
      'mkdir -p /srv/export/shared "/srv/of other" && echo "/srv/export 127.0.0.1(rw,fsid=0,no_subtree_check,insecure)" >/etc/exports && ' +
        'systemctl start nfs-server && mount -t nfs4 127.0.0.1:/shared "/srv/of other"',
    );
    const { facts } = await on.capture('remote_mounts', 'answers', 'NFS 4, its server answers');
    expect(facts).toMatchObject({
      mounted: 1,
      troubled: 0,
      troubled_targets: 'none',
      mounts: [{ target: '/srv/of other', source: '127.0.0.1:/shared', fstype: 'nfs4', state: 'answers' }],
    });
  });

  test(planted('remote_mounts', 'a server that is gone, and a handle that it does not know'), async () => {
    await on.host.sh('systemctl stop nfs-server');
    const { facts } = await on.capture('remote_mounts', 'hangs', 'NFS 4, its server has been stopped');
    expect(facts).toMatchObject({
      troubled: 1,
      troubled_targets: '/srv/of other',
      mounts: [{ state: 'hangs', milliseconds: 2000 }],
    });
    // What asked in vain is gone: it was killed, and NFS lets go for that.
    await untilTrue("! pgrep -f '[h]elpers/remote-mounts' >/dev/null");
    await on.host.sh('systemctl start nfs-server');
    await until(async () => (await state()) === 'answers');
    await on.host.sh('rmdir /srv/export/shared');
    await until(async () => (await state()) === 'stale');
    await on.capture('remote_mounts', 'stale', 'NFS 4, the folder is no longer on the server');
    await on.host.sh('umount -l "/srv/of other"; systemctl stop nfs-server');
  });
});
