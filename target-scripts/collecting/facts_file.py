"""The one way in which a collector hands over what it found."""

import json
import os
import time


def write(folder, name, period, members):
    """`<folder>/<name>.json`: members besides `v`, `collected_at` and `period` (seconds). Readers see the old file or the new one.

    Owner and group are those of the unit (root:mcp-reader), the mode is 0640. Without members (None) the host has nothing of which
    the file would tell, and it goes away.
    """
    target, fresh = f'{folder}/{name}.json', f'{folder}/.{name}.new'
    for path in (fresh,) if members is not None else (target, fresh):
        if os.path.lexists(path):
            os.unlink(path)
    if members is None:
        return
    facts = {'v': 1, 'collected_at': time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime()), 'period': period, **members}
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o640)
    with os.fdopen(handle, 'wb') as file:
        os.fchmod(handle, 0o640)
        file.write(json.dumps(facts, separators=(',', ':')).encode('ascii') + b'\n')
    os.rename(fresh, target)
