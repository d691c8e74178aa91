"""Locks of this host: files in /run, which end with whoever holds them."""

import contextlib
import fcntl
import os
import time

from .refusal import Refusal

WAIT_SECONDS = 15


class lock:
    """An exclusive lock of this host, for a `with`. BUSY after `seconds`; 0 waits for nobody. NO_SPACE when /run cannot hold it."""

    def __init__(self, host, name, seconds=WAIT_SECONDS):
        self.path = f'{host.private}/{name}.lock'
        self.seconds = seconds

    def __enter__(self):
        try:
            self.handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError:
            raise Refusal('NO_SPACE') from None
        deadline = time.monotonic() + self.seconds
        while True:
            try:
                fcntl.flock(self.handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return self
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    os.close(self.handle)
                    raise Refusal('BUSY') from None
                time.sleep(0.02)

    def __exit__(self, *_):
        os.close(self.handle)


@contextlib.contextmanager
def held(folder):
    """An exclusive lock that needs no room: on a folder itself. For a file or two, so that it is waited for."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
