"""Stage limits: what all processes of one account together may take, so that a stolen key cannot starve the host.

systemd's slice of the account (user-<uid>.slice) holds what pam_systemd puts there: every login of the account, sshd's own two
processes for it, and all they start. An action that runs is a unit of root's in system.slice and is not in it. The second line is
limits.conf's `nproc`, for hosts whose sshd does without pam_systemd.
"""

import re

from .refusal import Refusal

ACCOUNTS = (('mcp-reader', 'reader'), ('pra-runner', 'runner'))
UNITS = '/etc/systemd/system'
DROP_IN = '50-mcp-pra.conf'
NPROC = '/etc/security/limits.d/mcp-pra.conf'
SYSTEMCTL = '/usr/bin/systemctl'
# nproc counts all processes of a uid on this kernel, in containers that share the uid too, so it stands well above the slice.
NPROC_FACTOR = 4


def slice_drop_in(limit):
    """The drop-in of one account's slice (systemd.resource-control(5))."""
    rows = ('# Managed by mcp-pra.', '[Slice]', f'TasksMax={limit.tasks}', f'MemoryMax={limit.memory}', f'CPUQuota={limit.cpu}')
    return ''.join(f'{row}\n' for row in rows).encode('ascii')


def nproc_file(limits):
    """limits.conf(5): processes of each account, should no slice hold them."""
    rows = [f'{account} hard nproc {getattr(limits, channel).tasks * NPROC_FACTOR}' for account, channel in ACCOUNTS]
    return ''.join(f'{row}\n' for row in ('# Managed by mcp-pra.', *rows)).encode('ascii')


def apply(site, host):
    host.undo_with(lambda: host.run([SYSTEMCTL, 'daemon-reload'], ok=None))  # registered first, done last: after the files are back
    uids = {}
    changed = False
    for account, channel in ACCOUNTS:
        entry = host.account(account)
        if entry is None:
            if not host.check:
                raise Refusal(f'there is no account {account}; run the stage account first')
            host.note('changed', '0644', f'{UNITS}/user-<uid of {account}>.slice.d/{DROP_IN}')
            continue
        if entry.pw_uid == 0:
            raise Refusal(f'{account} has the uid 0: its slice would be that of root; run the stage account first')
        uids[channel] = entry.pw_uid
    changed |= _remove_drop_ins(host, keep=uids.values())
    for channel, uid in uids.items():
        changed |= host.folder(_folder(uid), 0o755)
        changed |= host.write(f'{_folder(uid)}/{DROP_IN}', 0o644, slice_drop_in(getattr(site.limits, channel)))
    if host.exists('/etc/security/limits.d'):
        host.write(NPROC, 0o644, nproc_file(site.limits))
    else:
        host.note('same', 'skipped', f'{NPROC}: this host has no limits.d')
    if changed and not host.check:
        host.run([SYSTEMCTL, 'daemon-reload'])
    if not host.check or not changed:
        for channel, uid in uids.items():
            _assert_effective(host, uid, getattr(site.limits, channel))
    if not _sessions_use_slices(host):
        host.note('same', 'skipped', "the slices bind nothing here: pam_systemd is not among sshd's PAM modules, so nproc alone counts")


def remove(_site, host):
    changed = _remove_drop_ins(host, keep=())
    host.gone(NPROC)
    if changed and not host.check:
        host.run([SYSTEMCTL, 'daemon-reload'])


def _folder(uid):
    return f'{UNITS}/user-{uid}.slice.d'


def _remove_drop_ins(host, keep):
    """Those of other uids too: the accounts may have been made anew, and the limit must not hit whoever has the number now."""
    kept = {f'user-{uid}.slice.d' for uid in keep}
    changed = False
    for name in host.names_in(UNITS):
        if not re.fullmatch(r'user-[0-9]+\.slice\.d', name) or name in kept:
            continue
        folder = f'{UNITS}/{name}'
        held = host.names_in(folder)
        if DROP_IN in held:
            changed |= host.gone(folder if held == [DROP_IN] else f'{folder}/{DROP_IN}')
    return changed


def _assert_effective(host, uid, limit):
    """What systemd makes of all drop-ins together: a later one of the site's would win without a word."""
    unit = f'user-{uid}.slice'
    said = host.run([SYSTEMCTL, 'show', '--property=TasksMax,MemoryMax,CPUQuotaPerSecUSec,DropInPaths', unit]).lines
    actual = dict(line.split('=', 1) for line in said if '=' in line)
    wanted = {'TasksMax': str(limit.tasks), 'MemoryMax': str(_bytes(limit.memory)), 'CPUQuotaPerSecUSec': _span(limit.cpu)}
    for name, value in wanted.items():
        if actual.get(name) != value:
            raise Refusal(
                f'systemd applies {name}={actual.get(name)} to {unit} instead of {value}: '
                f'another drop-in wins ({actual.get("DropInPaths", "")}); take it away and say it with mcp_pra_limits'
            )


def _bytes(size):
    """As systemctl prints it: `512M` in bytes."""
    return int(size[:-1]) << {'M': 20, 'G': 30}[size[-1]]


def _span(share):
    """As systemctl prints it: `150%` of a second is `1.500000s`, `100%` is `1s`, `20%` is `200ms`."""
    milliseconds = int(share[:-1]) * 10
    if milliseconds < 1000:
        return f'{milliseconds}ms'
    minutes, rest = divmod(milliseconds, 60_000)
    seconds, thousandths = divmod(rest, 1000)
    tail = f'{seconds}.{thousandths:03d}000s' if thousandths else f'{seconds}s' if seconds or not minutes else ''
    return ' '.join(part for part in (f'{minutes}min' if minutes else '', tail) if part)


def _sessions_use_slices(host):
    """Whether pam_systemd is in the session part of sshd's PAM stack, includes followed."""
    waiting, seen = ['sshd'], set()
    while waiting:
        name = waiting.pop()
        if name in seen or '/' in name:
            continue
        seen.add(name)
        for line in (host.read(f'/etc/pam.d/{name}') or b'').decode('utf-8', 'replace').splitlines():
            words = line.split()
            if len(words) >= 2 and words[0] == '@include':
                waiting.append(words[1])
            elif len(words) >= 3 and words[0].lstrip('-') == 'session':
                if words[1] in ('include', 'substack'):
                    waiting.append(words[2])
                elif 'pam_systemd.so' in words:
                    return True
    return False
