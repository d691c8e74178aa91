"""Who may read which log file: an entry of one account in the ACL (acl(5)) of exactly the files that have a name, and of no other.

logrotate and others make new files without the entry, and move old ones away with it. So the whole folder is gone through each time: what
has a name gets the entry, what has it without a name (a rotated file, a name that was taken away) loses it. Folders on the way to
a named file get search permission alone: their names cannot be listed. Links are never followed, and a file with a second name
(a hard link) is never opened to anybody: whoever may write to the folder could have put any file of the system there.
"""

import errno
import os
import stat
import struct

MOST_ENTRIES = 50_000
# The journal is the reader's by its group, and has thousands of files.
SKIPPED = ('journal',)
READ, SEARCH = 4, 1
ACL = 'system.posix_acl_access'
VERSION = 2
OWNER, USER, OWN_GROUP, GROUP, MASK, OTHER = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
NOBODY = 0xFFFFFFFF
FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Refused(Exception):
    """Why a named file is not opened to the account; the words are shown to the reader."""


# ---- the entry of one account ---------------------------------------------------------------------------------------


def entries_of(handle):
    """[tag, permissions, id] of an open file: its ACL, or what its mode says."""
    try:
        data = os.getxattr(handle, ACL)
    except OSError as error:
        if error.errno not in (errno.ENODATA, errno.EOPNOTSUPP):
            raise
        mode = os.fstat(handle).st_mode
        return [[OWNER, mode >> 6 & 7, NOBODY], [OWN_GROUP, mode >> 3 & 7, NOBODY], [OTHER, mode & 7, NOBODY]]
    return [list(entry) for entry in struct.iter_unpack('<HHI', data[4:])]


def has_entry(handle, uid):
    return any(tag == USER and one == uid for tag, _, one in entries_of(handle))


def may(handle, uid, wanted):
    """Whether the account has the permission already: by its own entry, or as everybody else. Groups are not asked: it is in none."""
    entries = entries_of(handle)
    mask = next((allowed for tag, allowed, _ in entries if tag == MASK), 7)
    for tag, allowed, one in entries:
        if tag == USER and one == uid:
            return allowed & mask & wanted == wanted
    return any(tag == OTHER and allowed & wanted == wanted for tag, allowed, _ in entries)


def set_entry(handle, uid, allowed):
    """The account's entry is this (None: there is none). What all others may do in effect stays as it was."""
    entries = entries_of(handle)
    mask = next((own for tag, own, _ in entries if tag == MASK), 7)
    kept = [[tag, own & mask if tag in (USER, OWN_GROUP, GROUP) else own, one] for tag, own, one in entries if tag != MASK and not (tag == USER and one == uid)]
    if allowed is not None:
        kept.append([USER, allowed, uid])
    if any(tag in (USER, GROUP) for tag, _, _ in kept):
        union = 0
        for tag, own, _ in kept:
            union |= own if tag in (USER, OWN_GROUP, GROUP) else 0
        kept.append([MASK, union, NOBODY])
    kept.sort(key=lambda entry: (entry[0], entry[2]))
    os.setxattr(handle, ACL, struct.pack('<I', VERSION) + b''.join(struct.pack('<HHI', *entry) for entry in kept))


# ---- one named file -------------------------------------------------------------------------------------------------


def open_named(logs, path):
    """Handles of the folders on the way and of the file, the file last; Refused in words. The caller closes them."""
    parts = path[len(logs) + 1 :].split('/') if path.startswith(f'{logs}/') else []
    if not parts or any(part in ('', '.', '..') for part in parts) or parts[0] in SKIPPED:
        raise Refused(f'not a file below {logs}')
    handles = [os.open(logs, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)]
    try:
        for part in parts[:-1]:
            handles.append(os.open(part, FOLDER_FLAGS, dir_fd=handles[-1]))
        handles.append(os.open(parts[-1], FILE_FLAGS, dir_fd=handles[-1]))
        state = os.fstat(handles[-1])
        if not stat.S_ISREG(state.st_mode):
            raise Refused('not a regular file')
        if state.st_nlink != 1:
            raise Refused('it has a second name')
    except OSError as error:
        close(handles)
        words = {errno.ENOENT: 'missing', errno.ELOOP: 'a link', errno.ENOTDIR: 'a link or no folder'}
        raise Refused(words.get(error.errno, 'it cannot be opened')) from None
    except Refused:
        close(handles)
        raise
    return handles


def close(handles):
    for handle in handles:
        os.close(handle)


def permit(logs, path, uid):
    """Lets the account read a file; gives its fstat and the (device, inode) of all that carries an entry for it. Refused in words."""
    handles = open_named(logs, path)
    try:
        for handle in handles:
            wanted = READ if handle is handles[-1] else SEARCH
            if not may(handle, uid, wanted):
                set_entry(handle, uid, wanted)
        return os.fstat(handles[-1]), {identity(os.fstat(handle)) for handle in handles}
    except OSError as error:
        why = 'its filesystem has no ACL' if error.errno == errno.EOPNOTSUPP else 'its permissions cannot be changed'
        raise Refused(why) from None
    finally:
        close(handles)


def identity(state):
    return state.st_dev, state.st_ino


# ---- all others -----------------------------------------------------------------------------------------------------


def withdraw(logs, uid, kept):
    """Takes the account's entry from everything below the folder but `kept`. Gives how many it was, and whether all was looked at."""
    taken, seen, waiting = 0, 0, [os.open(logs, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)]
    while waiting:
        folder = waiting.pop()
        try:
            taken += take_from(folder, uid, kept)
            for name in os.listdir(folder):
                seen += 1
                if seen > MOST_ENTRIES or len(waiting) > 500:
                    close(waiting)
                    return taken, False
                if name in SKIPPED:
                    continue
                try:
                    kind = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
                    if stat.S_ISDIR(kind):
                        waiting.append(os.open(name, FOLDER_FLAGS, dir_fd=folder))
                    elif stat.S_ISREG(kind):
                        handle = os.open(name, FILE_FLAGS, dir_fd=folder)
                        try:
                            taken += take_from(handle, uid, kept)
                        finally:
                            os.close(handle)
                except OSError:
                    continue  # it went meanwhile, or is on a filesystem of its own manners
        finally:
            os.close(folder)
    return taken, True


def take_from(handle, uid, kept):
    if identity(os.fstat(handle)) in kept or not has_entry(handle, uid):
        return 0
    set_entry(handle, uid, None)
    return 1
