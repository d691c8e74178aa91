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
    _write(claims, {**session, 'ids': list(dict.fromkeys([*session['ids'], permit.ticket['id']]))})


def is_open(host, session):
    """Whether more may run under it."""
    age = boottime_ms() - session['boottime_ms']
    return session['reviewed'] is None and session['boot_id'] == host.boot_id and 0 <= age < SESSION_MS


def facts_of(claims, incident):
    """What a reviewer reads, as facts of an offer: who opened it when by which ticket, and what ran. Of a run whose claim is gone, or cannot be
    read, nothing but its id is known. NOTHING_TO_REVIEW unless this incident waits for a review."""
    session = read(claims)
    if session is None or session['reviewed'] is not None or session['incident'] != incident:
        raise Refusal('NOTHING_TO_REVIEW')
    ids = session['ids']
    facts = [('break_glass', name, _encode(session[name])) for name in ('incident', 'opened', 'principal')]
    facts += [('break_glass', 'id', ids[0]), ('break_glass', 'runs', str(len(ids)))]
    for at, id in enumerate(ids[:MAX_RUNS_TOLD]):
        facts += [(f'run_{at + 1:02}', name, _encode(value)) for name, value in _tell(claims, id).items()]
    return facts


def _tell(claims, id):
    claim = next(iter(claims.among([id])), None)
    if claim is None:
        return {'action': '', 'args': '', 'by': '', 'id': id, 'state': 'unknown'}
    result = claims.result(id)
    state = result['state'] if result is not None else 'RUNNING' if claims.is_running(claim) else ''
    args = ' '.join(f'{name}={value}' for name, value in claim['args'])
    return {'action': claim['action'], 'args': args, 'by': ','.join(claim['principals']), 'id': id, 'state': state}


def _encode(value):
    return form.encode_percent(value.encode('utf-8')) or '-'


def check_reviewer(host, permit):
    """REVIEWER_OPENED when who opened the session, or approved what ran in it, reviews it although somebody else could."""
    from .claims import Claims
    from .verify import namespace_of

    claims = Claims(host)
    session = read(claims)
    involved = {session['principal'], *(principal for claim in claims.among(session['ids']) for principal in claim['principals'])}
    if any(principal not in involved for principal in permit.principals):
        return
    others = [signer for signer in permit.keyring.signers if signer.principal not in involved and namespace_of('HIGH') in signer.namespaces]
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
    """What `version` says: the last session by the ticket that opened it, None when there is none, `unreadable` when nobody can say."""
    try:
        session = read(claims)
    except Refusal:
        return 'unreadable'
    if session is None:
        return None
    told = {'id': session['ids'][0], **{name: session[name] for name in ('incident', 'principal', 'opened')}}
    return {**told, 'open': is_open(host, session), 'reviewed': session['reviewed'] is not None}


def ids_to_review(claims):
    """The tickets of a session that waits for its review: what they did must not be forgotten before. STATE_BAD when nobody can say."""
    session = read(claims)
    return [] if session is None or session['reviewed'] is not None else session['ids']


# --- the file


def read(claims):
    """The newest session that any shelf has, None when there never was one; STATE_BAD when it cannot be read."""
    sessions = [session for session in (_read(shelf.session) for shelf in claims.shelves) if session is not None]
    return max(sessions, key=lambda session: session['n'], default=None)


def _read(path):
    try:
        with open(path, 'rb') as file:
            session = json.loads(file.read())
        if set(session) != {'v', 'n', 'incident', 'principal', 'opened', 'boot_id', 'boottime_ms', 'ids', 'reviewed'} or not session['ids']:
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
