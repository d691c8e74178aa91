"""Final receipts of claims that ended without one: the runner was killed, stopped with its unit, or the host went down.

`pra-run --settle` does it: the boot unit mcp-pra-settle.service after each boot, and whoever asks for such a claim starts the same. It is
nobody's caller, so that nobody's hang-up stops it, and no lock that others wait for is held while it asks diagnostics.
"""

import os
import subprocess

from . import audit, outcome
from .claims import Claims, lock
from .host import ENVIRONMENT
from .refusal import Refusal

UNIT = 'mcp-pra-settle.service'
START_SECONDS = 10


def start(host):
    """Starts it where the caller's end does not matter. One that is at work already is enough."""
    if not host.is_embedded and os.path.isdir('/run/systemd/system') and _start_unit():
        return
    subprocess.Popen(
        [f'{host.bin}/pra-run', '--settle'],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=ENVIRONMENT,
        cwd='/',
        start_new_session=True,
    )


def _start_unit():
    try:
        done = subprocess.run(
            [outcome.SYSTEMCTL, 'start', '--no-block', '--quiet', '--no-ask-password', UNIT],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=ENVIRONMENT,
            timeout=START_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def settle_all(host):
    """Every claim that nobody runs any more and that has no final receipt, the oldest first."""
    claims = Claims(host)
    claims.prepare_folders()
    try:
        with lock(host, 'settle', seconds=0):
            for claim in claims.open():
                settle(host, claims, claim)
    except Refusal as refusal:
        if refusal.code != 'BUSY':
            raise


def settle(host, claims, claim):
    """One claim, unless it is running or cannot be judged yet."""
    if claims.result(claim['id']) is None:
        is_new_boot = claim['boot_id'] != host.boot_id
        if claims.is_running(claim) or not claims.is_given_up(claim):
            return
        if not is_new_boot and outcome.is_host_stopping(host):
            return
        if claim['is_fence']:  # it burns an id, and died before it could say so: nothing ever ran
            claims.finish(claim['id'], {'state': 'NEVER_STARTED'})
            claims.final_receipt(claim)
            return
        end = claims.end_of(claim)
        if outcome.is_going_down(claim, end, is_new_boot):
            return
        result = outcome.conclude(host, claim, end, is_new_boot)
        if result is None:
            return
        claims.finish(claim['id'], {**claims.trace(claim), **result})
        audit.send(host.log, 'finished', word='settle', id=claim['id'], action=claim['action'], principal=claim['principals'], state=result['state'])
    claims.final_receipt(claim)
