"""The revocation lists (KRL): what is on one, and how something gets onto it. sshd and pra-run refuse everybody when one cannot be read."""

import glob
import os
import re
import stat

from .failed import Failed
from .files import MAX_FILE, copy, settle
from .places import ETC, HOST_KEY
from .public_keys import FINGERPRINT, fingerprint_of_digest, keys_in
from .said import tell
from .ssh_keygen import in_memory, ssh_keygen


def own_keys():
    """{fingerprint: path} of this host's keys. The form of a public file holds up no revocation: links, modes, and what cannot be read."""
    found = {}
    for path in [f'{HOST_KEY}.pub', *sorted(glob.glob('/etc/ssh/ssh_host_*_key.pub'))]:
        try:
            with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), 'rb') as file:
                text = file.read(MAX_FILE) if stat.S_ISREG(os.fstat(file.fileno()).st_mode) else b''
        except OSError:
            continue
        found.update((key, path) for key, _ in keys_in(text.decode('utf-8', 'surrogateescape')))
    return found


def add_to_list(name, dead, serials, cas, check=False):
    """Puts keys and serials on a revocation list. The new list is read back before it replaces the old one."""
    path = f'{ETC}/{name}'
    if not os.path.lexists(path):
        raise Failed(
            f'{path} is missing: sshd and pra-run refuse everybody without it. Put it back from a backup, or begin anew with '
            f'`ssh-keygen -k -f {path}`, and revoke again, also what was revoked before'
        )
    before = contents(path)
    missing = sorted(dead - before['hash'])
    wanted = sorted(pair for pair in serials if pair[1] not in before['serial'].get(pair[0], set()))
    if not missing and not wanted:
        if dead or serials:
            tell(f'same {name} has them')
        return
    if check:
        tell(f'changed {name} {len(missing) + len(wanted)} added')
        return
    fresh = f'{path}.new'
    try:
        copy(path, fresh)
        if missing:
            ssh_keygen(['-q', '-k', '-u', '-f', fresh, '-'], ''.join(f'hash: {key}\n' for key in missing))
        for ca, serial in wanted:
            add_serial(fresh, ca, serial, cas)
        after = contents(fresh)
        lost = [what for what in ('hash', 'id') if not before[what] <= after[what]]
        lost += [ca for ca, numbers in before['serial'].items() if not numbers <= after['serial'].get(ca, set())]
        if lost or not dead <= after['hash'] or not all(number in after['serial'].get(ca, set()) for ca, number in wanted):
            raise Failed(f'ssh-keygen did not make the list that was asked for; {path} is as it was')
        if own_keys().keys() & after['hash']:
            raise Failed(f'the new {name} would revoke the key of this host; {path} is as it was')
        settle(fresh, path)
    finally:
        if os.path.lexists(fresh):
            os.unlink(fresh)
    tell(f'changed {name} {len(missing) + len(wanted)} added')


def add_serial(path, ca, serial, cas):
    line = next((line for key, line in cas if key == ca), None)
    if line is None:
        raise Failed(f'the CA {ca} is not in {ETC}/user_ca_keys, so its serials mean nothing here; revoke the CA with --key')
    handle = in_memory(line + '\n')
    try:
        ssh_keygen(['-q', '-k', '-u', '-f', path, '-s', f'/proc/self/fd/{handle}', '-'], f'serial: {serial}\n', handle)
    finally:
        os.close(handle)


def contents(path):
    """What a list revokes: hash (fingerprints), id, serial by CA. Failed when it cannot be read."""
    said = ssh_keygen(['-Q', '-l', '-f', path], '', allowed=(0,), failing=f'{path} cannot be read: sshd and pra-run refuse everybody with it')
    found = {'hash': set(), 'id': set(), 'serial': {}}
    ca = None
    for line in said.split('\n'):
        head, _, rest = line.partition(' ')
        if line.startswith('# CA key'):
            ca = next((word for word in line.split() if FINGERPRINT.fullmatch(word)), None)
        elif head == 'hash:':
            found['hash'].add(listed_fingerprint(rest.split(' ')[0]))
        elif head == 'id:':
            found['id'].add((ca, rest))
        elif head == 'serial:' and ca is not None:
            low, _, high = rest.partition('-')
            found['serial'].setdefault(ca, Numbers()).add(int(low), int(high or low))
    return found


def listed_fingerprint(word):
    """ssh-keygen prints a whole key on the list as base64, and a key that is there by its hash in hexadecimal."""
    digits = word.removeprefix('SHA256:')
    return fingerprint_of_digest(bytes.fromhex(digits)) if re.fullmatch(r'[0-9a-f]{64}', digits) else word


class Numbers:
    """A set of ranges of whole numbers: a list may revoke half of all serials in one line."""

    def __init__(self):
        self.ranges = []

    def add(self, low, high):
        self.ranges.append((low, high))

    def __contains__(self, number):
        return any(low <= number <= high for low, high in self.ranges)

    def __le__(self, other):
        """By the ends of the ranges, which is enough to see that one was dropped."""
        return all(low in other and high in other for low, high in self.ranges)
