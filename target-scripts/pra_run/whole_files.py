"""Files that are there whole or not at all, synced to their disk. Their contents are bytes, or JSON."""

import json
import os


def to_json(value):
    """JSON of a value, the same bytes for the same value."""
    return json.dumps(value, sort_keys=True).encode('utf-8')


def read_json(path):
    """What a file of JSON says; None when it is not there or says nothing."""
    try:
        with open(path, 'rb') as file:
            return json.loads(file.read())
    except (OSError, ValueError):
        return None


def create(path):
    """A descriptor of a new, empty file, or None."""
    try:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError:
        return None


def write_all(handle, data):
    """All of it, or the disk's OSError."""
    while data:
        data = data[os.write(handle, data) :]


def _write_synced(path, data):
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        write_all(handle, data)
        os.fsync(handle)
    finally:
        os.close(handle)


def _sync_folder(folder):
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def link_file(folder, name, data):
    """A complete file under a new name, or FileExistsError, or the disk's own OSError and no file; never half a file."""
    _place(folder, name, data, os.link)
    try:
        _sync_folder(folder)
    except OSError:
        os.unlink(f'{folder}/{name}')  # else the next try would take it for somebody else's
        raise


def replace_file(path, data):
    """The same in place of what has the name. After an OSError either may be there."""
    folder, _, name = path.rpartition('/')
    _place(folder, name, data, os.replace)
    _sync_folder(folder)


def _place(folder, name, data, place):
    draft = f'{folder}/.{name}.{os.urandom(8).hex()}'
    try:
        _write_synced(draft, data)
        place(draft, f'{folder}/{name}')
    finally:
        try:
            os.unlink(draft)
        except OSError:
            pass
