"""What became of a run: its verification, asked until it holds, and the final state that it leads to.

The rules are in docs/wire-protocol.md, section 3, Outcome. An `end` is how the program itself ended: {'rc', 'is_stopped', 'started',
'finished', 'duration_ms', 'output', 'boottime_ms'}; None when nobody saw it.
"""

import os
import subprocess
import time

from . import answer, evidence, tables
from .diagnostics import MOST_SECONDS, Answers
from .host import ENVIRONMENT, boottime_ms
from .refusal import Refusal

SYSTEMCTL = '/usr/bin/systemctl'
# A host that was told to go down and is still up after so long will not: systemd gives its units 90 s.
GOING_DOWN_SECONDS = 120
AFTER_BOOT_SECONDS = 30  # what a boot starts is not there at once, whatever `within` says
FIRST_PAUSE, MOST_PAUSE = 0.2, 2  # seconds between two rounds of questions


class _LaterAnswers(Answers):
    """After the run, a table that changed meanwhile refuses nothing: its facts are unknown."""

    def facts(self, check):
        try:
            return super().facts(check)
        except Refusal:
            return {}


def needs_time(claim):
    """Whether more than the program's end has to be waited for."""
    return bool(claim['verify']) or claim['ends'] != 'nothing'


def settling_seconds(claim):
    """The most that can be needed after the program's end."""
    going_down = 0 if claim['ends'] == 'nothing' else GOING_DOWN_SECONDS
    if not claim['verify']:
        return going_down
    # A round before the last second of `within`, and the last one.
    return going_down + max(check['within'] for check in claim['verify']) + 2 * MOST_SECONDS * len(evidence.looks(claim))


def is_going_down(claim, end, is_new_boot):
    """Whether the program told the host to go down, so that only the next boot can say what came of it."""
    return (
        claim['ends'] != 'nothing'
        and not is_new_boot
        and end is not None
        and (end['rc'] == '0' or end['is_stopped'])
        and boottime_ms() - end['boottime_ms'] < GOING_DOWN_SECONDS * 1000
    )


def is_host_stopping(host):
    """Whether the host is shutting down: what its diagnostics say now is not what came of anything."""
    if host.is_embedded or not os.path.isdir('/run/systemd/system'):
        return False
    try:
        done = subprocess.run(
            [SYSTEMCTL, 'is-system-running'],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=ENVIRONMENT,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.stdout.strip() == b'stopping'


def conclude(host, claim, end, is_new_boot, is_stopped=lambda: False):
    """The result as far as the end and the verification decide it; None when the verification cannot be asked now."""
    has_failed = end is not None and not end['is_stopped'] and end['rc'] != '0'
    verdict, after = None, []
    if claim['verify']:
        least, most = (0, 0) if has_failed else (AFTER_BOOT_SECONDS if is_new_boot else 0, tables.MAX_WITHIN)
        asked = verify(host, claim, least, most, is_stopped)
        if asked is None:
            return None
        verdict, after = asked
    if has_failed:
        state = 'FAILED'
    elif _is_effect_what_counts(claim, end, is_new_boot):
        state = 'VERIFY_FAILED' if verdict is False else 'SUCCEEDED'
    elif claim['ends'] != 'nothing' and not is_new_boot and end is not None and end['rc'] == '0':
        state, verdict = 'VERIFY_FAILED', False  # it was to go down, and did not
    else:
        state = 'INTERRUPTED'
    known = {key: end[key] for key in ('rc', 'started', 'finished', 'duration_ms', 'output')} if end is not None else {}
    return {**known, 'state': state, 'verified': {True: 'yes', False: 'no', None: '-'}[verdict], 'evidence': evidence.compare(claim['before'], after)}


def _is_effect_what_counts(claim, end, is_new_boot):
    """Whether the run came as far as it had to; else it was interrupted, whatever the host looks like."""
    if claim['ends'] == 'reboot':
        return is_new_boot
    ended_well = end is not None and end['rc'] == '0'
    if claim['ends'] == 'poweroff':
        return is_new_boot and ended_well  # a boot alone can also be that of a host that lost its power
    return ended_well and not end['is_stopped']


def verify(host, claim, least, most, is_stopped):
    """(whether the verification holds, [[diagnostic, fact, value]] now), asked for as long as `within` says, or None when it cannot be.

    `least` and `most` are bounds in seconds of every `within`.
    """
    began = time.monotonic()
    pause = FIRST_PAUSE
    while not is_stopped() and not host.is_disabled():
        answers = _LaterAnswers(host, dict(claim['args']))
        late = [check for check in claim['verify'] if not _holds(answers, check)]
        left = min((min(most, max(least, check['within'])) for check in late), default=0) - (time.monotonic() - began)
        if not late or left <= 0:
            return not late, evidence.measure(answers, claim)
        time.sleep(min(pause, left))
        pause = min(pause * 1.5, MOST_PAUSE)
    return None


def _holds(answers, check):
    facts = answers.facts(check)
    return all(answer.is_fulfilled(expectation, facts) for expectation in check['expect'])
