"""Break-glass sessions: one person approves alone, for one incident and an hour, and somebody reviews it before there is another.

Whether the policy has such a clause, and for whom, is verify.py's. Here is the one session that this host remembers: a file of
root's, on the disk or, while that cannot be written, in /run. Its hour is measured since boot: a reboot ends it.
"""

import json

from . import form
from .host import boottime_ms, wallclock
from .refusal import Refusal

SESSION_MS = 3_600_000
MAX_RUNS_TOLD = 20  # in the offer of a review


def join(host, claims, permit):
    """Opens the session of a ticket's incident, or counts the ticket in it. BREAK_GLASS_REVIEW when that needs a review first.

    Written before the claim: a session without a run is looked at in vain, a run without a session is never looked at.
    """
    session = read(claims)
    if session is None or session['reviewed'] is not None:
        session = {
            'v': 1,
            'n': (session or {'n': 0})['n'],
            'incident': permit.incident,
            'principal': permit.principals[0],
            'opened': wallclock(),
            'boot_id': host.boot_id,
            'boottime_ms': boottime_ms(),
            'ids': [],
            'reviewed': None,
        }
    elif session['incident'] != permit.incident or not is_open(host, session):
        raise Refusal('BREAK_GLASS_REVIEW')
    _write(claims, {**session, 'ids': [*session['ids'], permit.ticket['id']]})


def is_open(host, session):
    """Whether more may run under it."""
    age = boottime_ms() - session['boottime_ms']
    return session['reviewed'] is None and session['boot_id'] == host.boot_id and 0 <= age < SESSION_MS


def facts_of(claims, incident):
    """What a reviewer reads, as facts of an offer: who opened it when, and what ran. NOTHING_TO_REVIEW unless this incident waits for a review."""
    session = read(claims)
    if session is None or session['reviewed'] is not None or session['incident'] != incident:
        raise Refusal('NOTHING_TO_REVIEW')
    runs = [claim for claim in (claims.find(id) for id in session['ids']) if claim is not None]
    facts = [('break_glass', name, _encode(session[name])) for name in ('incident', 'opened', 'principal')]
    facts.append(('break_glass', 'runs', str(len(runs))))
    for at, claim in enumerate(runs[:MAX_RUNS_TOLD]):
        args = ' '.join(f'{name}={value}' for name, value in claim['args'])
        told = {'action': claim['action'], 'args': args, 'by': ','.join(claim['principals']), 'id': claim['id'], 'state': _state(claims, claim)}
        facts += [(f'run_{at + 1:02}', name, _encode(value)) for name, value in told.items()]
    return facts


def _state(claims, claim):
    result = claims.result(claim['id'])
    return result['state'] if result is not None else 'RUNNING' if claims.is_running(claim) else ''


def _encode(value):
    return form.encode_percent(value.encode('utf-8')) or '-'


def check_reviewer(host, permit):
    """REVIEWER_OPENED when who opened the session reviews it although somebody else could."""
    from .claims import Claims
    from .verify import namespace_of

    opener = read(Claims(host))['principal']
    if any(principal != opener for principal in permit.principals):
        return
    others = [signer for signer in permit.keyring.signers if signer.principal != opener and namespace_of('HIGH') in signer.namespaces]
    if not all(permit.keyring.is_revoked(signer.key_type, signer.key_base64) for signer in others):
        raise Refusal('REVIEWER_OPENED')


def close(_host, claims, permit):
    """Writes the review down; False when no disk takes it."""
    session = read(claims)
    try:
        _write(claims, {**session, 'reviewed': {'by': permit.principals[0], 'at': wallclock(), 'id': permit.ticket['id']}})
    except Refusal:
        return False
    return True


def describe(host, claims):
    """What `version` says: the last session, or None."""
    session = read(claims)
    if session is None:
        return None
    told = {name: session[name] for name in ('incident', 'principal', 'opened')}
    return {**told, 'open': is_open(host, session), 'reviewed': session['reviewed'] is not None}


# --- the file


def read(claims):
    """The newest session that any shelf has, None when there never was one; STATE_BAD when it cannot be read."""
    sessions = [session for session in (_read(shelf.session) for shelf in claims.shelves) if session is not None]
    return max(sessions, key=lambda session: session['n'], default=None)


def _read(path):
    try:
        with open(path, 'rb') as file:
            session = json.loads(file.read())
        if set(session) != {'v', 'n', 'incident', 'principal', 'opened', 'boot_id', 'boottime_ms', 'ids', 'reviewed'}:
            raise ValueError('not a session')
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError):
        raise Refusal('STATE_BAD') from None
    return session


def _write(claims, session):
    """On the disk, else in /run; NO_SPACE when neither takes it."""
    session = {**session, 'n': session['n'] + 1}
    for shelf in claims.shelves:
        if claims.replace(shelf, shelf.session, session):
            return
    raise Refusal('NO_SPACE')
