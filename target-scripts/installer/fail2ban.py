"""Stage fail2ban: who may knock. The jail of sshd, with the control plane exempt; and the packet filter (nftables.py).

Only sshd's own refusals count, read from the journal by fields the kernel vouches for: a jail on the wrappers' denials, or on text
that any account can log, would let whoever writes it ban the addresses of others. The control plane is exempt, or a key that
expired would lock out the one who comes to mend it.
"""

import configparser
import ipaddress
import re
import shutil
import tempfile
from pathlib import Path

from . import nftables
from .refusal import Refusal

ETC = '/etc/fail2ban'
# Read last: a file of the site's cannot put its list in the place of ours, and ours adds to it.
JAIL = f'{ETC}/jail.d/zz-mcp-pra.local'
# Read first: ours refers to the list that is there, and Debian's jail.conf has none.
FLOOR = f'{ETC}/jail.d/00-mcp-pra.conf'
CLIENT = '/usr/bin/fail2ban-client'
SYSTEMCTL = '/usr/bin/systemctl'
IPTABLES, NFT = '/usr/sbin/iptables', '/usr/sbin/nft'
# Debian's jail looks for a unit ssh.service does not have, or for a program name that anybody can give to his own.
JOURNALMATCH = '_UID=0 SYSLOG_IDENTIFIER=sshd + _UID=0 SYSLOG_IDENTIFIER=sshd-session'


def jail(addresses, ports, banaction=None):
    """jail.conf(5): sshd's jail. Ports as numbers: on a host without /etc/services a ban of `ssh` fails, and fail2ban calls it banned.

    `banaction` is the kind where the host's own does not work.
    """
    rows = ['# Managed by mcp-pra.', '[sshd]', 'enabled = true', 'backend = systemd', f'journalmatch = {JOURNALMATCH}']
    rows.append(f'ignoreip = %(known/ignoreip)s {" ".join(addresses)}')
    rows.append(f'port = {",".join(map(str, ports))}')
    if banaction is not None:
        rows += [f'banaction = {banaction}[type=multiport]', f'banaction_allports = {banaction}[type=allports]']
    return ''.join(f'{row}\n' for row in rows).encode('ascii')


def floor():
    """What the list of exempt addresses is where the host says nothing: fail2ban's own documented default."""
    return b'# Managed by mcp-pra. Any later file wins.\n[DEFAULT]\nignoreip = 127.0.0.1/8 ::1\n'


def control_plane(site):
    """The addresses that must never be banned: those named for it, and all from which a key may come. Names and patterns are none."""
    sources = [source for login in (*site.keys.reader, *site.keys.runner, *site.keys.break_glass) for source in login.sources]
    found = {ipaddress.ip_network(address) for address in site.fail2ban.ignore}
    for source in (*sources, *site.certificates.sources):
        try:
            found.add(ipaddress.ip_network(source))
        except ValueError:
            pass
    # `from=0.0.0.0/0` says where keys may come from, not who can be trusted.
    networks = sorted((one for one in found if one.prefixlen > 0), key=lambda one: (one.version, one))
    return [str(one.network_address) if one.num_addresses == 1 else str(one) for one in networks]


def apply(site, host):
    _apply_jail(site, host)
    nftables.apply(site, host)


def remove(site, host):
    if _clear(host) and not host.check and _runs(host):
        _reload(host)
    nftables.remove(site, host)


def _apply_jail(site, host):
    why = _why_not(site, host)
    if why is not None:
        if _clear(host) and not host.check and _runs(host):
            _reload(host)
        host.note('same', 'skipped', f'fail2ban: {why}')
        return
    addresses = control_plane(site)
    ports = _ports(site, host)
    wanted = {JAIL: jail(addresses, ports)}
    if not _has_default(host):
        wanted[FLOOR] = floor()
    if not host.exists(IPTABLES) and _bans_with_iptables(_judge(host, wanted)):
        if host.exists(NFT):
            wanted[JAIL] = jail(addresses, ports, 'nftables')
        else:
            host.note('same', 'warning', 'fail2ban: it can ban nobody: this host has neither iptables nor nft')
    _require_exempt(_judge(host, wanted), addresses)
    if _runs(host):
        host.undo_with(lambda: _reload(host))
    changed = host.gone(FLOOR) if FLOOR not in wanted else False
    for path, content in sorted(wanted.items()):
        changed |= host.write(path, 0o644, content)
    if not host.check and changed and _runs(host):
        _reload(host)
        _unban(host, addresses)
    if not host.check and not _runs(host):
        host.note('same', 'skipped', 'reload: fail2ban is enabled, but does not run; look at journalctl -u fail2ban')


def _why_not(site, host):
    """Why there is no jail of ours, in a sentence; None: there is one."""
    if not site.fail2ban.enabled:
        return 'it is switched off (mcp_pra_fail2ban)'
    if not host.exists(CLIENT):
        return 'this host has none'
    if host.run([SYSTEMCTL, 'is-enabled', '--quiet', 'fail2ban.service'], ok=None).code != 0 and not _runs(host):
        return 'it is installed here, but not enabled; systemctl enable --now fail2ban, then run this stage again'
    if host.run(['/usr/bin/python3', '-IBc', 'import systemd.journal'], ok=None).code != 0:
        return 'it cannot read the journal here: install python3-systemd'
    if not control_plane(site):
        return 'no address of the control plane is known, so a jail could lock it out; say it in mcp_pra_fail2ban.ignore or mcp_pra_from'
    return None


def _ports(site, host):
    """Where sshd listens, and where it will once its own stage has run."""
    said = host.run(['/usr/sbin/sshd', '-T', '-C', 'user=root,host=mcp-pra.invalid,addr=192.0.2.1'], ok=None)
    listening = {int(line.split()[1]) for line in said.lines if re.fullmatch(r'port [0-9]{1,5}', line)}
    return sorted((listening or {22}) | ({site.sshd.port} - {None}))


def _clear(host):
    return any([host.gone(JAIL), host.gone(FLOOR)])


def _runs(host):
    return host.run([SYSTEMCTL, 'is-active', '--quiet', 'fail2ban.service'], ok=None).code == 0


def _reload(host):
    """Bans stay. fail2ban answers once every jail is as it should be."""
    host.run([CLIENT, 'reload'])


def _has_default(host):
    """Whether jail.conf itself exempts addresses; a file of the site's may go again, and jail.conf belongs to the package."""
    parser = configparser.RawConfigParser(strict=False, inline_comment_prefixes=';')
    try:
        parser.read_string((host.read(f'{ETC}/jail.conf') or b'').decode('utf-8', 'replace'))
    except configparser.Error as error:
        raise Refusal(f'{ETC}/jail.conf cannot be read: {str(error).splitlines()[0]}') from None
    return parser.has_option('DEFAULT', 'ignoreip')


def _judge(host, wanted):
    """What fail2ban makes of all its files with ours among them, in a copy: nothing is touched before that is known."""
    with tempfile.TemporaryDirectory(prefix='mcp-pra-fail2ban-') as folder:
        copy = Path(folder) / 'fail2ban'
        shutil.copytree(host.root + ETC, copy, symlinks=True)
        for path in (JAIL, FLOOR):
            (copy / path.removeprefix(f'{ETC}/')).unlink(missing_ok=True)
        for path, content in wanted.items():
            (copy / path.removeprefix(f'{ETC}/')).write_bytes(content)
        said = host.run([CLIENT, '-c', str(copy), '-d'], ok=None)
    if said.code != 0:
        words = [line for line in (said.errors + said.output).splitlines() if 'ERROR' in line] or ['without a word']
        raise Refusal(f'fail2ban would not start with its configuration: {" | ".join(words[:3])}')
    return [line for line in said.lines if line.startswith("['") and "'sshd'" in line]


def _bans_with_iptables(lines):
    return any('addaction' in line and 'iptables' in line for line in lines)


def _require_exempt(lines, addresses):
    listed = {word for line in lines if "'addignoreip'" in line for word in re.findall(r"'([^']*)'", line)[3:]}
    missing = [address for address in addresses if address not in listed]
    if missing:
        raise Refusal(f'another file below {ETC}/jail.d wins over {JAIL}: {", ".join(missing)} would not be exempt; rename that file to sort before')


def _unban(host, addresses):
    """Who is exempt from now on may have been banned before."""
    networks = [ipaddress.ip_network(address) for address in addresses]
    for word in host.run([CLIENT, 'get', 'sshd', 'banip']).output.split():
        try:
            banned = ipaddress.ip_address(word)
        except ValueError:
            continue
        if any(banned in network for network in networks):
            host.run([CLIENT, 'set', 'sshd', 'unbanip', word], ok=None)
