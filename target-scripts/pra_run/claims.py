"""What was claimed, what became of it, and the chain of receipts.

Two shelves: the state directory, and /run for what a full or read-only disk cannot take. A claim is one complete, fsynced file
that is linked to its name, so it is there or it is not. Whoever links `started/<id>` may start the action, and no one after.
"""

import errno
import fcntl
import json
import os
import time

from . import form, keys
from .host import boottime_ms, wallclock
from .refusal import Refusal

BALLAST_BYTES = 262144
BALLAST_ROOM = 16 * BALLAST_BYTES  # made again only where it does not matter
LAUNCH_GRACE_MS = 60_000  # a claim that nobody has started for so long never will be
LOCK_SECONDS = 15
KEEP_SECONDS = 30 * 86400
KEEP_NEWEST = 200
PRUNE_AT_ONCE = 50
FINAL = ('SUCCEEDED', 'FAILED', 'VERIFY_FAILED', 'INTERRUPTED', 'NEVER_STARTED')


class Shelf:
    """Where claims, results, output and receipts of one kind of storage are."""

    def __init__(self, claims, rest, is_durable):
        self.claims = claims
        self.ended = rest + '/ended'
        self.results = rest + '/results'
        self.output = rest + '/output'
        self.receipts = rest + '/receipts'
        self.cancels = rest + '/cancels'
        self.chain = rest + '/chain.json'
        self.session = rest + '/break-glass.json'
        self.is_durable = is_durable


class Claims:
    def __init__(self, host):
        self.host = host
        self.durable = Shelf(host.state + '/claims', host.state, True)
        self.volatile = Shelf(host.run + '/claims', host.private, False)
        self.shelves = (self.durable, self.volatile)
        self.started = host.private + '/started'
        self._may_settle_at = 0

    # --- reading

    def find(self, id):
        """The claim of an id, or None."""
        for shelf in self.shelves:
            claim = _read_json(f'{shelf.claims}/{id}.json')
            if claim is not None:
                return claim
        return None

    def _first(self, folder, name):
        return next((found for found in (_read_json(f'{getattr(shelf, folder)}/{name}.json') for shelf in self.shelves) if found), None)

    def result(self, id):
        return self._first('results', id)

    def receipt(self, id):
        """{'receipt', 'signature'} of the final receipt, or None."""
        return self._first('receipts', id)

    def output_path(self, id):
        """The file with the action's output, or None."""
        paths = [f'{shelf.output}/{id}' for shelf in self.shelves]
        return next((path for path in paths if os.path.exists(path)), None)

    def all(self):
        return [claim for claim in (self.find(id) for id in self._ids('claims')) if claim is not None]

    def open(self):
        """The claims without a final receipt, the oldest first."""
        claims = [claim for claim in (self.find(id) for id in self._ids('claims') - self._ids('receipts')) if claim is not None]
        return sorted(claims, key=lambda claim: (claim['n'], claim['boottime_ms']))

    def running(self):
        """The claims of this boot that have no result and whose process is still there."""
        open_ids = self._ids('claims') - self._ids('results')
        return [claim for claim in (self.find(id) for id in open_ids) if claim is not None and self.is_running(claim)]

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
            return boottime_ms() - claim['boottime_ms'] < LAUNCH_GRACE_MS
        return start['pid'] != 0 and process_birth(start['pid']) == start['birth']

    def is_given_up(self, claim):
        """For a claim that is not running: True when nobody will start it any more. Of one of this boot that is decided here."""
        return claim['boot_id'] != self.host.boot_id or self.start_of(claim) is not None or self.start(claim['id'], 0)

    def start_of(self, claim):
        """Who started a claim in this boot ({'pid', 'birth', 'time'}; pid 0: nobody ever will), or None."""
        start = _read_json(f'{self.started}/{claim["id"]}.json')
        return start if start is not None and start['boot_id'] == self.host.boot_id else None

    # --- writing

    def prepare_folders(self):
        """Makes what is missing. What cannot be made is noticed when it is needed."""
        if not os.path.lexists(self.host.run):  # systemd-tmpfiles makes it, if it is well
            os.mkdir(self.host.run)
            os.chmod(self.host.run, 0o755)  # the reader channel has its own folders in it
        os.makedirs(self.host.private, 0o700, exist_ok=True)
        info = os.lstat(self.host.private)
        if info.st_uid != os.geteuid() or info.st_mode & 0o077 or not os.path.isdir(self.host.private):
            raise Refusal('INTERNAL')
        for shelf in self.shelves:
            for folder in (shelf.claims, shelf.ended, shelf.results, shelf.output, shelf.receipts, shelf.cancels, self.started):
                try:
                    os.makedirs(folder, 0o700, exist_ok=True)
                except OSError:
                    pass

    def claim(self, claim):
        """Writes a claim; True when it is durable. ID_CONFLICT when the id is taken, NO_SPACE when no shelf can hold it."""
        for shelf in self.shelves:
            if self._put(shelf, shelf.claims, claim['id'], claim):
                return shelf.is_durable
        raise Refusal('NO_SPACE')

    def start(self, id, pid):
        """True for exactly one caller in the life of a claim. pid 0 burns it."""
        start = {'id': id, 'pid': pid, 'birth': process_birth(pid), 'boot_id': self.host.boot_id, 'time': wallclock()}
        try:
            link_file(self.started, f'{id}.json', _json(start))
        except FileExistsError:
            return False
        return True

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
        return self._store(shelf, lambda: replace_file(path, _json(value)))

    def _put(self, shelf, folder, id, value, exist_ok=False):
        """Whether the shelf took it under a new name."""
        try:
            return self._store(shelf, lambda: link_file(folder, f'{id}.json', _json(value)))
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
            handle = _create(f'{shelf.output}/{id}')
            if handle is not None:
                return handle
        return None

    def move_output(self, id, kept):
        """Gives up an output file that cannot grow: a descriptor of one on the other shelf that holds what was kept, or None."""
        path = f'{self.volatile.output}/{id}'
        handle = _create(path)
        if handle is None:
            return None
        try:
            _write_all(handle, kept)
            os.unlink(f'{self.durable.output}/{id}')
        except OSError:
            os.close(handle)
            os.unlink(path)
            return None
        return handle

    def prune(self):
        """Forgets a few old claims: none of this boot (their tickets could be used again), none that wall time or count calls recent,
        and no freeze ever: without an offer its ticket does not age."""
        try:
            aged = sorted((os.stat(f'{self.durable.claims}/{name}').st_mtime, name) for name in os.listdir(self.durable.claims))
        except OSError:
            return
        for mtime, name in aged[:-KEEP_NEWEST][:PRUNE_AT_ONCE]:
            claim = _read_json(f'{self.durable.claims}/{name}')
            if time.time() - mtime < KEEP_SECONDS or (claim is not None and (claim['boot_id'] == self.host.boot_id or claim.get('kind') == 'freeze')):
                continue
            id = name[:-5]
            shelf = self.durable
            folders = (shelf.ended, shelf.results, shelf.receipts, shelf.cancels)
            for path in (*(f'{folder}/{name}' for folder in folders), f'{shelf.output}/{id}', f'{shelf.claims}/{name}'):
                try:
                    os.unlink(path)
                except OSError:
                    pass

    # --- receipts

    def state_receipt(self, claim):
        """{'receipt', 'signature'} as things stand: the final one, or one that says RUNNING."""
        final = self.final_receipt(claim)
        if final is not None:
            return final
        start = self.start_of(claim) or {}
        return self._sign(claim, {'state': 'RUNNING', 'started': start.get('time', '-')}, self._chain_head().get('hash', '-'))

    def final_receipt(self, claim):
        """The one final receipt of a claim that has ended, made now if nobody made it yet; None while it runs."""
        found = self.receipt(claim['id'])
        if found is None and not self.is_running(claim) and self._settle(claim):
            found = self._chain(claim)
        return found

    def _settle(self, claim):
        """Whether a claim that is not running has a result, now or already. What has to be verified is left to `pra-run --settle`."""
        from . import outcome

        if self.result(claim['id']) is not None:
            return True
        is_new_boot = claim['boot_id'] != self.host.boot_id
        if claim['verify'] or (claim['ends'] != 'nothing' and not is_new_boot):
            self._have_settled()
            return False
        if not self.is_given_up(claim):
            return False
        result = {'state': 'NEVER_STARTED'} if claim['is_fence'] else outcome.conclude(self.host, claim, self.end_of(claim), is_new_boot)
        self.finish(claim['id'], {**self.trace(claim), **result})
        return True

    def _have_settled(self):
        """Asks for it at most once a second: the one who follows a run looks ten times as often."""
        from . import settle

        if time.monotonic() >= self._may_settle_at:
            settle.start(self.host)
            self._may_settle_at = time.monotonic() + 1

    def trace(self, claim):
        """What is left of a run that nobody saw the end of: when it started, its output so far."""
        start = self.start_of(claim)
        trace = {'started': start['time'] if start and start['pid'] else '-'}
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
        heads = [head for head in (_read_json(shelf.chain) for shelf in self.shelves) if head is not None]
        return max(heads, key=lambda head: head['n'], default={})

    def chain_length(self):
        return self._chain_head().get('n', 0)

    def _write_head(self, head):
        for shelf in self.shelves:
            try:
                replace_file(shelf.chain, _json(head))
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
                'durable': 'yes' if self._is_durable(claim['id'], result['state']) else 'no',
                'boot_id': claim['boot_id'],
                'previous': previous,
            },
        )
        form.parse(form.RECEIPT, text)
        return {'receipt': text.decode('ascii'), 'signature': keys.sign_as_host(host, keys.RECEIPT_NAMESPACE, text)}

    def _is_durable(self, id, state):
        shelf = self.durable
        return os.path.exists(f'{shelf.claims}/{id}.json') and (state not in FINAL or os.path.exists(f'{shelf.results}/{id}.json'))


# --- budgets of the auto key


def check_auto_limits(host, claims, action, args):
    """AUTO_LIMITED when the cooldown or a budget says so."""
    ages = auto_ages(claims, host.boot_id, boottime_ms())
    runs = [claim for claim in claims if claim['is_auto'] and not claim['is_fence']]
    pair = [ages[claim['id']] for claim in runs if claim['action'] == action['name'] and claim['args'] == [list(arg) for arg in args]]
    limits = host.policy['auto_limits']
    if any(age < action['cooldown'] * 1000 for age in pair) or sum(age < 3_600_000 for age in pair) >= limits['pair_per_hour']:
        raise Refusal('AUTO_LIMITED')
    check_auto_day(host, claims)


def check_auto_day(host, claims):
    """AUTO_LIMITED when the auto key made its claims of a day. Fences count: what they burn is kept as long as what ran."""
    ages = auto_ages(claims, host.boot_id, boottime_ms())
    if sum(ages[claim['id']] < 86_400_000 for claim in claims if claim['is_auto']) >= host.policy['auto_limits']['host_per_day']:
        raise Refusal('AUTO_LIMITED')


def auto_ages(claims, boot_id, now_ms):
    """For each claim, how many milliseconds ago it was made at the least. Pure.

    Only CLOCK_BOOTTIME counts, so that stepping the wall clock opens no budget. For a claim of an earlier boot: what that boot
    was seen to live after it, what later boots were seen to live, and this one's uptime. The true age can only be greater.
    Boots are put in order by the length of the receipt chain, which only grows.
    """
    boots = {}
    for claim in claims:
        last, first_n, last_n = boots.get(claim['boot_id'], (0, claim['n'], claim['n']))
        boots[claim['boot_id']] = (max(last, claim['boottime_ms']), min(first_n, claim['n']), max(last_n, claim['n']))
    ages = {}
    for claim in claims:
        if claim['boot_id'] == boot_id:
            ages[claim['id']] = now_ms - claim['boottime_ms']
            continue
        lived, _, last_n = boots[claim['boot_id']]
        later = sum(boot[0] for other, boot in boots.items() if other != boot_id and boot[1] > last_n)
        ages[claim['id']] = lived - claim['boottime_ms'] + later + now_ms
    return ages


# --- files and processes


class lock:
    """An exclusive lock of this host, for a `with`. BUSY after `seconds`; 0 waits for nobody."""

    def __init__(self, host, name, seconds=LOCK_SECONDS):
        self.path = f'{host.private}/{name}.lock'
        self.seconds = seconds

    def __enter__(self):
        self.handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
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


def process_birth(pid):
    """When a process began, in the kernel's ticks: with its pid it names one process of this boot. None when there is none."""
    try:
        with open(f'/proc/{pid}/stat', encoding='utf-8', errors='replace') as file:
            fields = file.read().rpartition(')')[2].split()
    except OSError:
        return None
    return None if fields[0] in 'ZX' else fields[19]


def _json(value):
    return json.dumps(value, sort_keys=True).encode('utf-8')


def _read_json(path):
    try:
        with open(path, 'rb') as file:
            return json.loads(file.read())
    except (OSError, ValueError):
        return None


def _create(path):
    try:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError:
        return None


def _write_all(handle, data):
    while data:
        data = data[os.write(handle, data) :]


def _write_synced(path, data):
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        _write_all(handle, data)
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
    """A complete file under a new name, or FileExistsError, or the disk's own OSError; never half a file."""
    _install(folder, name, data, os.link)


def replace_file(path, data):
    folder, _, name = path.rpartition('/')
    _install(folder, name, data, os.replace)


def _install(folder, name, data, place):
    draft = f'{folder}/.{name}.{os.urandom(8).hex()}'
    try:
        _write_synced(draft, data)
        place(draft, f'{folder}/{name}')
    finally:
        try:
            os.unlink(draft)
        except OSError:
            pass
    _sync_folder(folder)
