"""When a key ends, in the form that this host's sshd takes. Imports none of the others: setup-target uses it from the pack, where no path is rendered in."""

import calendar
import os
import re
import time
from datetime import timedelta, timezone

# OpenSSH 9.1 is the first that takes a time in UTC, with a Z; an older one ignores the whole line for it.
UTC_SINCE = (9, 1)


def openssh_version(text):
    """(major, minor) in what `ssh -V` prints; None when it does not say."""
    found = re.search(r'OpenSSH_([0-9]+)\.([0-9]+)', text)
    return None if found is None else (int(found[1]), int(found[2]))


def expiry_time(moment, openssh):
    """A moment as this OpenSSH takes it: UTC, or before 9.1 the local time of this process, without summer time, as its mktime(3) reads it."""
    utc = moment.astimezone(timezone.utc)
    if openssh >= UTC_SINCE:
        return utc.strftime('%Y%m%d%H%M%SZ')
    seconds = calendar.timegm(utc.utctimetuple())
    local = time.localtime(seconds)
    # sshd hands the fields to mktime with tm_isdst 0: find those for which that gives the moment back.
    surplus = time.mktime((*local[:6], 0, 0, 0)) - seconds
    fields = utc + timedelta(seconds=calendar.timegm(local) - seconds - surplus)
    return fields.strftime('%Y%m%d%H%M%S')


def take_host_zone():
    """Times without a zone are sshd's own: those of the host, whatever this process was told."""
    os.environ.pop('TZ', None)
    time.tzset()
