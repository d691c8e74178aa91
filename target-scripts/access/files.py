"""Files of root: read as only root can have written them, replaced whole or not at all."""

import os
import stat

from .failed import Failed
from .places import OWNER_UID

MAX_FILE = 8 << 20


def read(path, missing=None):
    """A text file that only root can have written; `missing` when it is not there."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        if missing is None:
            raise
        return missing
    with os.fdopen(handle, 'rb') as file:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode) or status.st_uid != OWNER_UID or status.st_mode & 0o022:
            raise Failed(f'{path} is not a file that only root can write')
        return file.read(MAX_FILE).decode('utf-8', 'surrogateescape')


def replace(path, data, mode=None):
    """Whole or not at all, on the disk before it counts. Keeps the mode of what was there unless one is given."""
    fresh = f'{path}.new'
    if mode is None:
        mode = stat.S_IMODE(os.lstat(path).st_mode)
    if os.path.lexists(fresh):
        os.unlink(fresh)
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    try:
        with os.fdopen(handle, 'wb') as file:
            os.fchmod(handle, mode)
            file.write(data)
        settle(fresh, path)
    finally:
        if os.path.lexists(fresh):
            os.unlink(fresh)


def copy(path, fresh):
    if os.path.lexists(fresh):
        os.unlink(fresh)
    with open(path, 'rb') as source:
        data = source.read(MAX_FILE)
        mode = stat.S_IMODE(os.fstat(source.fileno()).st_mode)
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    with os.fdopen(handle, 'wb') as file:
        os.fchmod(handle, mode)
        file.write(data)


def settle(fresh, path):
    handle = os.open(fresh, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        os.fchmod(handle, stat.S_IMODE(os.lstat(path).st_mode) if os.path.lexists(path) else 0o644)
        os.fsync(handle)
    finally:
        os.close(handle)
    os.rename(fresh, path)
    sync_folder(os.path.dirname(path))


def sync_folder(path):
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
