"""The kill switch: while its file is there, both programs refuse whoever is connected."""

import os

from .failed import Failed, attempt
from .files import read, replace, sync_folder
from .places import ETC
from .said import tell

MARK = 'mcp-pra revoke-keys: lifted when all of these are revoked'


def switch_is_thrown():
    return os.path.lexists(f'{ETC}/disabled')


def still_closed():
    """What follows the sentence of a failure while the switch is thrown."""
    return '; the kill switch stays thrown, and the same command goes on from here' if switch_is_thrown() else ''


def throw_switch(order, failures):
    """Whether the switch is ours to lift. One that a person threw stays as it is."""
    path = f'{ETC}/disabled'
    if switch_is_thrown():
        try:
            mark = read(path, missing='').split('\n')
        except (OSError, Failed):
            mark = ['']  # a link, a folder, somebody's: whatever it is, it is not ours
        if mark[0] != MARK:
            tell('same disabled thrown before, by somebody else')
            return False
        order.take_over(mark[1:])
        attempt(failures, order.add_keys_of_approvers)
        order.sessions = 'all'
        tell('same disabled thrown by an earlier call, which is finished now')
    if order.switch == 'none' and not switch_is_thrown():
        return False
    if not order.check:
        try:
            order.mark = '\n'.join([MARK, *order.lines(), ''])
            replace(path, order.mark.encode('ascii'), 0o644)
        except OSError as error:
            failures.append(f'the kill switch could not be thrown ({error.strerror}).')
            return False
    tell('changed disabled thrown')
    return True


def lift_switch(order, is_mine):
    if not is_mine:
        if switch_is_thrown():
            tell('left disabled thrown by somebody else')
        return
    if order.switch == 'keep':
        # No longer a mark of ours: the next call must not lift what a person wanted to stay.
        replace(f'{ETC}/disabled', b'thrown by revoke-keys --switch keep; a person removes this file\n', 0o644)
        tell('left disabled thrown, as asked')
        return
    # Looked at once it is aside, so that an order which comes at this very moment is not lifted with ours.
    path, aside = f'{ETC}/disabled', f'{ETC}/disabled.lifted'
    os.rename(path, aside)
    if not holds(aside, order.mark):
        if not switch_is_thrown():
            os.rename(aside, path)
        raise Failed('all of this is revoked, but another call or a person wrote into the kill switch meanwhile')
    os.unlink(aside)
    sync_folder(ETC)
    tell('changed disabled lifted')


def holds(path, text):
    try:
        return read(path) == text
    except (Failed, OSError):
        return False
