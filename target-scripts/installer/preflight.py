"""Stage preflight: refusals before anything is touched. Reads only, so it says the same with --check.

Also what later stages would refuse is refused here, where it can be known beforehand: tables, policy and signers as pra-run judges them, the
sudoers file as visudo does.
"""

import grp
import os
import pwd
import re
import stat
import sys

from access.expiry import openssh_version

from . import sudo, tables
from .distribution import SUPPORTED, families
from .programs import HOST_KEY
from .refusal import Refusal

PYTHON = (3, 9)
# What revoke-keys asks of ssh-keygen. 8.2 is the first with Include in sshd_config; -Y sign and verify came with 8.1.
OPENSSH = (8, 4)
NEEDED = {
    '/usr/sbin/sshd': 'openssh-server',
    '/usr/bin/ssh': 'openssh-client (RHEL: openssh-clients)',
    '/usr/bin/ssh-keygen': 'openssh-client (RHEL: openssh)',
    '/usr/bin/sudo': 'sudo',
    '/usr/sbin/visudo': 'sudo',
    '/usr/bin/setpriv': 'util-linux',
    '/usr/bin/timeout': 'coreutils',
    '/usr/bin/dd': 'coreutils',
    '/usr/bin/logger': 'bsdutils (RHEL: util-linux)',
    '/usr/bin/python3': 'python3',
    '/usr/sbin/useradd': 'passwd (RHEL: shadow-utils)',
    '/usr/bin/chage': 'passwd (RHEL: shadow-utils)',
    '/usr/sbin/runuser': 'util-linux',
    '/usr/bin/getent': 'libc-bin (RHEL: glibc-common)',
    '/usr/bin/systemctl': 'systemd',
    '/usr/bin/systemd-tmpfiles': 'systemd',
    HOST_KEY: 'made by: ssh-keygen -A',
    f'{HOST_KEY}.pub': f'made by: ssh-keygen -y -f {HOST_KEY} >{HOST_KEY}.pub',
}
# What holds programs that root runs, rules that root's programs read, and evidence.
FOLDERS = ('/', '/etc', '/etc/ssh', '/etc/sudoers.d', '/usr', '/usr/local', '/usr/local/bin', '/usr/local/lib', '/var', '/var/lib')


def apply(site, host):
    if os.geteuid() != 0:
        raise Refusal('setup-target needs root: run it with sudo')
    require_family(host)
    if not host.exists('/run/systemd/system'):
        raise Refusal('a target runs systemd: this host was booted without it')
    missing = [f'{path} ({package})' for path, package in NEEDED.items() if not host.exists(path)]
    if missing:
        raise Refusal(f'Missing: {", ".join(missing)}')
    require_versions(sys.version_info[:2], host.run(['/usr/bin/ssh', '-V']).errors)
    require_host_key(host)
    for folder in FOLDERS:
        if host.exists(folder):
            require_only_root(folder)
    require_local_sudoers((host.read('/etc/nsswitch.conf') or b'').decode('utf-8', 'replace'))
    tables.files(site, host)
    sudo.require_good(host, sudo.sudoers(site, host, sudo.is_rust(host)))
    host.note('same', 'preflight', name_of(host))


def require_family(host):
    if not families(host) & SUPPORTED:
        raise Refusal('a target is a Debian, Ubuntu or RHEL-family host with systemd')


def require_versions(python, ssh_words):
    openssh = openssh_version(ssh_words) or (0, 0)
    if python < PYTHON or openssh < OPENSSH:
        wanted, has = f'Python {PYTHON[0]}.{PYTHON[1]} and OpenSSH {OPENSSH[0]}.{OPENSSH[1]}', f'Python {python[0]}.{python[1]} and {ssh_words.strip()}'
        raise Refusal(f'a target needs {wanted}; this host has {has}')


def require_host_key(host):
    """Offers and receipts are signed with the private half and verified with the public one."""
    words = host.run(['/usr/bin/ssh-keygen', '-y', '-P', '', '-f', HOST_KEY]).output.split()[:2]
    if words != (host.read(f'{HOST_KEY}.pub') or b'').decode('utf-8', 'replace').split()[:2]:
        raise Refusal(f'{HOST_KEY}.pub does not belong to {HOST_KEY}; ssh-keygen -y -f {HOST_KEY} prints the right one')


def require_only_root(folder):
    """Debian used to let the group `staff` write below /usr/local: whoever is in it could replace pra-run."""
    state = os.stat(folder)
    writers = []
    if state.st_mode & stat.S_IWGRP and state.st_gid != 0:
        group = next((one for one in grp.getgrall() if one.gr_gid == state.st_gid), None)
        writers = [*(group.gr_mem if group else ['?']), *(user.pw_name for user in pwd.getpwall() if user.pw_gid == state.st_gid)]
    if state.st_uid != 0 or state.st_mode & stat.S_IWOTH or [name for name in writers if name != 'root']:
        raise Refusal(f'{folder} can be written by others than root; chown root:root and chmod go-w it first')


def require_local_sudoers(nsswitch):
    """With rules from LDAP or SSSD each sudo would wait for the network: that is when it is needed most."""
    if re.search(r'^ *sudoers *:.*(ldap|sss)', nsswitch, re.MULTILINE):
        raise Refusal('/etc/nsswitch.conf takes sudoers from the network; set `sudoers: files` on a host that must recover without it')


def name_of(host):
    found = re.search(r'^PRETTY_NAME="?([^"\n]*)', (host.read('/etc/os-release') or b'').decode('utf-8', 'replace'), re.MULTILINE)
    return found[1] if found else 'linux'


def remove(_site, _host):
    """Nothing was made."""
