"""The open connections of the two accounts: sshd's processes, and their end."""

import os
import pwd
import re
import select
import signal
import time

from .failed import Failed
from .places import LAUNCHER, READER, RUNNER
from .said import tell

TERM_SECONDS = 1.0  # for a connection to end by itself; then it is killed
KILL_SECONDS = 5.0
SSHD = re.compile(r'sshd(?:-session|-auth)?')


def sessions():
    """{pid: start in clock ticks} of sshd's processes that serve the two accounts, or are just letting one of them in.

    Those of root carry the account in their title from the moment its name is known, before any key is judged; no other
    process of root is called so and runs sshd's program. Those of containers are not this host's, whatever their numbers mean there.
    """
    if LAUNCHER != 'sudo':
        return {}
    uids = {entry.pw_uid for entry in pwd.getpwall() if entry.pw_name in (READER, RUNNER)}
    title = re.compile(rf'sshd(?:-session|-auth)?: (?:{re.escape(READER)}|{re.escape(RUNNER)})(?:[ @].*)?')
    monitors, workers = {}, {}
    for name in os.listdir('/proc'):
        if not name.isdigit():
            continue
        try:
            program = os.path.basename(os.readlink(f'/proc/{name}/exe')).replace(' (deleted)', '')
            if not SSHD.fullmatch(program):
                continue
            uid, is_ours = owner(name)
            if not is_ours:
                continue
            with open(f'/proc/{name}/cmdline', 'rb') as file:
                words = file.read(4096).replace(b'\0', b' ').decode('latin-1').rstrip()
            with open(f'/proc/{name}/stat', encoding='latin-1') as file:
                fields = file.read().rpartition(')')[2].split()
        except OSError:
            continue  # gone meanwhile
        if uid in uids:
            workers[int(name)] = int(fields[1])
        elif uid == 0 and title.fullmatch(words):
            monitors[int(name)] = int(fields[19])
    # A worker is as old as the connection: its monitor. One whose monitor is gone serves nobody that we would spare.
    return {**monitors, **{pid: monitors.get(parent, 0) for pid, parent in workers.items()}}


def owner(pid):
    """Real user of a process, and whether it is one of this host and not of a container: that has a number of its own there.

    The owner of /proc/PID would not do: it is root for whatever changed its user, as sshd does.
    """
    with open(f'/proc/{pid}/status', encoding='ascii', errors='replace') as file:
        text = file.read()
    numbers = re.search(r'^NSpid:((?:\t[0-9]+)+)$', text, re.M)
    return int(re.search(r'^Uid:\t([0-9]+)', text, re.M)[1]), numbers is None or len(numbers[1].split()) == 1


def ticks_now():
    """Clock ticks since boot, as in field 22 of /proc/PID/stat; one more, so that all that is there now counts as before."""
    return int(time.clock_gettime(time.CLOCK_BOOTTIME) * os.sysconf('SC_CLK_TCK')) + 1


def end_sessions(since, is_check=False):
    """Ends every connection of the accounts that began before `since`. A login that is just being judged is one of them."""
    if LAUNCHER != 'sudo':
        return
    # A login whose key was accepted just before the lists changed has had its process since then, and is found here.
    ended = set()
    deadline = time.monotonic() + KILL_SECONDS
    while True:
        alive = {pid for pid, started in sessions().items() if started <= since}
        ended |= alive
        if not alive:
            break
        if is_check:
            tell(f'changed sessions {len(alive)} process(es) of open connections would be ended')
            return
        if time.monotonic() > deadline:
            raise Failed(f'{len(alive)} process(es) of open connections do not end')
        stop_processes(alive, since)
    tell(f'{"changed" if ended else "same"} sessions {len(ended)} process(es) of open connections ended')


def stop_processes(pids, since):
    """SIGTERM, so that sshd closes the session in the log, then SIGKILL. By handle: a number may be somebody else's by now."""
    handles = {}
    for pid in pids:
        try:
            handle = os.pidfd_open(pid)
        except OSError:
            continue
        if pid in {pid for pid, started in sessions().items() if started <= since}:
            handles[handle] = pid
        else:
            os.close(handle)
    try:
        send(handles, signal.SIGTERM)
        wait_for(handles, TERM_SECONDS)
        send(handles, signal.SIGKILL)
        wait_for(handles, TERM_SECONDS)
    finally:
        for handle in handles:
            os.close(handle)


def send(handles, number):
    for handle in handles:
        try:
            signal.pidfd_send_signal(handle, number)
        except ProcessLookupError:
            pass


def wait_for(handles, seconds):
    """Until all have ended, at most so long. A handle can be read once its process is no more."""
    waiting, deadline = set(handles), time.monotonic() + seconds
    while waiting and time.monotonic() < deadline:
        ready, _, _ = select.select(list(waiting), [], [], max(0, deadline - time.monotonic()))
        waiting -= set(ready)
