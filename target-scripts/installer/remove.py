"""Takes away what the stages made, and nothing else. Needs no site file; can be repeated after a failure.

The order keeps the host closed at every step: both channels are switched off and their connections ended, then sudo's lines and the
accounts go, and only then sshd's rules, without which the accounts' shells would be all that is left.
"""

import importlib
import os
import re
import signal
import time

from collecting.log_permissions import withdraw
from pra_run.form import ID

from . import sshd
from .account import ACCOUNTS
from .programs import CANONICAL, READER
from .refusal import Refusal

ETC = CANONICAL['ETC']
ORDER = ('sudo', 'account', 'sshd', 'fail2ban', 'logs', 'limits', 'scripts', 'tables')
SYSTEMCTL = '/usr/bin/systemctl'
KILL_SECONDS = 10


def remove(site, host):
    require_no_action(host)
    # Before anything goes: what waits would put files back into folders that are gone.
    sshd.take_back_earlier(host)
    uids = close_channels(host)
    # One more may have begun before the switch was thrown.
    require_no_action(host)
    close_logs(host)
    for name in ORDER:
        importlib.import_module(f'installer.{name}').remove(site, host)
        # Each step stays even when a later one fails: half removed is closed, and the next try goes on from there.
        host.finish_step()
    # What was ended while it worked counts as failed, and systemd would remember its name until the next boot.
    host.act([SYSTEMCTL, 'reset-failed', 'mcp-pra-*', *(f'user@{uid}.*' for uid in uids)], ok=None)
    if host.keeps_evidence and host.exists(ETC):
        host.note('same', 'evidence', f'{ETC} and {CANONICAL["STATE"]} stay')


def require_no_action(host):
    said = host.run([SYSTEMCTL, 'list-units', '--no-legend', '--plain', 'mcp-pra-*.service'], ok=None)
    # As pra-run names them: by the id of the ticket.
    running = [name for name in (line.split()[0] for line in said.lines if line.strip()) if re.fullmatch(rf'mcp-pra-{ID}\.service', name)]
    if running:
        raise Refusal(f'an action is running ({", ".join(running)}): wait for its end, or stop it with systemctl stop')


def close_channels(host):
    """The switch first: an open connection outlives its key. Gives the numbers of the accounts."""
    if host.exists(ETC):
        host.write(f'{ETC}/disabled', 0o644, b'')
    for name in ('authorized_keys', 'principals'):
        host.gone(f'{ETC}/{name}')
    uids = [entry.pw_uid for entry in (host.account(account.name) for account in ACCOUNTS) if entry is not None]
    end = time.monotonic() + KILL_SECONDS
    while not host.check and (left := processes_of(uids)):
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        if time.monotonic() > end:
            raise Refusal(f'processes of the two accounts do not end: {" ".join(map(str, left))}')
        time.sleep(0.05)
    host.finish_step()
    return uids


def close_logs(host):
    """While the account is still there: whoever gets its number later must not find log files open to them."""
    reader = host.account(READER)
    if reader is None or host.check:
        return
    host.act([SYSTEMCTL, 'stop', 'mcp-pra-collect-named_logs.timer', 'mcp-pra-collect-named_logs.service'], ok=None)
    taken, _ = withdraw('/var/log', reader.pw_uid, set())
    if taken:
        host.note('changed', 'closed', f'{taken} log files and folders below /var/log to {READER}')


def processes_of(uids):
    """Processes of this host whose real user is one of these: sshd's own for a connection as well, once it gave up root.

    In a container the same number is somebody else's, a database's for one: its processes have a second number of their own.
    The owner of /proc/PID would not do: it is root for whatever changed its user, as sshd does.
    """
    found = []
    for name in os.listdir('/proc'):
        if name.isdigit():
            try:
                with open(f'/proc/{name}/status', encoding='ascii', errors='replace') as file:
                    facts = dict(re.findall(r'(?m)^(State|Uid|NSpid):\t(.*)$', file.read()))
            except OSError:
                continue
            if int(facts['Uid'].split()[0]) in uids and not facts['State'].startswith('Z') and len(facts.get('NSpid', name).split()) == 1:
                found.append(int(name))
    return found
