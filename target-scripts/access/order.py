"""An order to revoke: what, and what becomes of the host meanwhile."""

import re

from .files import read
from .places import ETC
from .public_keys import FINGERPRINT, keys_in

PRINCIPAL = re.compile(r'[A-Za-z0-9@._-]{1,64}')
MAX_SERIAL = (1 << 63) - 1


class Order:
    """What to revoke: sets of fingerprints and principals, and (CA fingerprint, serial) pairs.

    sessions: `all` ends the open connections; switch: `lift`, `keep` or `none`, as in the manual of revoke-keys; check: change nothing.
    """

    def __init__(self, keys=(), approvers=(), serials=(), sessions='none', switch='none', check=False):
        self.keys = set(keys)
        self.approvers = set(approvers)
        self.serials = set(serials)
        self.sessions = sessions
        self.switch = switch
        self.check = check
        self.mark = None

    def lines(self):
        """As it is written into the kill switch, for whoever finishes it."""
        return [f'key {key}' for key in sorted(self.keys)] + [f'approver {name}' for name in sorted(self.approvers)] + [
            f'serial {ca} {serial}' for ca, serial in sorted(self.serials)
        ]

    def add_keys_of_approvers(self):
        """What allowed_signers lists under the principals of the order: once their lines are gone nobody knows it any more."""
        lines = read(f'{ETC}/allowed_signers', missing='').split('\n')
        self.keys |= {key for line in lines if line.split(' ')[0] in self.approvers for key, _ in keys_in(line)}

    def take_over(self, lines):
        """Adds an order that was written into the kill switch; a line that is not one of ours is passed over."""
        for line in lines:
            words = line.split(' ')
            if words[0] == 'key' and len(words) == 2 and FINGERPRINT.fullmatch(words[1]):
                self.keys.add(words[1])
            elif words[0] == 'approver' and len(words) == 2 and PRINCIPAL.fullmatch(words[1]):
                self.approvers.add(words[1])
            elif words[0] == 'serial' and len(words) == 3 and FINGERPRINT.fullmatch(words[1]) and is_serial(words[2]):
                self.serials.add((words[1], int(words[2])))


def is_serial(text):
    return re.fullmatch(r'[1-9][0-9]{0,18}', text) is not None and int(text) <= MAX_SERIAL
