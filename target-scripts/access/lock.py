"""One revocation or step of a rotation at a time."""

import fcntl
import os
import stat
import time

from .failed import Failed
from .places import ETC, OWNER_UID, RUN

LOCK = f'{RUN}-revoke.lock'
SECONDS = 20


class Locked:
    """One revocation or step of a rotation at a time. A file that only root can open: whoever can open a file or folder can hold its lock."""

    def __init__(self):
        if not os.path.isdir(ETC):
            raise Failed(f'{ETC} is missing; this host is not provisioned')
        self.handle = os.open(LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
        state = os.fstat(self.handle)
        if not stat.S_ISREG(state.st_mode) or state.st_uid != OWNER_UID or state.st_mode & 0o077:
            raise Failed(f'{LOCK} can be opened by others than root; remove it')
        deadline = time.monotonic() + SECONDS
        while True:
            try:
                fcntl.flock(self.handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise Failed('another revocation or rotation holds this host') from None
                time.sleep(0.05)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.handle)
