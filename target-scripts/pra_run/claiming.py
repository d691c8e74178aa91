"""Step 12 and the claim: under the host's lock everything is looked at once more, and then the ticket is used up."""

import os
import signal

from . import break_glass, form
from .caller import BUILT_IN
from .host import boottime_ms, wallclock
from .refusal import Refusal

WORDS_WHILE_FROZEN = ('status', 'result', 'fence', 'version', *BUILT_IN)


def check_switches(host, word):
    if host.is_disabled():
        raise Refusal('DISABLED')
    if word not in WORDS_WHILE_FROZEN and host.is_frozen():
        raise Refusal('FROZEN')


class Shielded:
    """From the claim to the start a caller's hang-up must not stop us: a claim that nobody starts helps nobody.

    Handlers, not SIG_IGN: what we start gets the default again.
    """

    SIGNALS = (signal.SIGHUP, signal.SIGTERM, signal.SIGINT)

    def __enter__(self):
        self.before = [signal.signal(number, lambda *_: None) for number in self.SIGNALS]

    def __exit__(self, *_):
        for number, handler in zip(self.SIGNALS, self.before):
            signal.signal(number, handler)


def claim_under_lock(host, claims, permit):
    """Step 12 and the claim: (earlier claim, None) for a replay, (None, claim) for a new one.

    Diagnostics may take their time, so they are asked under a lock that only others of the same kind wait for: people for people, and
    automatic runs for nobody. The lock of the claims is for the claim alone: who stops something never waits for a diagnostic.
    """
    from . import evidence, verify
    from .lock import WAIT_SECONDS, lock

    seconds = 0 if permit.is_auto else WAIT_SECONDS
    with lock(host, 'auto' if permit.is_auto else 'people', seconds):
        earlier = earlier_claim(claims, permit)
        if earlier is not None:
            return earlier, None
        check_room(host, claims, permit)
        resolved = check_unchanged(host, permit)
        before = evidence.measure(resolved.answers, permit.action)
        with lock(host, 'claim', seconds):
            earlier = earlier_claim(claims, permit)  # it may have been burnt meanwhile
            if earlier is not None:
                return earlier, None
            check_room(host, claims, permit)
            verify.check_signers_again(host, permit)
            claims.renew_ballast()
            claim = make_claim(host, claims, permit, resolved, before)
            check_switches(host, permit.ticket['action'])  # last of all: they may have been thrown until now
            if permit.incident is not None:
                break_glass.join(host, claims, permit)
            return None, claims.claim(claim)


def check_room(host, claims, permit):
    """BUSY while another action runs, AUTO_LIMITED beyond a budget."""
    from .auto_budget import check_auto_limits

    if any(permit.is_auto or not claim['is_auto'] for claim in claims.running()):
        raise Refusal('BUSY')
    if permit.is_auto:
        check_auto_limits(host, claims.all(), permit.action, permit.ticket['arg'])


def earlier_claim(claims, permit):
    """The claim of the very same ticket, or None; ID_CONFLICT when another ticket has the id."""
    earlier = claims.find(permit.ticket['id'])
    if earlier is not None and earlier['ticket_hash'] != permit.ticket_hash:
        raise Refusal('ID_CONFLICT')
    return earlier


def check_unchanged(host, permit):
    """What to run, when argv, files and the stable facts are as they were offered; STALE or PRECHECK_FAILED otherwise."""
    from . import precheck

    offer = permit.offer
    resolved = precheck.resolve(host, permit.action, permit.ticket['arg'])
    files = [(digest, form.encode_percent(path.encode('utf-8'))) for digest, path in resolved.files]
    if resolved.argv_digest() != offer['argv'] or files != offer['file']:
        raise Refusal('STALE')
    if not precheck.are_unchanged(permit.action, offer['fact'], resolved.facts):
        raise Refusal('STALE')
    return resolved


def make_claim(host, claims, permit, resolved=None, before=(), result=None):
    """All that is known, for the runner and for an auditor. `resolved` is None for what runs no program, `result` for what is still to be done."""
    import base64

    from .processes import name_process

    ticket = permit.ticket
    return {
        'v': 1,
        'id': ticket['id'],
        'host': host.name,
        'action': ticket['action'],
        'args': [list(arg) for arg in ticket['arg']],
        'kind': ticket['kind'],
        'ticket_hash': permit.ticket_hash,
        'ticket': permit.ticket_bytes.decode('ascii'),
        'signatures': [base64.b64encode(signature.blob).decode('ascii') for signature in permit.signatures],
        'principals': permit.principals,
        'offer': permit.offer_bytes.decode('ascii') if permit.offer_bytes is not None else None,
        'impact': permit.impact,
        'incident': permit.incident,
        'is_auto': permit.is_auto,
        'is_fence': permit.action is None,
        'argv': resolved and resolved.argv,
        'precheck': permit.action['precheck'] if resolved else [],
        'verify': permit.action['verify'] if resolved else [],
        'ends': permit.action['ends'] if resolved else 'nothing',
        'before': list(before),
        'result': result,
        'files': permit.offer['file'] if permit.offer is not None else [],
        'limit': permit.action['limit'] if permit.action is not None else {'seconds': 0, 'bytes': 0},
        'cancellable': permit.action is not None and permit.action['cancellable'],
        'launcher': name_process(os.getpid()),
        'claimed': wallclock(),
        'boot_id': host.boot_id,
        'boottime_ms': boottime_ms(),
        'n': claims.chain_length(),
    }
