import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { open, readFile, truncate, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { capture, mustRun } from './capture.ts';
import { hostFolder, hostRoot, labsFolder, type HostState } from './lab-state.ts';
import { deleteLink, linkName } from './network.ts';
import type { VmParts } from './vm-parts.ts';

/** Size of the root disk and of the two empty ones; sparse. */
const DISK_BYTES = 3 * 2 ** 30;
const SPARE_BYTES = 256 * 2 ** 20;
const PROBE_MS = 5_000;

export const guestAgentPath = (labFolder: string, host: string): string =>
  join(hostFolder(labFolder, host), 'agent.sock');

/** One boot of a virtual machine. */
export interface VmBoot {
  readonly process: ChildProcess;
  /** Whether the guest asked for a reboot; known once the process has ended. */
  readonly wantsReboot: () => boolean;
}

/** Writes the root disk from the host's tree, and two empty disks (/dev/vdb, /dev/vdc) for LVM and md. */
export async function makeVmDisks(labFolder: string, host: HostState): Promise<void> {
  const folder = hostFolder(labFolder, host.name);
  const disk = join(folder, 'vda.img');
  await makeSparse(disk, DISK_BYTES);
  const options = ['-E', 'lazy_itable_init=1,nodiscard', '-d', hostRoot(labFolder, host.name)];
  await mustRun('mke2fs', ['-q', '-F', '-t', 'ext4', ...options, disk]);
  for (const name of ['vdb.img', 'vdc.img']) await makeSparse(join(folder, name), SPARE_BYTES);
}

/** Starts one boot. `accelerator` is what `findAccelerator` said. */
export async function startVm(
  labFolder: string,
  bridge: string,
  host: HostState,
  parts: VmParts,
): Promise<VmBoot> {
  const folder = hostFolder(labFolder, host.name);
  const tap = linkName(host.machine);
  const control = join(folder, 'control.sock');
  await deleteLink(tap);
  await mustRun('ip', ['tuntap', 'add', 'dev', tap, 'mode', 'tap']);
  await mustRun('ip', ['link', 'set', tap, 'master', bridge, 'up']);
  const disks = ['vda', 'vdb', 'vdc'].flatMap((name) => [
    '-drive',
    `file=${join(folder, `${name}.img`)},format=raw,if=none,id=${name},cache=unsafe`,
    '-device',
    `virtio-blk-pci,drive=${name}`,
  ]);
  const qemu = [
    ...machine(await findAccelerator(parts), parts),
    '-append',
    'console=ttyS0 net.ifnames=0 panic=-1 quiet',
    '-serial',
    `file:${join(folder, 'console.log')}`,
    ...disks,
    '-netdev',
    `tap,id=net,ifname=${tap},script=no,downscript=no`,
    '-device',
    'virtio-net-pci,netdev=net',
    '-chardev',
    `socket,id=agent,path=${guestAgentPath(labFolder, host.name)},server=on,wait=off`,
    '-device',
    'virtio-serial-pci',
    '-device',
    'virtserialport,chardev=agent,name=org.qemu.guest_agent.0',
    '-device',
    'virtio-rng-pci',
    '-no-reboot',
    '-chardev',
    `socket,id=control,path=${control},server=on,wait=off`,
    '-mon',
    'chardev=control,mode=control',
  ];
  const errors = await open(join(folder, 'qemu.log'), 'a', 0o600);
  try {
    // Tied to the keeper's life: a virtual machine must not outlive its lab.
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', ...qemu], {
      stdio: ['ignore', errors.fd, errors.fd],
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LANG: 'C.UTF-8' },
    });
    let reboot = false;
    void listen(control, child, () => (reboot = true));
    return { process: child, wantsReboot: () => reboot };
  } finally {
    await errors.close();
  }
}

/**
 * `kvm` where a guest really runs with it, else `tcg` (emulation, about ten times slower). /dev/kvm may open on a
 * machine that cannot run anything in it, so a guest is tried once per boot of this machine.
 */
export async function findAccelerator(parts: VmParts): Promise<'kvm' | 'tcg'> {
  if (!existsSync('/dev/kvm')) return 'tcg';
  const bootId = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
  const known = join(labsFolder(), `kvm-${bootId}`);
  const said = await readFile(known, 'utf8').catch(() => '');
  if (said === 'kvm' || said === 'tcg') return said;
  const argv = [...machine('kvm', parts), '-append', 'console=ttyS0 lab.probe', '-serial', 'stdio'];
  const [program = '', ...rest] = argv;
  const works = await capture(program, rest, { timeoutMs: PROBE_MS }).then(
    ({ stdout }) => stdout.includes('lab-probe-alive'),
    () => false,
  );
  await writeFile(known, works ? 'kvm' : 'tcg', { mode: 0o600 });
  return works ? 'kvm' : 'tcg';
}

const machine = (accelerator: 'kvm' | 'tcg', { kernel, initrd }: VmParts): string[] => [
  'qemu-system-x86_64',
  '-machine',
  `q35,accel=${accelerator}`,
  '-cpu',
  accelerator === 'kvm' ? 'host,-arch-capabilities' : 'max',
  '-m',
  '1024',
  '-smp',
  '1',
  '-nodefaults',
  '-no-user-config',
  '-display',
  'none',
  '-kernel',
  kernel,
  '-initrd',
  initrd,
];

const makeSparse = async (path: string, bytes: number): Promise<void> => {
  await writeFile(path, '', { mode: 0o600 });
  await truncate(path, bytes);
};

/** Hears from QEMU's monitor (QMP) why the guest ended: its exit code is 0 for a reboot and for a power-off alike. */
async function listen(path: string, child: ChildProcess, onReboot: () => void): Promise<void> {
  while (child.exitCode === null && child.signalCode === null) {
    const socket = connect(path);
    try {
      await once(socket, 'connect');
    } catch {
      await sleep(20);
      continue;
    }
    socket.write('{"execute":"qmp_capabilities"}\n');
    for await (const line of createInterface({ input: socket })) {
      const { event, data } = JSON.parse(line) as { event?: string; data?: { reason?: string } };
      if (event === 'SHUTDOWN' && data?.reason === 'guest-reset') onReboot();
    }
    return;
  }
}
