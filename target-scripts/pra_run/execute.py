"""Starting a claimed action where the caller's connection does not matter, and running it.

launch() belongs to the process that claimed; execute() is `pra-run --execute <id>`, in a systemd unit or a session of its own.
"""

import os
import select
import signal
import subprocess
import time

from . import form, outcome
from .claims import Claims
from .detach import NOTHING, has_systemd, start_detached
from .host import ENVIRONMENT, boottime_ms, wallclock
from .processes import kill_session
from .prune import prune

SYSTEMD_RUN = '/usr/bin/systemd-run'
LAUNCH_SECONDS = 30
START_SECONDS = 10  # from the launch to the runner's first words, for one that nobody sees alive
SLOW_START_SECONDS = 60  # and for one that systemd has: a host in trouble takes its time
ASK_SECONDS = 10  # what systemd may take to say whether it is
KILL_AFTER_SECONDS = 2  # between TERM and KILL
GONE_SECONDS = 5  # from KILL to the end of what nothing in the kernel holds
GOING_DOWN_PAUSE = 0.2
LINGER_SECONDS = 1  # for output that children of an ended program still hold open
TIMED_OUT = 124
NOT_EXECUTABLE = 126


def launch(host, claims, claim):
    """Starts the runner and waits for its first words. When none come, nobody will ever start it: the receipt can say so."""
    _launch(host, claims, claim)
    began = time.monotonic()
    while claims.start_of(claim) is None:
        waited = time.monotonic() - began
        if waited < START_SECONDS:
            time.sleep(0.01)
        elif waited < SLOW_START_SECONDS and _is_unit_active(host, claim):
            time.sleep(0.5)
        else:
            claims.start(claim['id'], 0)  # no disk may take even that: then it is open until one does
            return


def _is_unit_active(host, claim):
    """Whether systemd has started the runner and has not seen its end."""
    if not has_systemd(host):
        return False
    try:
        argv = [outcome.SYSTEMCTL, 'is-active', '--quiet', '--', f'{unit_of(claim)}.service']
        return subprocess.run(argv, timeout=ASK_SECONDS, check=False, **NOTHING).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def unit_of(claim):
    return f'mcp-pra-{claim["id"]}'


def _launch(host, claims, claim):
    """A unit where systemd runs, else a session of its own; only one of them can win `started`."""
    properties = {
        'Type': 'exec',
        'UMask': '0077',
        'StandardInput': 'null',
        'StandardOutput': 'null',
        'StandardError': 'null',
        'KillMode': 'control-group',
        'TimeoutStopSec': '10',
        'RuntimeMaxSec': str(claim['limit']['seconds'] + outcome.settling_seconds(claim) + 60),
    }
    ask = [SYSTEMD_RUN, '--collect', '--quiet', '--no-ask-password', f'--unit={unit_of(claim)}']
    ask += [f'--property={key}={value}' for key, value in properties.items()]
    words = ['--execute', claim['id']]
    try:
        start_detached(host, words, [*ask, '--', f'{host.bin}/pra-run', *words], LAUNCH_SECONDS)
    except OSError:
        claims.start(claim['id'], 0)


def execute(host, id):
    """Runs a claimed action once: 0 when it was run, whatever came of it."""
    claims = Claims(host)
    claims.prepare_folders()
    claim = claims.find(id)
    if claim is None or claim['is_fence'] or claim['boot_id'] != host.boot_id or claims.result(id) is not None:
        return 70
    if not claims.start(id, os.getpid()):
        return 75
    run = Run(claims, claim)
    result = conclude(host, claims, claim, run, run.run())
    if result is not None:
        claims.finish(id, result)
        claims.final_receipt(claim)
    outcome.record(host, claims, claim, 'execute')  # no state while it is open: `pra-run --settle` will know
    claims.renew_ballast()
    prune(claims)
    return 0


def conclude(host, claims, claim, run, end):
    """The result of a run that has ended, or None when it cannot be known here: what was stopped, or goes down, is settled later."""
    if outcome.needs_time(claim):
        claims.note_end(claim['id'], end)
        while outcome.is_going_down(claim, end, False) and not run.is_stopped:
            time.sleep(GOING_DOWN_PAUSE)
        if run.is_stopped:
            return None
    return outcome.conclude(host, claim, end, None, lambda: run.is_stopped)


class Run:
    """One run of one claim: its program, its output so far, its end."""

    def __init__(self, claims, claim):
        self.claims = claims
        self.claim = claim
        self.limit = claim['limit']
        self.kept = b''
        self.is_stopped = False

    def run(self):
        """How the program ended, in the words of a receipt."""
        signal.signal(signal.SIGTERM, self._on_stop)  # systemd stops the unit: the host is going down
        signal.signal(signal.SIGHUP, lambda *_: None)
        self.file = self.claims.create_output(self.claim['id'])
        started, began = wallclock(), boottime_ms()
        self.claims.note_begin(self.claim['id'], started)
        if self.is_stopped:  # the last look: what it started from here on has run
            return {'rc': '-', 'is_stopped': True, 'boottime_ms': began, 'started': '-', 'finished': '-', 'duration_ms': '-', 'output': '- 0'}
        rc = self._run_program()
        self._sync()
        return {
            'rc': str(rc),
            'is_stopped': self.is_stopped,
            'boottime_ms': boottime_ms(),
            'started': started,
            'finished': wallclock(),
            'duration_ms': str(boottime_ms() - began),
            'output': f'{form.sha256(self.kept)} {len(self.kept)}',
        }

    def _sync(self):
        try:
            if self.file is not None:
                os.fsync(self.file)
        except OSError:
            pass  # the result counts for more than the output's last bytes

    def _on_stop(self, *_):
        self.is_stopped = True

    def _run_program(self):
        try:
            process = subprocess.Popen(
                self.claim['argv'],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=ENVIRONMENT,
                cwd='/',
                umask=0o022,
                start_new_session=True,
            )
        except OSError:
            return NOT_EXECUTABLE
        is_timed_out = self._attend(process)
        if is_timed_out:
            return TIMED_OUT
        return process.returncode if process.returncode >= 0 else 128 - process.returncode

    def _attend(self, process):
        """Reads the program's output until it has ended; whether that took too long."""
        pipe = process.stdout.fileno()
        deadline = time.monotonic() + self.limit['seconds']
        term_at = kill_at = linger_until = None
        is_open = True
        while True:
            if is_open:
                is_open = self._read(pipe)
            else:
                time.sleep(0.02)
            now = time.monotonic()
            if process.poll() is not None:
                linger_until = linger_until or now + LINGER_SECONDS
                if not is_open or now >= linger_until:
                    if term_at is not None:
                        _end_session(process)
                    return term_at is not None and not self.is_stopped
            elif term_at is None and (self.is_stopped or now >= deadline):
                term_at, kill_at = now, now + KILL_AFTER_SECONDS
                _kill_group(process, signal.SIGTERM)
            elif kill_at is not None and now >= kill_at:
                _kill_group(process, signal.SIGKILL)

    def _read(self, pipe):
        """Takes what has come within a moment; False at the end."""
        ready, _, _ = select.select([pipe], [], [], 0.05)
        if not ready:
            return True
        piece = os.read(pipe, 65536)
        self._keep(piece[: self.limit['bytes'] - len(self.kept)])
        return piece != b''

    def _keep(self, piece):
        """Output beyond the limit, or that no disk can hold, is read and forgotten: the program must not notice."""
        while piece and self.file is not None:
            try:
                written = os.write(self.file, piece)
            except OSError:
                os.close(self.file)
                self.file = self.claims.move_output(self.claim['id'], self.kept)
                continue
            self.kept += piece[:written]
            piece = piece[written:]


def _end_session(process):
    """KILL for what a stopped program leaves behind, and the wait for its end: what is stopped must not go on behind its receipt.

    A shell with job control gives its children groups of their own: the session is what they have in common.
    """
    deadline = time.monotonic() + GONE_SECONDS
    while kill_session(process.pid) and time.monotonic() < deadline:
        time.sleep(0.05)


def _kill_group(process, number):
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        pass
