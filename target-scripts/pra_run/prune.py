"""Forgetting what is old, a little after each run."""

import itertools
import os
import time

from . import break_glass
from .refusal import Refusal

KEEP_SECONDS = 30 * 86400
KEEP_NEWEST = 200
AT_ONCE = 50


def prune(claims):
    """Forgets a few old claims: none of this boot (their tickets could be used again), none that wall time or count calls recent, none of a
    break-glass session that waits for its review, and no freeze ever: without an offer its ticket does not age.

    A claim goes first, and what belonged to it later, as belonging to none: a run never looks like one that was not begun.
    """
    try:
        kept = break_glass.ids_to_review(claims)
        claimed = _aged(claims.durable.claims)[:-KEEP_NEWEST]
        rest = [aged for folder in claims.durable.rest for aged in _aged(folder)]
        present = set().union(*(os.listdir(shelf.claims) for shelf in claims.shelves))  # after the rest: what is begun now has its claim
    except (OSError, Refusal):
        return
    old = (path for path in _older(claimed) if _id_of(path) not in kept and _is_forgettable(claims, _id_of(path)))
    orphans = (path for path in _older(rest) if f'{_id_of(path)}.json' not in present)
    for path in (*itertools.islice(old, AT_ONCE), *itertools.islice(orphans, AT_ONCE)):
        try:
            os.unlink(path)
        except OSError:
            pass


def _is_forgettable(claims, id):
    return all(claim['boot_id'] != claims.host.boot_id and claim['kind'] != 'freeze' for claim in claims.among([id])) and id not in claims.unreadable


def _aged(folder):
    """[(when it was written, path)] of what a folder holds, the oldest first."""
    return sorted((os.stat(f'{folder}/{name}').st_mtime, f'{folder}/{name}') for name in os.listdir(folder) if not name.startswith('.'))


def _older(aged):
    return (path for mtime, path in aged if time.time() - mtime >= KEEP_SECONDS)


def _id_of(path):
    return path.rpartition('/')[2].partition('.')[0]
