"""What became of a run: its verification, asked until it holds, and the final state that it leads to.

The rules are in docs/wire-protocol.md, section 3, Outcome. An `end` is how the program itself ended: {'rc', 'is_stopped', 'started',
'finished', 'duration_ms', 'output', 'boottime_ms'}; None when nobody saw it. `started` is `-` when the runner was stopped before it began.
"""

import functools
import subprocess
import time

from . import answer, audit, evidence, tables
from .detach import has_systemd
from .diagnostics import MOST_SECONDS, Answers
from .host import ENVIRONMENT, boottime_ms
from .refusal import Refusal

SYSTEMCTL = '/usr/bin/systemctl'
# A host that was told to go down and is still up after so long will not: systemd gives its units 90 s.
GOING_DOWN_SECONDS = 120
AFTER_BOOT_SECONDS = 30  # what a boot started may not answer at once, whatever `within` says
BOOT_SECONDS = 300  # a boot that is not done by then will not be
BOOTED = ('running', 'degraded')
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
        and end['started'] != '-'
        and (end['rc'] == '0' or end['is_stopped'])
        and boottime_ms() - end['boottime_ms'] < GOING_DOWN_SECONDS * 1000
    )


def is_host_stopping(host):
    """Whether the host is shutting down: what its diagnostics say now is not what came of anything."""
    return _ask_manager(host, 10) == 'stopping'


@functools.lru_cache(maxsize=1)  # of several claims only the first one waits
def await_boot(host):
    """What systemd says of this boot once it is done, at most BOOT_SECONDS later; None where there is no systemd."""
    return _ask_manager(host, BOOT_SECONDS, '--wait')


def _ask_manager(host, seconds, *options):
    if not has_systemd(host):
        return None
    try:
        done = subprocess.run(
            [SYSTEMCTL, 'is-system-running', *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=ENVIRONMENT,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return 'starting' if options else 'unknown'
    except OSError:
        return 'unknown'
    word = done.stdout.decode('ascii', 'replace').strip()
    return word if word.isalpha() else 'unknown'


class Boot:
    """What a boot other than the claim's has to say about its outcome.

    `state`: systemd's word for it once it was done, None where there is no systemd. `has_acted`: whether the program can be what
    brought it about: it had begun, and nobody cancelled it before it ended.
    """

    def __init__(self, state, has_acted):
        self.state = state
        self.has_acted = has_acted

    def evidence(self, claim):
        return [['host', 'boot', self.state]] if self.state is not None and claim['ends'] != 'nothing' else []


def conclude(host, claim, end, boot=None, is_stopped=lambda: False):
    """The result as far as the end and the verification decide it; None when the verification cannot be asked now.

    `boot`: the Boot after the claim's own, None in the same one.
    """
    has_failed = end is not None and not end['is_stopped'] and end['rc'] != '0'
    verdict, after = None, []
    if claim['verify']:
        least, most = (0, 0) if has_failed else (AFTER_BOOT_SECONDS if boot is not None else 0, tables.MAX_WITHIN)
        asked = verify(host, claim, least, most, is_stopped)
        if asked is None:
            return None
        verdict, after = asked
    if has_failed:
        state = 'FAILED'
    elif _is_effect_what_counts(claim, end, boot):
        if boot is not None and boot.state not in (None, *BOOTED) and verdict is None and claim['ends'] != 'nothing':
            verdict = False  # it did not come back as it should
        state = 'VERIFY_FAILED' if verdict is False else 'SUCCEEDED'
    elif claim['ends'] != 'nothing' and boot is None and _has_ended_well(end):
        state, verdict = 'VERIFY_FAILED', False  # it was to go down, and did not
    else:
        state = 'INTERRUPTED'
    if boot is not None:
        after = boot.evidence(claim) + after
    known = {key: end[key] for key in ('rc', 'started', 'finished', 'duration_ms', 'output')} if end is not None else {}
    return {**known, 'state': state, 'verified': {True: 'yes', False: 'no', None: '-'}[verdict], 'evidence': evidence.compare(claim['before'], after)}


def _has_ended_well(end):
    return end is not None and end['rc'] == '0' and not end['is_stopped']


def _is_effect_what_counts(claim, end, boot):
    """Whether the run came as far as it had to; else it was interrupted, whatever the host looks like."""
    if claim['ends'] == 'reboot':
        return boot is not None and (boot.has_acted or _has_ended_well(end))
    if claim['ends'] == 'poweroff':
        # A boot alone can also be that of a host that lost its power.
        return boot is not None and end is not None and end['rc'] == '0' and (boot.has_acted or not end['is_stopped'])
    return _has_ended_well(end)


def record(host, claims, claim, word):
    """The audit record of an outcome: the state that is kept, whoever else settled the same claim meanwhile."""
    result = claims.result(claim['id']) or {}
    action = claim['action'] if host.has_action(claim['action']) else None
    said = {'word': word, 'id': claim['id'], 'action': action, 'principal': claim['principals'], 'incident': claim['incident']}
    audit.send(host.log, 'finished', **said, state=result.get('state'))


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
            found = evidence.measure(answers, claim)
            if is_stopped() or host.is_disabled() or (late and is_host_stopping(host)):
                break  # what was asked may have been stopped as well
            return not late, found
        time.sleep(min(pause, left))
        pause = min(pause * 1.5, MOST_PAUSE)
    return None


def _holds(answers, check):
    facts = answers.facts(check)
    return all(answer.is_fulfilled(expectation, facts) for expectation in check['expect'])
