"""Processes by a name that nobody gets again in this boot: number and birth."""

import os


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


def has_session(leader):
    """Whether a process of the session that this one began is alive; one that has ended and that nobody has asked for is not."""
    return any(
        fields is not None and fields[3] == str(leader)
        for fields in (_stat(pid) for pid in os.listdir('/proc') if pid.isdigit())
    )


def _stat(pid):
    """The fields of /proc/<pid>/stat from the state on (proc_pid_stat(5)); None when no such process is alive."""
    try:
        with open(f'/proc/{pid}/stat', encoding='utf-8', errors='replace') as file:
            fields = file.read().rpartition(')')[2].split()
    except OSError:
        return None
    return None if fields[0] in 'ZX' else fields
