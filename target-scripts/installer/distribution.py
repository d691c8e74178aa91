"""Which family of distributions this host is of: os-release(5) says it."""

import re

SUPPORTED = {'debian', 'ubuntu', 'rhel', 'fedora', 'centos'}


def families(host):
    """`ID` and `ID_LIKE` of os-release(5)."""
    words = re.findall(r'^(?:ID|ID_LIKE)=(.*)$', (host.read('/etc/os-release') or b'').decode('utf-8', 'replace'), re.MULTILINE)
    return set(' '.join(words).replace('"', '').replace("'", '').split())


def is_debian(host):
    """Debian, Ubuntu and what is made of them; otherwise it is of the RHEL family."""
    return bool(families(host) & {'debian', 'ubuntu'})
