"""What was claimed, what became of it, and the chain of receipts.

Two shelves: the state directory, and /run for what a full or read-only disk cannot take. A claim is one complete, fsynced file
that is linked to its name, so it is there or it is not. Whoever links `started/<id>` may start the action, and no one after.
"""

import errno
import os
import time

from . import form, keys
from .host import boottime_ms
from .lock import held, lock
from .processes import is_alive, name_process
from .refusal import Refusal
from .whole_files import create, link_file, read_json, replace_file, to_json, write_all

BALLAST_BYTES = 262144
BALLAST_ROOM = 16 * BALLAST_BYTES  # made again only where it does not matter
ORPHAN_GRACE_MS = 10_000  # a claim without a launcher that nobody has started for so long never will be
CLAIM_KEYS = frozenset(
    'host action args kind ticket_hash ticket principals impact incident is_auto is_fence argv verify ends before result limit cancellable'
    ' launcher claimed boot_id boottime_ms n'.split()
)
FINAL = ('SUCCEEDED', 'FAILED', 'VERIFY_FAILED', 'INTERRUPTED', 'NEVER_STARTED')


class Shelf:
    """Where claims, results, output and receipts of one kind of storage are."""

    def __init__(self, claims, rest, is_durable):
        self.claims = claims
        self.started = rest + '/started'
        self.begun = rest + '/begun'
        self.ended = rest + '/ended'
        self.results = rest + '/results'
        self.output = rest + '/output'
        self.receipts = rest + '/receipts'
        self.cancels = rest + '/cancels'
        self.chain = rest + '/chain.json'
        self.rest = (self.started, self.begun, self.ended, self.results, self.output, self.receipts, self.cancels)
        self.session = rest + '/break-glass.json'
        self.is_durable = is_durable


class Claims:
    def __init__(self, host):
        self.host = host
        self.durable = Shelf(host.state + '/claims', host.state, True)
        self.volatile = Shelf(host.run + '/claims', host.private, False)
        self.shelves = (self.durable, self.volatile)
        self.unreadable = set()
        self._may_settle_at = 0

    # --- reading

    def find(self, id):
        """The claim of an id, or None. STATE_BAD when it cannot be read: then nobody can say that there never was one."""
        for shelf in self.shelves:
            path = f'{shelf.claims}/{id}.json'
            if os.path.lexists(path):
                claim = read_json(path)
                if not is_claim(claim, id):
                    raise Refusal('STATE_BAD')
                return claim
        return None

    def among(self, ids):
        """The claims of these ids, as far as there are any. Those that cannot be read hold up nothing else: `unreadable` has their ids."""
        found = []
        for id in ids:
            try:
                found.append(self.find(id))
            except Refusal:
                self.unreadable.add(id)
        return [claim for claim in found if claim is not None]

    def _first(self, folder, name):
        return next((found for found in (read_json(f'{getattr(shelf, folder)}/{name}.json') for shelf in self.shelves) if found), None)

    def result(self, id):
        """How it ended, or None. What was over when it was claimed has its result in the claim itself: they cannot come apart."""
        return self._first('results', id) or (self.find(id) or {}).get('result')

    def receipt(self, id):
        """{'receipt', 'signature'} of the final receipt, or None."""
        return self._first('receipts', id)

    def output_path(self, id):
        """The file with the action's output, or None."""
        paths = [f'{shelf.output}/{id}' for shelf in self.shelves]
        return next((path for path in paths if os.path.exists(path)), None)

    def all(self):
        return self.among(self._ids('claims'))

    def open(self):
        """The claims without a final receipt, the oldest first."""
        return sorted(self.among(self._ids('claims') - self._ids('receipts')), key=lambda claim: (claim['n'], claim['boottime_ms']))

    def running(self):
        """The claims of this boot that have no result and whose process is still there."""
        open_ids = self._ids('claims') - self._ids('results')
        return [claim for claim in self.among(open_ids) if self.is_running(claim)]

    def is_durable(self, claim):
        """Whether a power cut would leave the claim, and what it was claimed for where that is done already."""
        return self._is_kept('claims', claim['id']) and (claim['result'] is None or claim['result'].get('is_durable', True))

    def _is_kept(self, folder, id):
        """Whether the disk took it for sure; else it is in /run, or in both."""
        is_there = [os.path.exists(f'{getattr(shelf, folder)}/{id}.json') for shelf in self.shelves]
        return is_there == [True, False]

    def _ids(self, folder):
        ids = set()
        for shelf in self.shelves:
            try:
                names = os.listdir(getattr(shelf, folder))
            except OSError:
                continue
            ids.update(name[:-5] for name in names if name.endswith('.json') and not name.startswith('.'))
        return ids

    def is_running(self, claim):
        """Whether a claimed action is being run, or is about to be."""
        if claim['boot_id'] != self.host.boot_id or self.result(claim['id']) is not None:
            return False
        start = self.start_of(claim)
        if start is None:
            return is_alive(claim['launcher']) or boottime_ms() - claim['boottime_ms'] < ORPHAN_GRACE_MS
        return is_alive(start)

    def is_given_up(self, claim):
        """For a claim that is not running: True when nobody will start it any more. Of one of this boot that is decided here."""
        return claim['boot_id'] != self.host.boot_id or self.start_of(claim) is not None or self.start(claim['id'], 0)

    def start_of(self, claim):
        """Who took a claim on in this boot ({'pid', 'birth'}; pid 0: nobody ever will), or None."""
        start = self._first('started', claim['id'])
        return start if start is not None and start['boot_id'] == self.host.boot_id else None

    # --- writing

    def prepare_folders(self):
        """Makes what is missing. What cannot be made is noticed when it is needed."""
        try:
            if not os.path.lexists(self.host.run):  # systemd-tmpfiles makes it, if it is well
                os.mkdir(self.host.run)
                os.chmod(self.host.run, 0o755)  # the reader channel has its own folders in it
            os.makedirs(self.host.private, 0o700, exist_ok=True)
        except OSError:
            raise Refusal('NO_SPACE') from None
        info = os.lstat(self.host.private)
        if info.st_uid != os.geteuid() or info.st_mode & 0o077 or not os.path.isdir(self.host.private):
            raise Refusal('INTERNAL')
        for shelf in self.shelves:
            for folder in (shelf.claims, *shelf.rest):
                try:
                    os.makedirs(folder, 0o700, exist_ok=True)
                except OSError:
                    pass

    def claim(self, claim):
        """Writes a claim, and gives it back. ID_CONFLICT when the id is taken, NO_SPACE when no shelf can hold it."""
        for shelf in self.shelves:
            if self._put(shelf, shelf.claims, claim['id'], claim):
                return claim
        raise Refusal('NO_SPACE')

    def start(self, id, pid):
        """True for exactly one caller in the life of a claim, False also while nothing can hold that. pid 0 burns it.

        It is of this boot, so /run has it; the disk while that is full. Two places, and a lock for both that needs no room.
        """
        start = {'id': id, **name_process(pid), 'boot_id': self.host.boot_id}
        with held(self.host.private):
            if any(os.path.lexists(f'{shelf.started}/{id}.json') for shelf in self.shelves):
                return False
            return any(self._put(shelf, shelf.started, id, start) for shelf in reversed(self.shelves))

    def note_begin(self, id, time):
        """That the program is about to be started, where a boot does not forget it."""
        for shelf in self.shelves:
            if self._put(shelf, shelf.begun, id, {'time': time}, exist_ok=True):
                break

    def begin_of(self, claim):
        """When its program was about to be started, or None: nothing ever ran."""
        begin = self._first('begun', claim['id'])
        return begin and begin['time']

    def has_acted(self, claim):
        """Whether its program can have come to its end by itself: it had begun, and nobody cancelled it."""
        end = self.end_of(claim)
        has_begun = self.begin_of(claim) is not None if end is None else end['started'] != '-'
        return has_begun and self._first('cancels', claim['id']) is None

    def note_end(self, id, end):
        """How the program ended, where that is not the result yet: it must not be lost while the rest is waited for."""
        for shelf in self.shelves:
            if self._put(shelf, shelf.ended, id, end, exist_ok=True):
                break

    def end_of(self, claim):
        """What note_end wrote, or None."""
        return self._first('ended', claim['id'])

    def finish(self, id, result):
        """Writes a result unless there is one, and gives the final receipt out."""
        for shelf in self.shelves:
            if self._put(shelf, shelf.results, id, result, exist_ok=True):
                break

    def keep_cancel(self, id, cancel):
        """Keeps who stopped a run, for an auditor: the first of them. A full disk stops no stopping."""
        any(self._put(shelf, shelf.cancels, id, cancel, exist_ok=True) for shelf in self.shelves)

    def replace(self, shelf, path, value):
        """Whether the shelf took a file in place of the one of that name. The ballast goes first when the disk is full."""
        return self._store(shelf, lambda: replace_file(path, to_json(value)))

    def _put(self, shelf, folder, id, value, exist_ok=False):
        """Whether the shelf took it under a new name."""
        try:
            return self._store(shelf, lambda: link_file(folder, f'{id}.json', to_json(value)))
        except FileExistsError:
            if exist_ok:
                return True
            raise Refusal('ID_CONFLICT') from None

    def _store(self, shelf, write):
        """Whether the shelf took what is written. The ballast goes first when the disk is full."""
        for _ in range(2):
            try:
                write()
                return True
            except FileExistsError:
                raise
            except OSError as error:
                if error.errno not in (errno.ENOSPC, errno.EDQUOT) or not (shelf.is_durable and self._release_ballast()):
                    return False
        return False

    def _release_ballast(self):
        try:
            os.unlink(self.host.state + '/ballast')
        except OSError:
            return False
        return True

    def renew_ballast(self):
        path = self.host.state + '/ballast'
        try:
            room = os.statvfs(self.host.state)
            if os.path.lexists(path) or room.f_bavail * room.f_frsize < BALLAST_ROOM:
                return
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(handle, 0, BALLAST_BYTES)
            finally:
                os.close(handle)
        except OSError:
            pass

    def create_output(self, id):
        """A descriptor of a new, empty output file, on the other shelf when the first cannot hold it; None when neither can."""
        for shelf in self.shelves:
            handle = create(f'{shelf.output}/{id}')
            if handle is not None:
                return handle
        return None

    def move_output(self, id, kept):
        """Gives up an output file that cannot grow: a descriptor of one on the other shelf that holds what was kept, or None."""
        path = f'{self.volatile.output}/{id}'
        handle = create(path)
        if handle is None:
            return None
        try:
            write_all(handle, kept)
            os.unlink(f'{self.durable.output}/{id}')
        except OSError:
            os.close(handle)
            os.unlink(path)
            return None
        return handle

    # --- receipts

    def state_receipt(self, claim):
        """{'receipt', 'signature'} as things stand: the final one, or one that says RUNNING."""
        final = self.final_receipt(claim)
        if final is not None:
            return final
        return self._sign(claim, {'state': 'RUNNING', 'started': self.begin_of(claim) or '-'}, self._chain_head().get('hash', '-'))

    def final_receipt(self, claim):
        """The one final receipt of a claim that has ended, made now if nobody made it yet; None while it runs."""
        found = self.receipt(claim['id'])
        if found is None and not self.is_running(claim) and self._settle(claim):
            found = self._chain(claim)
        return found

    def _settle(self, claim):
        """Whether a claim that is not running has a result, now or already. What has to be verified is left to `pra-run --settle`."""
        from . import outcome, settle

        if outcome.needs_time(claim) and self.result(claim['id']) is None:
            self._have_settled()
            return False
        return settle.decide(self.host, self, claim)

    def _have_settled(self):
        """Asks for it at most once a second: the one who follows a run looks ten times as often."""
        from . import settle

        if time.monotonic() >= self._may_settle_at:
            settle.start(self.host)
            self._may_settle_at = time.monotonic() + 1

    def trace(self, claim):
        """What is left of a run that nobody saw the end of: when it started, its output so far."""
        trace = {'started': self.begin_of(claim) or '-'}
        path = self.output_path(claim['id'])
        if path is not None:
            with open(path, 'rb') as file:
                output = file.read()
            trace['output'] = f'{form.sha256(output)} {len(output)}'
        return trace

    def _chain(self, claim):
        """Links the result into the chain of final receipts. The chain file is the commit: a crash after it loses nothing."""
        with lock(self.host, 'chain'):
            head = self._chain_head()
            id = claim['id']
            if head.get('id') == id:
                signed = head['last']
            else:
                signed = self.receipt(id)
            if signed is None:
                signed = self._sign(claim, self.result(id), head.get('hash', '-'))
                text = signed['receipt'].encode('ascii')
                self._write_head({'n': head.get('n', 0) + 1, 'id': id, 'hash': form.sha256(text), 'last': signed})
            for shelf in self.shelves:
                if self._put(shelf, shelf.receipts, id, signed, exist_ok=True):
                    break
            return signed

    def _chain_head(self):
        heads = [head for head in (read_json(shelf.chain) for shelf in self.shelves) if head is not None]
        return max(heads, key=lambda head: head['n'], default={})

    def chain_length(self):
        return self._chain_head().get('n', 0)

    def _write_head(self, head):
        for shelf in self.shelves:
            try:
                replace_file(shelf.chain, to_json(head))
                return
            except OSError:
                continue

    def _sign(self, claim, result, previous):
        host = self.host
        text = form.serialise(
            form.RECEIPT,
            {
                'id': claim['id'],
                'host': claim['host'],
                'host_key': host.key_fingerprint,
                'action': claim['action'],
                'ticket': claim['ticket_hash'],
                'state': result['state'],
                'rc': result.get('rc', '-'),
                'claimed': claim['claimed'],
                'started': result.get('started', '-'),
                'finished': result.get('finished', '-'),
                'duration_ms': result.get('duration_ms', '-'),
                'output': result.get('output', '- 0'),
                'verified': result.get('verified', '-'),
                'evidence': [tuple(line) for line in result.get('evidence', [])],
                'durable': 'yes' if self._is_end_durable(claim, result['state']) else 'no',
                'boot_id': claim['boot_id'],
                'previous': previous,
            },
        )
        form.parse(form.RECEIPT, text)
        return {'receipt': text.decode('ascii'), 'signature': keys.sign_as_host(host, keys.RECEIPT_NAMESPACE, text)}

    def _is_end_durable(self, claim, state):
        return self.is_durable(claim) and (state not in FINAL or claim['result'] is not None or self._is_kept('results', claim['id']))


def is_claim(value, id):
    """Whether this is a whole claim of that id, as claiming.py writes them."""
    return isinstance(value, dict) and value.get('v') == 1 and value.get('id') == id and CLAIM_KEYS <= value.keys()
