import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { aptProxyEnvironment } from './apt-mirror.ts';
import { baseTreePath, cacheFolder, DIE_WITH_US } from './base-tree.ts';
import { mustRun } from './capture.ts';
import { withFileLock } from './file-lock.ts';

/** What a virtual machine has beyond the base tree: a kernel, and what only a kernel of one's own makes useful. */
const PACKAGES =
  'udev kmod qemu-guest-agent auditd lvm2 thin-provisioning-tools mdadm nfs-kernel-server multipath-tools apparmor drbd-utils';

/** What a test starts when it wants it: at boot nobody listens and no path is watched. */
const NOT_AT_BOOT =
  'nfs-server.service rpcbind.service rpcbind.socket nfs-client.target multipathd.service multipathd.socket apparmor.service drbd.service';

/** Modules that the initramfs loads: disk, network, console of the guest agent, randomness. Order matters to insmod. */
const MODULES =
  'virtio_ring virtio virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci virtio_blk failover net_failover virtio_net virtio_console virtio-rng';

const INIT = String.raw`#!/bin/busybox sh
/bin/busybox mount -t devtmpfs dev /dev
for module in ${MODULES}; do
  [ ! -e "/modules/$module.ko" ] || /bin/busybox insmod "/modules/$module.ko"
done
/bin/busybox mount -t proc proc /proc
case $(/bin/busybox cat /proc/cmdline) in *lab.probe*) echo lab-probe-alive; /bin/busybox poweroff -f ;; esac
/bin/busybox umount /proc
until [ -b /dev/vda ]; do /bin/busybox sleep 0.05; done
/bin/busybox mount -t ext4 /dev/vda /root
/bin/busybox umount /dev
exec /bin/busybox switch_root /root /lib/systemd/systemd
`;

/** $1 base tree, $2 folder to build in. Leaves $2/layer (above the base tree), $2/vmlinuz and $2/initrd. */
const BUILD = String.raw`
set -eu
cd "$2"
mkdir layer work root initramfs
mount -t overlay -o "lowerdir=$1,upperdir=layer,workdir=work" overlay root
mount -t proc proc root/proc
mount --bind /etc/resolv.conf root/etc/resolv.conf
inside() { chroot root "$@"; }
inside apt-get --quiet update
inside apt-get --quiet --yes --no-install-recommends install ${PACKAGES}
kernel=$(inside apt-cache depends --important linux-image-cloud-amd64 | sed -n 's/^ *Depends: *\(linux-image-[0-9].*\)$/\1/p')
mkdir root/fetched
inside sh -c "cd /fetched && apt-get --quiet download $kernel busybox-static"
for deb in root/fetched/*.deb; do dpkg-deb --extract "$deb" root/fetched/all; done
version=$(ls root/fetched/all/lib/modules)
cp "root/fetched/all/boot/vmlinuz-$version" vmlinuz
mkdir -p root/usr/lib/modules
cp -r "root/fetched/all/lib/modules/$version" root/usr/lib/modules/
inside depmod "$version"
mkdir -p initramfs/bin initramfs/dev initramfs/proc initramfs/root initramfs/modules
busybox=$2/root/fetched/all/bin/busybox
cp "$busybox" initramfs/bin/
for module in ${MODULES}; do find "root/usr/lib/modules/$version" -name "$module.ko" -exec cp '{}' initramfs/modules/ ';'; done
printf '%s' "$INIT" >initramfs/init
chmod 0755 initramfs/init
(cd initramfs && find . | "$busybox" cpio -o -H newc) | gzip -1 >initrd
rm -rf root/fetched
inside apt-get clean
rm -rf root/var/lib/apt/lists/*
# The container's name for its only link: the same unit configures it here.
mkdir -p root/etc/systemd/network
printf '[Match]\nDriver=virtio_net\n[Link]\nNamePolicy=\nName=host0\n' >root/etc/systemd/network/10-host0.link
# It is there once udev has named it; in a container there is no udev to wait for.
mkdir -p root/etc/systemd/system/lab-network.service.d
device=sys-subsystem-net-devices-host0.device
printf '[Unit]\nWants=%s\nAfter=%s\n' $device $device >root/etc/systemd/system/lab-network.service.d/udev.conf
# Nobody logs in at the console, and nothing may wait for a clock or a swap that is not there.
inside systemctl disable --quiet ${NOT_AT_BOOT}
inside systemctl mask --quiet getty@tty1.service serial-getty@ttyS0.service e2scrub_reap.service
`;

/** What every virtual machine of the lab is made from. */
export interface VmParts {
  /** Goes above the base tree, as a layer of overlayfs. */
  readonly layer: string;
  readonly kernel: string;
  readonly initrd: string;
}

/**
 * Makes sure that the parts are in the cache, beside the base tree they belong to, and returns their paths. The first
 * call takes about 20 s and needs the Debian mirror. amd64 only.
 */
export async function ensureVmParts(base: string, progress: (line: string) => void): Promise<VmParts> {
  const recipe = createHash('sha256')
    .update(JSON.stringify([baseTreePath(), PACKAGES, MODULES, INIT, BUILD]))
    .digest('hex');
  const finished = join(cacheFolder(), `vm-${recipe.slice(0, 16)}`);
  const parts = {
    layer: join(finished, 'layer'),
    kernel: join(finished, 'vmlinuz'),
    initrd: join(finished, 'initrd'),
  };
  if (existsSync(finished)) return parts;
  await withFileLock(join(cacheFolder(), 'lock'), async () => {
    if (existsSync(finished)) return;
    progress('vm: kernel and packages, once');
    const building = join(cacheFolder(), `building-${String(process.pid)}-vm`);
    try {
      await mkdir(building, { recursive: true });
      const env = {
        PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
        LANG: 'C.UTF-8',
        DEBIAN_FRONTEND: 'noninteractive',
        INIT,
        ...(await aptProxyEnvironment()),
      };
      await mustRun('setpriv', [...DIE_WITH_US, '/bin/sh', '-c', BUILD, 'sh', base, building], {
        env,
        timeoutMs: 600_000,
      });
      await rename(building, finished);
    } finally {
      await rm(building, { recursive: true, force: true });
    }
  });
  return parts;
}
