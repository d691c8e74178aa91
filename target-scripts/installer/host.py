"""The one door to the machine: every file, folder and command of an installation goes through here.

A stage asks (`run`, `read`) and changes (`write`, `folder`, `gone`, `change`). Each change is compared first, noted as
`changed` or `same`, and can be put back: `roll_back` leaves files and folders as they were before the stage, and does what
was registered with `undo_with`. Old files are kept by a link beside them until `commit`, so that putting back needs no space.

With `check` nothing is changed: notes only say what would be. A stage that asks about what an earlier one would have made
must expect not to find it (`check` on a bare host).
"""

import difflib
import os
import pwd
import shutil
import stat
import subprocess
from pathlib import Path

from .refusal import Refusal

# What any program started here sees, and nothing more.
ENVIRONMENT = {
    'PATH': '/usr/sbin:/usr/bin:/sbin:/bin',
    'LC_ALL': 'C.UTF-8',
    'TZ': 'UTC',
    'HOME': '/',
    'TERM': 'dumb',
    'SYSTEMD_COLORS': '0',
    'SYSTEMD_PAGER': '',
    'PAGER': 'cat',
}
SECONDS = 120
# Both begin with a dot and end in no suffix that sudo, sshd, systemd, rsyslog or logrotate reads.
FRESH = '.mcp-pra-new'
BEFORE = '.mcp-pra-before'


class Done:
    """What a program said. `output` and `errors` are text; what is not UTF-8 is replaced."""

    def __init__(self, code, output, errors):
        self.code = code
        self.output = output
        self.errors = errors

    @property
    def lines(self):
        return self.output.splitlines()


class Host:
    """`root` is '' but in tests, where it stands before every path. `source` is the folder target-scripts of the pack."""

    def __init__(self, source, check=False, diff=False, root='', keeps_evidence=True):
        self.source = Path(source)
        self.check = check
        self.diff = diff
        self.root = root
        self.keeps_evidence = keeps_evidence
        # Of stage sshd: how long a change waits for its confirmation, and the two public keys that prove it meanwhile.
        self.confirm_seconds = 120
        self.probe = None
        self.notes = []
        self.finished = []
        self._undo = []
        self._kept = []
        self._trusted = set()

    # ---- questions: nothing changes, so they are asked with `check` too ----

    def run(self, argv, stdin=b'', ok=(0,), seconds=SECONDS):
        """A program by its absolute path, with a constant environment. Refusal when its exit code is not in `ok` (None: any)."""
        try:
            done = subprocess.run(argv, input=stdin, capture_output=True, env=ENVIRONMENT, cwd='/', timeout=seconds, check=False)
        except subprocess.TimeoutExpired:
            raise Refusal(f'{argv[0]} did not answer within {seconds} seconds') from None
        except OSError as error:
            raise Refusal(f'{argv[0]} cannot be started: {error.strerror}') from None
        said = Done(done.returncode, done.stdout.decode('utf-8', 'replace'), done.stderr.decode('utf-8', 'replace'))
        if ok is not None and said.code not in ok:
            words = (said.errors.strip() or said.output.strip() or 'without a word').splitlines()
            raise Refusal(f'{" ".join(argv)} ended with {said.code}: {" | ".join(words[:8])}')
        return said

    def read(self, path):
        """The bytes of a file, or None where there is none. A link is followed."""
        try:
            return self._at(path).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def exists(self, path):
        """Whether there is anything at the path; links are followed."""
        return self._at(path).exists()

    def owner_of(self, path):
        """(mode, uid, gid) of what is at the path, links followed; None where there is nothing."""
        try:
            state = os.stat(self._at(path))
        except (FileNotFoundError, NotADirectoryError):
            return None
        return stat.S_IMODE(state.st_mode), state.st_uid, state.st_gid

    def names_in(self, folder):
        """Sorted names in a folder; none where there is no folder."""
        place = self._at(folder)
        return sorted(os.listdir(place)) if place.is_dir() else []

    def is_spare(self, path):
        """Whether `write` or `gone` keeps this file until the stage is through."""
        return self._at(path) in self._kept

    def has(self, path, mode, content, uid=0, gid=0):
        """Whether `write` would find nothing to do."""
        return self._is_file(self._at(path), mode, content, uid, gid)

    def account(self, name):
        """The passwd entry of an account (pwd.struct_passwd), or None."""
        try:
            return pwd.getpwnam(name)
        except KeyError:
            return None

    # ---- changes ----

    def note(self, status, what, detail=''):
        """One line of the report: `changed` or `same`, a word or mode, what it is about."""
        self.notes.append(' '.join(part for part in (status, what, detail) if part))

    def write(self, path, mode, content, uid=0, gid=0):
        """A whole file or none: bytes, mode and owner as given. Says whether that was a change."""
        self._require_trusted(path)
        place = self._at(path)
        self._sweep(place)
        if self._is_file(place, mode, content, uid, gid):
            self.note('same', f'{mode:04o}', path)
            return False
        self.note('changed', f'{mode:04o}', path)
        self._show_difference(path, place, content)
        if not self.check:
            fresh = place.with_name(f'.{place.name}{FRESH}')
            try:
                self._write_fresh(fresh, mode, content, uid, gid)
                self._keep(place)
                os.rename(fresh, place)
            except OSError as error:
                raise Refusal(f'{path} cannot be written: {error.strerror}') from None
            finally:
                fresh.unlink(missing_ok=True)
        return True

    def own(self, path, mode):
        """A file that is there gets this mode and belongs to root; its bytes are somebody else's. Says whether that was a change."""
        self._require_trusted(path)
        handle = os.open(self._at(path), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            state = os.fstat(handle)
            if not stat.S_ISREG(state.st_mode):
                raise Refusal(f'{path} is no file; move it away first')
            if (stat.S_IMODE(state.st_mode), state.st_uid, state.st_gid) == (mode, *self._owner(0, 0)):
                self.note('same', f'{mode:04o}', path)
                return False
            self.note('changed', f'{mode:04o}', path)
            if not self.check:
                os.fchown(handle, *self._owner(0, 0))
                os.fchmod(handle, mode)
            return True
        finally:
            os.close(handle)

    def folder(self, path, mode, uid=0, gid=0):
        """A folder with this mode and owner; what is in it stays. Says whether that was a change."""
        self._require_trusted(path)
        place = self._at(path)
        try:
            state = os.lstat(place)
        except FileNotFoundError:
            state = None
        if state is not None and not stat.S_ISDIR(state.st_mode):
            raise Refusal(f'{path} is no folder; move it away first')
        if state is not None and (stat.S_IMODE(state.st_mode), state.st_uid, state.st_gid) == (mode, *self._owner(uid, gid)):
            self.note('same', f'{mode:04o}', path + '/')
            return False
        self.note('changed', f'{mode:04o}', path + '/')
        if not self.check:
            if state is None:
                os.mkdir(place, 0o700)
                self._undo.append(lambda: _remove_empty(place))
            else:
                self._undo.append(lambda: (os.chown(place, state.st_uid, state.st_gid), os.chmod(place, stat.S_IMODE(state.st_mode))))
            os.chown(place, *self._owner(uid, gid))
            os.chmod(place, mode)
        return True

    def gone(self, path):
        """Nothing at this path any more: file, link, or folder with all that is in it. Says whether that was a change."""
        self._require_trusted(path)
        place = self._at(path)
        self._sweep(place)
        if not os.path.lexists(place):
            return False
        self.note('changed', 'gone', path)
        if not self.check:
            self._keep(place, goes=True)
        return True

    def change(self, argv, what, undo=None, ok=(0,), stdin=b'', seconds=SECONDS):
        """A program that changes something, noted as `changed <what>`. `undo` is the argv that takes it back."""
        self.note('changed', what)
        if not self.check:
            self.run(argv, stdin=stdin, ok=ok, seconds=seconds)
            if undo is not None:
                self._undo.append(lambda: self.run(undo, ok=None))

    def act(self, argv, ok=(0,), seconds=SECONDS):
        """A program that makes a noted change take effect (a reload); not with `check`."""
        if not self.check:
            self.run(argv, ok=ok, seconds=seconds)

    def undo_with(self, action):
        """Called by `roll_back`, the last registered first; with `check` there is nothing to undo."""
        if not self.check:
            self._undo.append(action)

    # ---- the end of a stage ----

    def commit(self):
        """What was done stays. Gives the notes of the stage, and forgets them."""
        kept, self._kept, self._undo = self._kept, [], []
        for place in kept:
            _remove(place)
        notes = self.finished + self.notes
        self.notes, self.finished = [], []
        return notes

    def finish_step(self):
        """What was done so far stays, whatever comes later in the stage; its notes are still to be given."""
        self.finished = self.commit()

    def roll_back(self):
        """Everything as it was before the stage, as far as it goes. Gives what could not be put back, one sentence each."""
        failures = []
        while self._undo:
            try:
                self._undo.pop()()
            except Exception as error:  # what is left to put back matters more than why this was not
                failures.append(str(error))
        self._kept, self.notes = [], []
        return failures

    # ---- how ----

    def _at(self, path):
        if not path.startswith('/') or '..' in path.split('/'):
            raise ValueError(f'not an absolute path: {path}')
        return Path(self.root + path)

    def _owner(self, uid, gid):
        """In tests, without root, everything belongs to whoever runs them."""
        return (uid, gid) if self.root == '' else (os.geteuid(), os.getegid())

    def _require_trusted(self, path):
        """Nobody but root may put another file in the place of ours: that holds for every folder above it."""
        folder = os.path.realpath(self._at(os.path.dirname(path)))
        while folder not in self._trusted:
            try:
                state = os.stat(folder)
            except FileNotFoundError:
                state = None
            if state is not None:
                others = state.st_mode & stat.S_IWOTH and not state.st_mode & stat.S_ISVTX
                if not stat.S_ISDIR(state.st_mode) or state.st_uid not in (0, os.geteuid()) or others:
                    raise Refusal(f'{folder} can be written by others than root; chown root:root and chmod go-w it first')
            self._trusted.add(folder)
            if folder in ('/', self.root):
                return
            folder = os.path.dirname(folder)

    def _sweep(self, place):
        """What a run that was killed left beside the file."""
        if not self.check:
            for end in (FRESH, BEFORE):
                left = place.with_name(f'.{place.name}{end}')
                if left not in self._kept:
                    _remove(left)

    def _is_file(self, place, mode, content, uid, gid):
        try:
            state = os.lstat(place)
        except (FileNotFoundError, NotADirectoryError):
            return False
        same = stat.S_ISREG(state.st_mode) and (stat.S_IMODE(state.st_mode), state.st_uid, state.st_gid) == (mode, *self._owner(uid, gid))
        return same and state.st_size == len(content) and place.read_bytes() == content

    def _write_fresh(self, fresh, mode, content, uid, gid):
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, 'wb') as file:
            os.fchown(handle, *self._owner(uid, gid))
            os.fchmod(handle, mode)
            file.write(content)
            file.flush()
            os.fsync(handle)

    def _keep(self, place, goes=False):
        """Keeps what is at `place` beside it, and registers how it comes back. A file stays in place until it is replaced, unless it goes."""
        before = place.with_name(f'.{place.name}{BEFORE}')
        if not os.path.lexists(place):
            self._undo.append(lambda: _remove(place))
        elif before in self._kept:  # the second change in one stage: what counts is how it was before the first
            if goes or place.is_dir():
                _remove(place)
        elif place.is_file() and not place.is_symlink():
            os.link(place, before, follow_symlinks=False)
            self._kept.append(before)
            self._undo.append(lambda: _put_back(before, place))
            if goes:
                place.unlink()
        else:
            os.rename(place, before)
            self._kept.append(before)
            self._undo.append(lambda: _put_back(before, place))

    def _show_difference(self, path, place, content):
        if not self.diff:
            return
        old = place.read_bytes() if place.is_file() and not place.is_symlink() else b''
        try:
            before, after = old.decode('utf-8'), content.decode('utf-8')
        except UnicodeDecodeError:
            return
        for line in difflib.unified_diff(before.splitlines(), after.splitlines(), path, path, lineterm=''):
            self.notes.append(line)


def _remove(place):
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)


def _put_back(before, place):
    """rename(2) does nothing where both are one file: then the spare name only goes."""
    if place.is_dir() and not place.is_symlink():
        _remove(place)
    if os.path.lexists(place) and os.path.samestat(os.lstat(before), os.lstat(place)):
        before.unlink()
    else:
        os.rename(before, place)


def _remove_empty(place):
    if place.is_dir() and not os.listdir(place):
        place.rmdir()
