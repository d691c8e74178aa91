"""Stage account: the two accounts. Nobody can log in to them before stage sshd.

The login shell is the wrapper itself, the password field `*` (never matches, and unlike `!` does not lock key logins out), nothing ages
(that would kill key logins, silently and months later), the home belongs to root, the reader is in systemd-journal and the
runner in nothing, cron and at are denied.
"""

import grp
import pwd
from dataclasses import dataclass

from .distribution import is_debian
from .programs import CANONICAL, READER, RUNNER
from .refusal import Refusal

HOMES = '/var/empty'
CRON_HEAD = '# Made by mcp-pra, and removed with it unless somebody else is named here too.'


@dataclass(frozen=True)
class Account:
    name: str
    groups: tuple
    program: str
    comment: str

    @property
    def home(self):
        return f'{HOMES}/{self.name}'


ACCOUNTS = (
    Account(READER, ('systemd-journal',), f'{CANONICAL["BIN"]}/mcp-wrapper', 'mcp-pra reader channel'),
    Account(RUNNER, (), f'{CANONICAL["BIN"]}/pra-exec', 'mcp-pra runner channel'),
)


def apply(_site, host):
    # PAM reads ~/.pam_environment and sshd ~/.ssh: the homes belong to root and nobody else writes there.
    host.folder(HOMES, 0o755)
    for account in ACCOUNTS:
        host.folder(account.home, 0o755)
        require_ordinary(account, host)
        make_account(account, host)
        if host.account(account.name) is not None:  # not with --check on a bare host
            remove_ageing(account, host)
    deny_cron(host)


def remove(_site, host):
    for account in ACCOUNTS:
        if host.account(account.name) is not None:
            host.change(['/usr/sbin/userdel', account.name], f'gone account {account.name}')
        if has_group(account.name):
            host.change(['/usr/sbin/groupdel', account.name], f'gone group {account.name}', ok=(0, 6))
        host.gone(account.home)
    # No package of Debian's makes it; one of RHEL does.
    others = [name for name in host.names_in(HOMES) if not host.is_spare(f'{HOMES}/{name}')]
    if is_debian(host) and host.exists(HOMES) and not set(others) - {account.name for account in ACCOUNTS}:
        host.gone(HOMES)
    allow_cron(host)


# ---- passwd, group, shadow ------------------------------------------------------------------------------------------


def require_ordinary(account, host):
    """An account of this name that is somebody else's, or more than an account of its own."""
    if host.names_in(account.home):
        raise Refusal(f'{account.home} is not empty; look at what is in it, and remove it')
    entry = host.account(account.name)
    if entry is None:
        return
    if entry.pw_uid == 0 or any(one.pw_uid == entry.pw_uid and one.pw_name != account.name for one in pwd.getpwall()):
        raise Refusal(f'{account.name} shares its uid {entry.pw_uid} with another account; remove it with userdel and run this again')
    if f'{account.name}:' not in [line[: len(account.name) + 1] for line in (host.read('/etc/passwd') or b'').decode('utf-8', 'replace').splitlines()]:
        raise Refusal(f'{account.name} comes from the network, not from /etc/passwd: a host must know it when the network is down; rename it there')


def make_account(account, host):
    name = account.name
    entry = host.account(name)
    if not has_group(name):
        host.change(['/usr/sbin/groupadd', '--system', name], f'group {name}', undo=['/usr/sbin/groupdel', name])
    place = ['--gid', name, '--home-dir', account.home, '--shell', account.program, '--comment', account.comment]
    if entry is None:
        argv = ['/usr/sbin/useradd', '--system', '--no-create-home', '--no-user-group', *place, '--groups', ','.join(account.groups), '--password', '*', name]
        host.change(argv, f'account {name}', undo=['/usr/sbin/userdel', name])
        return
    wrong = differences(account, entry, shadow(name, host))
    if not wrong:
        host.note('same', 'account', name)
        return
    # usermod says --home where useradd says --home-dir.
    argv = ['/usr/sbin/usermod', *('--home' if word == '--home-dir' else word for word in place), '--groups', ','.join(account.groups), '--password', '*', name]
    host.change(argv, f'account {name} ({", ".join(wrong)})')


def differences(account, entry, fields):
    """What of an account is not as it should be, by its name."""
    found = {
        'group': grp.getgrgid(entry.pw_gid).gr_name == account.name if has_gid(entry.pw_gid) else False,
        'home': entry.pw_dir == account.home,
        'shell': entry.pw_shell == account.program,
        'comment': entry.pw_gecos == account.comment,
        'groups': sorted(one.gr_name for one in grp.getgrall() if account.name in one.gr_mem and one.gr_name != account.name) == sorted(account.groups),
        'password': fields[1:2] == ['*'],
    }
    return [name for name, good in found.items() if not good]


def remove_ageing(account, host):
    """shadow(5): name, password, last change, min, max, warn, inactive, expire. A last change of 0 asks for a new password at once."""
    fields = (shadow(account.name, host) + [''] * 9)[:9]
    if any(fields[at] not in ('', '-1') for at in (4, 6, 7)) or fields[3] not in ('', '-1', '0') or fields[2] == '0':
        last = ['-d', '-1'] if fields[2] == '0' else []
        host.change(['/usr/bin/chage', '-m', '-1', '-M', '-1', '-I', '-1', '-E', '-1', *last, account.name], f'ageing {account.name}')


def shadow(name, host):
    return host.run(['/usr/bin/getent', 'shadow', name], ok=(0, 2)).output.strip().split(':')


def has_group(name):
    return any(one.gr_name == name for one in grp.getgrall())


def has_gid(gid):
    return any(one.gr_gid == gid for one in grp.getgrall())


# ---- cron and at ----------------------------------------------------------------------------------------------------

# crontab(1), at(1): an .allow file wins; else whoever is not in .deny may. Where neither is there, at is for root alone, and so is cron
# but on Debian: making the file would open it to everybody else.


def deny_cron(host):
    for program in ('cron', 'at'):
        allow, deny = f'/etc/{program}.allow', f'/etc/{program}.deny'
        if host.exists(allow):
            set_lines(host, allow, without_accounts(lines_of(host, allow)))
        if host.exists(deny):
            set_lines(host, deny, with_accounts(lines_of(host, deny)))
        elif program == 'cron' and is_debian(host) and not host.exists(allow):
            set_lines(host, deny, with_accounts([CRON_HEAD]))


def allow_cron(host):
    for deny in ('/etc/cron.deny', '/etc/at.deny'):
        if host.exists(deny):
            left = without_accounts(lines_of(host, deny))
            if left == [CRON_HEAD]:
                host.gone(deny)
            else:
                set_lines(host, deny, [line for line in left if line != CRON_HEAD])


def with_accounts(lines):
    return lines + [account.name for account in ACCOUNTS if account.name not in lines]


def without_accounts(lines):
    return [line for line in lines if line.strip() not in [account.name for account in ACCOUNTS]]


def lines_of(host, path):
    return host.read(path).decode('utf-8', 'surrogateescape').splitlines()


def set_lines(host, path, lines):
    if host.exists(path) and lines_of(host, path) == lines:
        host.note('same', 'lines', path)
        return
    mode, uid, gid = host.owner_of(path) or (0o644, 0, 0)
    host.write(path, mode, ''.join(f'{line}\n' for line in lines).encode('utf-8', 'surrogateescape'), uid, gid)
