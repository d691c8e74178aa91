"""Final receipts of claims that ended without one: the runner was killed, stopped with its unit, or the host went down.

`pra-run --settle` does it: the boot unit mcp-pra-settle.service after each boot, and whoever asks for such a claim starts the same. It is
nobody's caller, so that nobody's hang-up stops it, and no lock that others wait for is held while it asks diagnostics.
"""

import signal

from . import audit, outcome
from .claims import Claims
from .detach import start_detached
from .lock import lock
from .refusal import Refusal

UNIT = 'mcp-pra-settle.service'
START_SECONDS = 10


def start(host):
    """Starts it where the caller's end does not matter. One that is at work already is enough."""
    start_detached(host, ['--settle'], [outcome.SYSTEMCTL, 'start', '--no-block', '--quiet', '--no-ask-password', UNIT], START_SECONDS)


def settle_all(host):
    """Every claim that nobody runs any more and that has no final receipt, the oldest first. One that cannot be read holds up no other."""
    claims = Claims(host)
    claims.prepare_folders()
    stopped = []
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(True))
    try:
        with lock(host, 'settle', seconds=0):
            for claim in claims.open():
                try:
                    if decide(host, claims, claim, lambda: bool(stopped)):
                        claims.final_receipt(claim)
                except Exception as error:
                    report(host, error, claim['id'])
            for id in sorted(claims.unreadable):
                report(host, Refusal('STATE_BAD'), id)
    except Refusal as refusal:
        if refusal.code != 'BUSY':
            raise


def report(host, error, id=None):
    """The audit record of what could not be settled: our own code, or the class of an error whose text may hold anything."""
    is_ours = isinstance(error, Refusal)
    audit.send(host.log, 'failed', word='settle', id=id, code=error.code if is_ours else 'INTERNAL', error=None if is_ours else type(error).__name__)


def decide(host, claims, claim, is_stopped=lambda: False):
    """Whether a claim has a result, by now or already. False while it runs, and where that cannot be judged now."""
    if claims.result(claim['id']) is not None:
        return True
    if claims.is_running(claim) or not claims.is_given_up(claim):
        return False
    result = _conclude(host, claims, claim, is_stopped)
    if result is None:
        return False
    claims.finish(claim['id'], {**claims.trace(claim), **result})
    outcome.record(host, claims, claim, 'settle')
    return True


def _conclude(host, claims, claim, is_stopped):
    is_new_boot = claim['boot_id'] != host.boot_id
    end = claims.end_of(claim)
    if outcome.needs_time(claim) and (is_stopped() or outcome.is_host_stopping(host) or outcome.is_going_down(claim, end, is_new_boot)):
        return None
    boot = None
    if is_new_boot:
        boot = outcome.Boot(outcome.await_boot(host) if outcome.needs_time(claim) else None, claims.has_acted(claim))
        if is_stopped() or boot.state == 'stopping':
            return None
    return outcome.conclude(host, claim, end, boot, is_stopped)
