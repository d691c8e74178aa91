"""A revocation, top to bottom: the switch, the files, the connections, the proof, the switch."""

import base64
import os
import re

from .connections import end_sessions, sessions, ticks_now
from .failed import Failed, attempt
from .files import read, replace
from .kill_switch import lift_switch, switch_is_thrown, throw_switch
from .places import ETC, READER, RUNNER
from .public_keys import blobs_in, fingerprint, keys_in
from .revocation_lists import add_to_list, contents, own_keys
from .said import say, tell


def revoke(order, failures=()):
    """Top to bottom: the switch, the files, the connections, the proof, the switch. `failures`: what went wrong before."""
    refuse_own_key(order)
    failures = list(failures)
    attempt(failures, order.add_keys_of_approvers)
    if not failures and not switch_is_thrown() and order.switch == 'lift' and is_proven(order) and not (order.sessions == 'all' and sessions()):
        tell('same revoked before, and nobody is connected')
        return prove(order)
    is_mine = throw_switch(order, failures)
    dead, cas, kept = order.keys, [], {}
    attempt(failures, lambda: cas.extend(keys_in(read(f'{ETC}/user_ca_keys', missing=''))))
    attempt(failures, lambda: add_to_list('revoked_keys', dead, order.serials, cas, order.check))
    attempt(failures, lambda: add_to_list('revoked_signers', dead, set(), cas, order.check))
    for account in (READER, RUNNER):
        attempt(failures, lambda account=account: kept.update({account: drop_lines(f'authorized_keys/{account}', dead, order.check)}))
    attempt(failures, lambda: kept.update({'user_ca_keys': drop_lines('user_ca_keys', dead, order.check)}))
    attempt(failures, lambda: kept.update({'allowed_signers': drop_signers(order)}))
    attempt(failures, lambda: drop_lines('key-expiry', dead, order.check, by_word=True))
    if order.sessions == 'all':  # also when a file could not be written: nobody stays connected meanwhile
        attempt(failures, lambda: end_sessions(ticks_now(), order.check))
    for what in (READER, RUNNER, 'user_ca_keys', 'allowed_signers'):
        if what in kept and (what != 'user_ca_keys' or kept[what]):
            tell(f'left {what} {len(kept[what])}')
    if failures:
        raise Failed(' '.join(failures))
    if not order.check:
        prove(order)
        lift_switch(order, is_mine)


def refuse_own_key(order):
    """With its own key revoked this host could make no offer and no receipt, and nobody could log in to it."""
    for key, path in own_keys().items():
        if key in order.keys:
            raise Failed(f'{key} is a host key of this very host ({path}); to replace it see docs/keys.md')


def show_keys(name, lines, dead):
    """The public keys that were found, for whoever wants to see that sshd refuses them and knows only a fingerprint."""
    for blob, _ in blobs_in('\n'.join(lines)):
        kind = blob[4 : 4 + int.from_bytes(blob[:4], 'big')]
        if (dead is None or fingerprint(blob) in dead) and re.fullmatch(rb'[a-z0-9@.-]{1,64}', kind):
            tell(f'found {name} {kind.decode("ascii")} {base64.b64encode(blob).decode("ascii")}')


def drop_lines(name, dead, check, by_word=False):
    """Takes every line of a dead key out of a file of ETC; the key lines that stay. A missing file has none."""
    path = f'{ETC}/{name}'
    if not os.path.lexists(path):
        return []
    text = read(path)
    stay, gone = [], []
    for line in text.split('\n'):
        names = set(line.split()) if by_word else {key for key, _ in keys_in(line)}
        (gone if names & dead else stay).append(line)
    if gone:
        if not check:
            replace(path, '\n'.join(stay).encode('utf-8', 'surrogateescape'))
        if not by_word:
            show_keys(name, gone, dead)
        tell(f'changed {name} {len(gone)} line(s) taken out')
    return [line for line in stay if line.strip() and not line.startswith('#')]


def drop_signers(order):
    """Takes principals and dead keys out of allowed_signers; the lines that stay."""
    path = f'{ETC}/allowed_signers'
    if not os.path.lexists(path):
        return []
    lines = read(path).split('\n')
    gone = [line for line in lines if line.split(' ')[0] in order.approvers or {key for key, _ in keys_in(line)} & order.keys]
    for name in sorted(order.approvers):
        if not any(line.split(' ')[0] == name for line in lines):
            tell(f'same approver {name} is not listed')
    if gone:
        if not order.check:
            replace(path, '\n'.join(line for line in lines if line not in gone).encode('utf-8', 'surrogateescape'))
        show_keys('allowed_signers', gone, None)
        for line in gone:
            tell(f'changed allowed_signers {line.split(" ")[0]} taken out')
    return [line for line in lines if line not in gone and line.strip() and not line.startswith('#')]


# ---- proof ------------------------------------------------------------------------------------------------------------


def is_proven(order):
    """Whether everything was revoked before. An approver who is not listed, and whose keys nobody named, is."""
    try:
        check_files(order)
    except Exception:  # noqa: BLE001 - not proven is all it says; each step then says its own
        return False
    return True


def check_files(order):
    """Reads everything again, as sshd and pra-run will. Failed for what is not as it should be."""
    dead = order.keys
    for name in (f'authorized_keys/{READER}', f'authorized_keys/{RUNNER}', 'user_ca_keys', 'allowed_signers'):
        text = read(f'{ETC}/{name}', missing='')
        if {key for key, _ in keys_in(text)} & dead:
            raise Failed(f'{ETC}/{name} still lists a revoked key')
        if name == 'allowed_signers' and any(line.split(' ')[0] in order.approvers for line in text.split('\n')):
            raise Failed(f'{ETC}/{name} still lists a removed approver')
    for name in ('revoked_keys', 'revoked_signers'):
        if not dead <= contents(f'{ETC}/{name}')['hash']:
            raise Failed(f'{ETC}/{name} lacks a revoked key')
    for ca, serial in order.serials:
        if serial not in contents(f'{ETC}/revoked_keys')['serial'].get(ca, set()):
            raise Failed(f'{ETC}/revoked_keys lacks the serial {serial}')


def prove(order):
    check_files(order)
    for key in sorted(order.keys):
        say(f'proved key {key} is in no file of this host and on both lists')
    for ca, serial in sorted(order.serials):
        say(f'proved serial {serial} of {ca} is on the list')
    for name in sorted(order.approvers):
        say(f'proved approver {name} is not listed')
