"""The switch `frozen`: thrown by a `freeze`, lifted by an `unfreeze`, both under the lock of the claims. Root may also make it by hand.

It is in /etc. While that cannot be written it is in /run until the next boot: a switch there is then the younger one, since whoever can
write /etc again takes the one in /run away.
"""

import json
import os
import re

from . import form, tables
from .host import wallclock
from .refusal import Refusal
from .whole_files import replace_file

MAX_BYTES = 4096
NONE = '-'
UNKNOWN = 'unknown'


def throw(host, permit):
    """Freezes the host, in place of an earlier freeze: what was approved to lift that one does not lift this one. NO_SPACE when nothing can hold it."""
    earlier = read(host)
    ticket = permit.ticket
    if earlier is None:
        before = NONE
    elif earlier['ticket'] == permit.ticket_hash:  # thrown by this very ticket, which died before its claim
        before = earlier['before'] or UNKNOWN
    else:
        before = earlier['id'] or UNKNOWN
    frozen = {
        'since': wallclock(),
        'id': ticket['id'],
        'by': permit.principals[0],
        'reason': form.decode_percent(ticket['reason']).decode('utf-8'),
        'ticket': permit.ticket_hash,
        'before': before,
    }
    etc, run = host.frozen_paths
    for path in (etc, run):
        try:
            replace_file(path, (json.dumps(frozen) + '\n').encode('ascii'))
        except OSError:
            continue
        if path == etc and os.path.lexists(run):
            os.unlink(run)
        return
    raise Refusal('NO_SPACE')


def outcome_of(host, permit):
    """The result of the freeze that this very ticket has thrown; None when it has not, or not any more."""
    frozen = read(host)
    if frozen is None or frozen['ticket'] != permit.ticket_hash:
        return None
    return {
        'state': 'SUCCEEDED',
        'rc': '0',
        'started': frozen['since'] or NONE,
        'finished': frozen['since'] or NONE,
        'duration_ms': '0',
        'evidence': [['frozen', 'id', frozen['before'] or UNKNOWN, frozen['id'] or UNKNOWN]],
        'is_durable': not os.path.lexists(host.frozen_paths[1]),
    }


def read(host):
    """The freeze in force, None for what is not known of it (root may have made the file by hand); None: not frozen."""
    path = next((path for path in reversed(host.frozen_paths) if os.path.lexists(path)), None)
    if path is None:
        return None
    try:
        said = tables.parse_json(tables.read_owned(path, host.owner_uid, MAX_BYTES))
    except (OSError, ValueError, RecursionError):
        said = {}
    said = said if isinstance(said, dict) else {}
    patterns = {
        'by': form.WHO,
        'id': form.ID,
        'reason': r'[^\x00-\x1f\x7f]{1,400}',
        'since': form.TIME,
        'ticket': f'sha256:{form.HEX}',
        'before': f'{NONE}|{UNKNOWN}|{form.ID}',
    }
    return {name: _matching(said.get(name), pattern) for name, pattern in patterns.items()}


def _matching(value, pattern):
    return value if isinstance(value, str) and re.fullmatch(pattern, value) else None


def check_liftable(host):
    """SWITCH_READ_ONLY while the folder of the switch cannot be written: an approval is not used up in vain."""
    for path in _thrown(host):
        if not os.access(os.path.dirname(path), os.W_OK):
            raise Refusal('SWITCH_READ_ONLY')


def lift(host):
    """Whether the host is not frozen any more. What cannot be taken away stays in force, and what is younger with it."""
    for path in _thrown(host):
        try:
            os.unlink(path)
        except OSError:
            break
    return not host.is_frozen()


def _thrown(host):
    return [path for path in host.frozen_paths if os.path.lexists(path)]
