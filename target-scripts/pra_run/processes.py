"""Processes by a name that nobody gets again in this boot: number and birth."""

import os
import signal


def name_process(pid):
    """{'pid', 'birth'}: one process of this boot, whoever gets its number later."""
    return {'pid': pid, 'birth': process_birth(pid)}


def is_alive(named):
    """Whether a process of name_process is still there; pid 0 never is."""
    return named['pid'] != 0 and process_birth(named['pid']) == named['birth']


def process_birth(pid):
    """When a process began, in the kernel's ticks: with its pid it names one process of this boot. None when there is none."""
    fields = _stat(pid)
    return fields and fields[19]


def kill_session(leader):
    """KILL for every process of the session that this one began, in whichever process group; whether there was one.

    One that has ended and that nobody has asked for counts as gone.
    """
    return any([_kill_in_session(int(pid), str(leader)) for pid in os.listdir('/proc') if pid.isdigit()])


def _kill_in_session(pid, session):
    # Held first and looked at then: a number may be given to another process, the handle never.
    try:
        process = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        fields = _stat(pid)
        if fields is None or fields[3] != session:
            return False
        signal.pidfd_send_signal(process, signal.SIGKILL)
        return True
    except ProcessLookupError:
        return False
    finally:
        os.close(process)


def _stat(pid):
    """The fields of /proc/<pid>/stat from the state on (proc_pid_stat(5)); None when no such process is alive."""
    try:
        with open(f'/proc/{pid}/stat', encoding='utf-8', errors='replace') as file:
            fields = file.read().rpartition(')')[2].split()
    except OSError:
        return None
    return None if fields[0] in 'ZX' else fields
