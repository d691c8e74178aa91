"""What collectors read of processes in /proc (proc(5)): who one is, in words that are safe to show."""

import re


def read_small(path):
    """A file of /proc has no size before it is read: so many bytes are enough for any that is asked for."""
    with open(path, 'rb') as file:
        return file.read(65536)


def printable(raw):
    """Names in /proc are chosen by the process: printable ASCII or a question mark."""
    return re.sub(r'[^ -~]', '?', raw.decode('ascii', 'replace'))


def user_names():
    """From /etc/passwd alone: no directory server, which may be the thing that is down."""
    names = {}
    for row in read_small('/etc/passwd').split(b'\n'):
        fields = row.split(b':')
        if len(fields) == 7 and fields[2].isdigit():
            names.setdefault(int(fields[2]), printable(fields[0]))
    return names


def unit_of(pid):
    """The innermost systemd unit in the process's cgroup (its last line is the unified hierarchy's), or None.

    No question to systemd, which may be slow when a host is in trouble; a cgroup that is no unit (of a container, say) is inside one.
    """
    try:
        path = read_small(f'/proc/{pid}/cgroup').decode('ascii', 'replace').strip().split('\n')[-1].split(':', 2)[-1]
    except OSError:
        return None  # it ended meanwhile
    for part in reversed(path.split('/')):
        if re.fullmatch(r'[A-Za-z0-9@._:\\-]{1,128}\.(service|scope)', part):
            return part
    return None
