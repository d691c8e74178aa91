import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { aptProxyEnvironment, findAptMirror } from './apt-mirror.ts';
import { mustRun } from './capture.ts';
import { withFileLock } from './file-lock.ts';

/** Debian releases that hosts of the lab can have. The first is meant where none is named. */
export const RELEASES = ['bookworm', 'trixie'] as const;
export type Release = (typeof RELEASES)[number];

/** `instances`: databases, web servers, backup tools and what else diagnostics are tried on. Only of the first release. */
export type Software = 'minimal' | 'instances';

/**
 * What a host of the lab has beyond Debian's minbase. All of it is in the tree from the start: the hosts have no
 * way out and can install nothing.
 */
const PACKAGES = [
  'systemd systemd-sysv dbus libpam-systemd',
  'openssh-server sudo rsyslog rsyslog-gnutls logrotate fail2ban nftables',
  'python3 python3-systemd procps iproute2 iputils-ping',
  'nginx-light', // a proxy that reload_proxy can reload
].flatMap((line) => line.split(' '));

/**
 * sudo-rs beside sudo, which stays the one that /usr/bin/sudo is; and small programs whose output differs between releases, for
 * the diagnostics that read it: there are no `instances` of that release.
 */
const MORE_PACKAGES: Readonly<Record<Release, readonly string[]>> = {
  bookworm: [],
  trixie: ['sudo-rs', 'openssl', 'wtmpdb', 'libpam-wtmpdb', 'systemd-coredump', 'chrony'],
};

const packagesOf = (release: Release): readonly string[] => [...PACKAGES, ...MORE_PACKAGES[release]];

/** What hosts with instances have besides: the programs that diagnostics of tier 2 are tried on. None is started at boot. */
const INSTANCES = [
  'postgresql redis-server mariadb-server haproxy apache2 unbound bind9 postfix php-fpm keepalived',
  'restic borgbackup pgbackrest',
  'lvm2 mdadm nfs-common nfs-kernel-server smartmontools multipath-tools sysstat lsof',
  'patroni etcd-server',
  'podman crun rabbitmq-server pacemaker corosync pacemaker-cli-utils caddy firewalld',
  'curl openssl ca-certificates bind9-dnsutils iptables ufw ethtool',
  'chrony cron systemd-coredump auditd apparmor apparmor-utils needrestart',
].flatMap((line) => line.split(' '));

/** Runs in a copy of the tree as root, with the mirror as $1 and the packages after it. Whatever it installs stays disabled. */
const INSTALL = String.raw`
set -eu
mirror=$1; shift
kept=$(cat /etc/apt/sources.list 2>/dev/null || :)
printf 'deb %s bookworm main\n' "$mirror" >/etc/apt/sources.list
printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
chmod 0755 /usr/sbin/policy-rc.d
before=$(systemctl list-unit-files --state=enabled --no-legend --plain | cut -d' ' -f1)
apt-get -q update
apt-get -q -y --no-install-recommends install "$@"
for unit in $(systemctl list-unit-files --state=enabled --no-legend --plain | cut -d' ' -f1); do
  case " $(echo $before) " in *" $unit "*) ;; *) systemctl disable --quiet "$unit" || :;; esac
done
rm -f /usr/sbin/policy-rc.d /etc/hostname
printf '%s\n' "$kept" >/etc/apt/sources.list
: >/etc/resolv.conf
apt-get clean
rm -rf /var/lib/apt/lists/* /var/cache/debconf/*-old
touch /etc/.updated /var/.updated
`;

/** Runs in the finished tree as root. What differs from host to host (names, keys, addresses) is not here. */
const FINISH = String.raw`
set -eu
apt-get clean
rm -rf /var/lib/apt/lists/* /var/log/bootstrap.log /var/cache/debconf/*-old
rm -f /etc/ssh/ssh_host_* /etc/machine-id /etc/hostname /var/lib/dbus/machine-id

# A container has neither disks to trim nor a first boot to be asked about, and the lab has no mirror to poll.
systemctl mask --quiet systemd-firstboot.service apt-daily.timer apt-daily-upgrade.timer \
  e2scrub_all.timer fstrim.timer
systemctl disable --quiet fail2ban.service

# No resolver: a lookup fails at once instead of leaving the machine.
: >/etc/resolv.conf

useradd --create-home --shell /bin/bash --uid 1000 --password '*' admin
install -d -o admin -g admin -m 0700 /home/admin/.ssh
printf 'admin ALL=(ALL:ALL) NOPASSWD: ALL\n' >/etc/sudoers.d/admin
chmod 0440 /etc/sudoers.d/admin

cat >/etc/ssh/sshd_config.d/50-lab.conf <<'SSHD'
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin no
SSHD
cat >/etc/systemd/system/lab-network.service <<'UNIT'
[Unit]
Description=Static address on the bridge of the lab
DefaultDependencies=no
Before=network.target shutdown.target
Conflicts=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
EnvironmentFile=/etc/default/lab-network
ExecStart=/usr/sbin/ip address add $ADDRESS dev host0
ExecStart=/usr/sbin/ip link set host0 up

[Install]
WantedBy=multi-user.target
UNIT
systemctl enable --quiet lab-network.service
chmod 0755 /
# Newer than /usr: nothing has to be rebuilt at boot (systemd-update-done.service(8)).
touch /etc/.updated /var/.updated
`;

/** Path of the tree every host's overlay stands on; it may not exist yet. The name changes with the recipe. */
export function baseTreePath(release: Release = RELEASES[0], software: Software = 'minimal'): string {
  const recipe = createHash('sha256')
    .update(
      JSON.stringify([
        release,
        packagesOf(release),
        FINISH,
        ...(software === 'instances' ? [INSTANCES, INSTALL] : []),
      ]),
    )
    .digest('hex');
  return join(cacheFolder(), `base-${recipe.slice(0, 16)}`);
}

/**
 * Makes sure the base tree exists and returns its path. The first call takes about a minute and needs the Debian
 * mirror; it builds beside the final place and renames, so a tree under its final name is always complete.
 */
export async function ensureBaseTree(
  progress: (line: string) => void,
  release: Release = RELEASES[0],
  software: Software = 'minimal',
): Promise<string> {
  const finished = baseTreePath(release, software);
  if (existsSync(finished)) return finished;
  const minimal = software === 'minimal' ? undefined : await ensureBaseTree(progress, release);
  const waiting = (): void => progress('base tree: another process is building it, waiting');
  await withFileLock(
    join(cacheFolder(), 'lock'),
    async () => {
      if (existsSync(finished)) return;
      await removeAbandonedBuilds();
      const building = join(cacheFolder(), `building-${process.pid}`);
      try {
        if (minimal === undefined) await buildBaseTree(building, release, progress);
        else await addInstances(building, minimal, progress);
        await rename(building, finished);
      } finally {
        await rm(building, { recursive: true, force: true });
      }
    },
    waiting,
  );
  return finished;
}

/** Where trees and parts of virtual machines are kept from one lab to the next. */
export function cacheFolder(): string {
  const cache = process.env['XDG_CACHE_HOME'];
  return join(
    cache !== undefined && cache.startsWith('/') ? cache : join(homedir(), '.cache'),
    'mcp-pra',
    'lab',
  );
}

/** Only under the lock: what is there then belongs to a process that died. */
async function removeAbandonedBuilds(): Promise<void> {
  for (const name of await readdir(cacheFolder())) {
    if (name.startsWith('building-')) await rm(join(cacheFolder(), name), { recursive: true, force: true });
  }
}

async function buildBaseTree(
  path: string,
  release: Release,
  progress: (line: string) => void,
): Promise<void> {
  const started = Date.now();
  // A mirror of the one release has the other.
  const mirror = (await findAptMirror(release)) ?? (await findAptMirror(RELEASES[0]));
  const env = {
    PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
    LANG: 'C.UTF-8',
    DEBIAN_FRONTEND: 'noninteractive',
    ...(await aptProxyEnvironment()),
  };
  progress(`base tree: debootstrap of ${release}, about a minute, once`);
  await mkdir(path, { recursive: true });
  const include = `--include=${packagesOf(release).join(',')}`;
  await mustRun(
    'setpriv',
    [
      ...DIE_WITH_US,
      'debootstrap',
      '--variant=minbase',
      include,
      release,
      path,
      ...(mirror === undefined ? [] : [mirror]),
    ],
    {
      env,
      timeoutMs: 900_000,
      onLine: oncePerSecond((line) => progress(`base tree: ${line.replace(/^[IW]: /, '')}`)),
    },
  );
  await mustRun('setpriv', [...DIE_WITH_US, 'chroot', path, '/bin/sh', '-c', FINISH], { env });
  progress(`base tree: ready after ${Math.round((Date.now() - started) / 1000)} s`);
}

/** The same tree with more in it. apt reads the mirror from its arguments: what was there is put back. */
async function addInstances(path: string, minimal: string, progress: (line: string) => void): Promise<void> {
  const started = Date.now();
  progress('tree with instances: copying and installing, a few minutes, once');
  await mustRun('cp', ['-a', '--reflink=auto', minimal, path]);
  const mirror = (await findAptMirror(RELEASES[0])) ?? 'http://deb.debian.org/debian';
  const env = {
    PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
    LANG: 'C.UTF-8',
    DEBIAN_FRONTEND: 'noninteractive',
    ...(await aptProxyEnvironment()),
  };
  // Names of the mirror are looked up as on this machine while it is asked.
  await mustRun('cp', ['/etc/resolv.conf', join(path, 'etc/resolv.conf')]);
  await mustRun(
    'setpriv',
    [...DIE_WITH_US, 'chroot', path, '/bin/sh', '-c', INSTALL, 'sh', mirror, ...INSTANCES],
    {
      env,
      timeoutMs: 1_200_000,
      onLine: oncePerSecond((line) => progress(`tree with instances: ${line}`)),
    },
  );
  progress(`tree with instances: ready after ${Math.round((Date.now() - started) / 1000)} s`);
}

/**
 * Arguments of setpriv(1) that put a build in mount and process namespaces of its own and tie it to our life:
 * whatever happens to us, no process and no mount of it stays.
 */
export const DIE_WITH_US = '--pdeathsig KILL -- unshare --mount --pid --fork --kill-child --mount-proc'.split(
  ' ',
);

function oncePerSecond(report: (line: string) => void): (line: string) => void {
  let last = 0;
  return (line) => {
    if (Date.now() - last < 1000) return;
    last = Date.now();
    report(line);
  };
}
