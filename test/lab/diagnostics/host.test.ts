import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { collect } from './collect.ts';
import { lookingLab, type LookingLab } from './looking.ts';
import { absent, genuine, planted } from './proof.ts';

let on: LookingLab;

beforeAll(async () => {
  on = await lookingLab({ software: 'instances', names: { tree: { books: '/srv/books' } } });
});

afterAll(async () => {
  await on?.lab.down();
});

describe('reboot_required', () => {
  test(absent('reboot_required', 'a host that has been updated by nobody'), async () => {
    const { facts } = await on.capture('reboot_required', 'debian-12', 'no flag, no kernel in /boot');
    expect(facts).toMatchObject({ reboot_required: false, flag_set: false, packages: 'none' });
    expect(facts['running_kernel']).toBe(await on.host.sh('uname -r'));
  });

  test(planted('reboot_required', 'the flag of an updated libc'), async () => {
    await on.host.sh(
      'touch /run/reboot-required && printf "libc6\\nlibssl3\\nlibc6\\n" >/run/reboot-required.pkgs',
    );
    const { facts } = await on.capture('reboot_required', 'flag', 'packages have set the flag');
    expect(facts).toMatchObject({ reboot_required: true, flag_set: true, packages: 'libc6 libssl3' });
    await on.host.sh('rm /run/reboot-required /run/reboot-required.pkgs');
  });

  test(planted('reboot_required', 'a newer kernel that was not booted'), async () => {
    await on.host.sh('touch "/boot/vmlinuz-$(uname -r)"');
    expect((await on.look('reboot_required')).facts).toMatchObject({ kernel_outdated: false });
    await on.host.sh('touch /boot/vmlinuz-999.0.0-9-amd64 /boot/vmlinuz-999.0.0-10-amd64 /boot/config-9999');
    const { facts } = await on.capture('reboot_required', 'kernel', 'two newer kernels than the running one');
    expect(facts).toMatchObject({
      reboot_required: true,
      flag_set: false,
      newest_kernel: '999.0.0-10-amd64',
      kernel_outdated: true,
    });
    await on.host.sh('rm /boot/vmlinuz-* /boot/config-9999');
  });
});

/** Looks until a fact is as wanted; the time limit of the test ends it otherwise. */
const until = async (look: () => Promise<boolean>): Promise<void> => {
  while (!(await look())) await on.host.sh('sleep 0.5');
};

describe('what the host is', () => {
  test(genuine('os_identity', 'as os-release has it'), async () => {
    const { facts } = await on.capture('os_identity', 'debian-12', 'a host of Debian 12');
    expect(facts).toMatchObject({
      id: 'debian',
      version: '12',
      codename: 'bookworm',
      hostname: on.host.name,
    });
  });

  test(genuine('virtualization', 'a container'), async () => {
    const { facts } = await on.capture('virtualization', 'nspawn', 'a container of systemd-nspawn');
    expect(facts).toMatchObject({ kind: 'container', technology: 'systemd-nspawn' });
  });

  test(genuine('kernel', 'as uname has it'), async () => {
    const { facts } = await on.capture('kernel', 'debian-12', 'the kernel below a container');
    expect(facts['release']).toBe(await on.host.sh('uname -r'));
    expect(facts['architecture']).toBe(await on.host.sh('uname -m'));
    expect(facts['tainted']).toBe((await on.host.sh('cat /proc/sys/kernel/tainted')) !== '0');
  });

  test(genuine('hardware_summary', 'as lscpu and lsblk have it'), async () => {
    const { facts } = await on.capture('hardware_summary', 'debian-12', 'a machine without firmware tables');
    expect(facts['cpus']).toBe(Number(await on.host.sh('nproc')));
    const sizes = await on.host.sh('lsblk -b -d -n -e 1,7,11 -o TYPE,SIZE');
    const disks = [...sizes.matchAll(/^disk +([1-9][0-9]*)$/gmu)].map(([, size]) => Number(size));
    expect(facts).toMatchObject({
      disks: disks.length,
      disk_bytes: disks.reduce((sum, size) => sum + size, 0),
    });
  });

  test(genuine('block_devices', 'as the kernel has them'), async () => {
    const { facts } = await on.capture('block_devices', 'debian-12', 'one disk without partitions');
    const [name = '', sectors = ''] = (
      await on.host.sh('for d in /sys/block/[sv]da; do echo "${d##*/} $(cat $d/size)"; done')
    ).split(' ');
    expect(facts['devices']).toContainEqual(
      expect.objectContaining({ name, kind: 'disk', size_bytes: 512 * Number(sectors), read_only: false }),
    );
  });

  test(genuine('memory', 'as the kernel has it'), async () => {
    const { status, facts } = await on.capture('memory', 'debian-12', 'a host with little to do');
    expect(status).toBe('ok');
    const total = await on.host.sh("sed -n 's/^MemTotal: *\\([0-9]*\\) kB$/\\1/p' /proc/meminfo");
    expect(facts['total_kb']).toBe(Number(total));
  });

  test(genuine('kernel_limits', 'as the kernel has them'), async () => {
    const { facts } = await on.capture('kernel_limits', 'debian-12', 'a host with little to do');
    expect(facts['open_files_max']).toBe(Number(await on.host.sh('cut -f3 /proc/sys/fs/file-nr')));
    expect(facts['max_map_count']).toBe(Number(await on.host.sh('cat /proc/sys/vm/max_map_count')));
    expect(facts['tasks']).toBeGreaterThan(1);
  });
});

describe('what it does', () => {
  test(genuine('cpu', 'a process that never rests'), async () => {
    await on.host.run(['systemd-run', '--quiet', '--unit=lab-busy', '/bin/sh', '-c', 'while :; do :; done']);
    const { facts } = await on.capture('cpu', 'busy', 'at least one CPU that has no rest');
    await on.host.run(['systemctl', 'stop', 'lab-busy']);
    expect(facts['cpus']).toBe(Number(await on.host.sh('nproc')));
    expect(facts['busy_percent']).toBeGreaterThan(0);
    expect(facts['per_cpu']).toHaveLength(Number(facts['cpus']));
  });

  test(genuine('io_statistics', 'a disk that is written to'), async () => {
    const write = 'while :; do dd if=/dev/zero of=/srv/written bs=64k count=160 conv=fsync 2>/dev/null; done';
    await on.host.run(['systemd-run', '--quiet', '--unit=lab-writes', '/bin/sh', '-c', write]);
    const { facts } = await on.capture('io_statistics', 'writing', 'a disk that is written to', {
      seconds: 3,
    });
    await on.host.sh('systemctl stop lab-writes; rm /srv/written');
    expect(facts['write_bytes_per_second']).toBeGreaterThan(0);
    expect(facts['busiest_percent']).toBeGreaterThan(0);
  });
});

describe('clock', () => {
  test(genuine('time_sync', 'chrony on a reference of its own'), async () => {
    expect((await on.look('time_sync')).facts).not.toHaveProperty('stratum');
    // It may not set the clock, which is that of the machine.
    await on.host.writeFile('/run/lab-chrony.conf', 'local stratum 8\nport 0\n');
    await on.host.sh(
      'mkdir -p /run/chrony && systemd-run --quiet --unit=lab-chrony /usr/sbin/chronyd -x -d -f /run/lab-chrony.conf',
    );
    await until(async () => (await on.look('time_sync')).facts['stratum'] === 8);
    const { facts } = await on.capture('time_sync', 'chrony', 'chrony on a reference of its own');
    expect(facts).toMatchObject({ leap_status: 'Normal', offset_seconds: 0, rtc_in_local_time: false });
  });
});

describe('what fills a disk', () => {
  test(genuine('big_directories', 'a tree with big files and one with many'), async () => {
    await on.host.sh(
      'mkdir -p /srv/books/big /srv/books/many && dd if=/dev/zero of=/srv/books/big/one bs=64k count=64 2>/dev/null && ' +
        'i=0; while [ $i -lt 50 ]; do : >/srv/books/many/$i; i=$((i + 1)); done; ln -s /usr /srv/books/elsewhere',
    );
    const { facts } = await on.capture('big_directories', 'books', 'one big folder, one with many files', {
      tree: 'books',
    });
    expect(facts).toMatchObject({
      complete: true,
      biggest: '/srv/books/big',
      most_files: '/srv/books/many',
      most_files_count: 51,
    });
    expect(facts['biggest_bytes']).toBeGreaterThanOrEqual(64 * 65_536);
    await on.host.sh('install -d -m 0700 /srv/books/closed');
    expect((await on.look('big_directories', { tree: 'books' })).facts).toMatchObject({ complete: false });
  });

  test(genuine('who_writes', 'a process that writes'), async () => {
    const write =
      'while :; do dd if=/dev/zero of=/srv/written bs=64k count=16 conv=fsync 2>/dev/null; sleep 0.1; done';
    await on.host.run(['systemd-run', '--quiet', '--unit=lab-writes', '/bin/sh', '-c', write]);
    await collect(on.host, 'io');
    const { facts } = await on.capture('who_writes', 'writing', 'a service that writes');
    await on.host.sh('systemctl stop lab-writes; rm /srv/written');
    expect(facts).toMatchObject({ stale: false });
    expect(facts['processes']).toContainEqual(
      expect.objectContaining({ unit: 'lab-writes.service', user: 'root', comm: 'sh' }),
    );
  });

  test(genuine('deleted_open_files', 'a log that was deleted and is still open'), async () => {
    const hold = [
      'import os, time',
      "log = open('/srv/secret-name.log', 'wb')",
      'log.write(bytes(3000000))',
      'log.flush()',
      'os.unlink(log.name)',
      'time.sleep(100000)',
    ];
    await on.host.run([
      'systemd-run',
      '--quiet',
      '--unit=lab-holds',
      '--property=User=admin',
      '--property=ExecStartPre=+/usr/bin/chmod 0777 /srv',
      '/usr/bin/python3',
      '-c',
      hold.join('\n'),
    ]);
    await until(async () => {
      await collect(on.host, 'deleted_files');
      return Number((await on.look('deleted_open_files')).facts['total_bytes']) >= 3_000_000;
    });
    const { facts, answer } = await on.capture(
      'deleted_open_files',
      'log',
      'a deleted log that is still open',
    );
    expect(facts).toMatchObject({ files: 1, complete: true });
    expect(facts['holders']).toMatchObject([{ unit: 'lab-holds.service', user: 'admin', folder: '/srv' }]);
    expect(String(answer.sections[0]?.output)).not.toContain('secret-name');
    await on.host.sh('systemctl stop lab-holds');
    await collect(on.host, 'deleted_files');
    expect((await on.look('deleted_open_files')).facts).toMatchObject({ files: 0, holders: [] });
  });

  test(genuine('journal_volume', 'a unit that logs much'), async () => {
    const talk =
      'i=0; while [ $i -lt 300 ]; do echo "$i $(head -c 3000 /dev/zero | tr "\\0" x)"; i=$((i + 1)); done';
    await on.host.run(['systemd-run', '--quiet', '--wait', '--unit=lab-talks', '/bin/sh', '-c', talk]);
    await on.host.sh(
      "journalctl --sync; printf 'two\\nlines\\n' | logger --no-act; systemctl is-system-running || :",
    );
    const { facts } = await on.capture('journal_volume', 'loud', 'a unit that logs much', { since: '30m' });
    expect(facts).toMatchObject({ complete: true, loudest_unit: 'lab-talks.service' });
    expect(facts['units']).toContainEqual(
      expect.objectContaining({ unit: 'lab-talks.service', messages: expect.any(Number) }),
    );
    expect(facts['message_bytes']).toBeGreaterThan(900_000);
  });
});

describe('boots', () => {
  test(genuine('crash_dumps', 'dumps of two stores'), async () => {
    expect((await on.look('crash_dumps')).facts).toMatchObject({ dumps: 0 });
    await on.host.sh(
      'mkdir -p /var/crash/202611210350 /var/lib/systemd/pstore/1795220000 && touch -d 2026-11-21T03:50:00Z /var/crash/202611210350 && ' +
        'touch -d 2026-11-20T03:50:00Z /var/lib/systemd/pstore/1795220000 && touch /var/crash/kexec_cmd',
    );
    const { facts } = await on.capture('crash_dumps', 'two', 'a dump of the kernel and one from pstore');
    expect(facts).toMatchObject({
      dumps: 2,
      newest_name: '202611210350',
      newest_time: '2026-11-21T03:50:00Z',
      files: [{ store: 'crash' }, { store: 'pstore' }],
    });
  });

  test(genuine('boot_history', 'an orderly reboot and one that was not'), async () => {
    expect((await on.look('boot_history')).facts).toMatchObject({ boots: 1, unclean: 0 });
    await on.host.reboot();
    await until(async () => (await on.look('boot_history')).facts['boots'] === 2);
    expect((await on.look('boot_history')).facts).toMatchObject({ unclean: 0, previous_clean: true });
    const boots = async (): Promise<unknown> =>
      await on.look('boot_history').then(
        ({ facts }) => facts['boots'],
        () => 'away',
      );
    await on.host.run(['journalctl', '--sync']);
    await on.host.run(['systemctl', 'reboot', '--force', '--force']).catch(() => 'gone with the host');
    while ((await boots()) !== 3) await pause(1_000);
    const { facts } = await on.capture(
      'boot_history',
      'two-reboots',
      'an orderly reboot, then one that was not',
    );
    expect(facts).toMatchObject({ boots: 3, unclean: 1, previous_clean: false });
    expect(facts['history']).toMatchObject([{}, { clean: false }, { clean: true }]);
  });
});
