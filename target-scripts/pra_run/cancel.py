"""`cancel`: stops a run that somebody started, by a ticket of its own. How the run ends is the runner's to say."""

import os
import signal

from .caller import Receipts

WAIT_SECONDS = 25  # for the end; after that the receipt may say RUNNING, and `status` goes on asking


def cancel(host, data, answer, request, follow):
    """Verifies, stops, and answers the receipt of the run. The same again changes nothing: what has ended stays as it ended."""
    from . import verify
    from .claims import Claims

    claims = Claims(host)
    claims.prepare_folders()
    permit, claim = verify.verify_cancel(host, data, claims.find)
    request.permit(permit)
    request.record(host)  # now: whoever waits may be gone before the end
    if claims.is_running(claim):
        claims.keep_cancel(claim['id'], describe(permit))
        stop(claims, claim)
    follow(claims, claim, Receipts(answer), seconds=WAIT_SECONDS)


def describe(permit):
    """Who stopped it and why, for an auditor: the ticket and what signed it."""
    import base64

    signatures = [base64.b64encode(signature.blob).decode('ascii') for signature in permit.signatures]
    return {'v': 1, 'ticket': permit.ticket_bytes.decode('ascii'), 'signatures': signatures, 'principals': permit.principals}


def stop(claims, claim):
    """TERM to the runner, which gives its program's group TERM and, two seconds later, KILL. What nobody has started yet nobody will."""
    if claims.start(claim['id'], 0):
        return
    start = claims.start_of(claim)
    if start is None or start['pid'] == 0:
        return
    try:
        process = os.pidfd_open(start['pid'])
    except ProcessLookupError:
        return
    try:
        if claims.is_running(claim):  # looked at again: the number may be another process's by now, the descriptor cannot
            signal.pidfd_send_signal(process, signal.SIGTERM)
    except ProcessLookupError:
        pass
    finally:
        os.close(process)
