"""Starting a claimed action where the caller's connection does not matter, and running it.

launch() belongs to the process that claimed; execute() is `pra-run --execute <id>`, in a systemd unit or a session of its own.
"""

import os
import select
import signal
import subprocess
import time

from . import audit, form, outcome
from .claims import Claims
from .host import ENVIRONMENT, boottime_ms, wallclock

SYSTEMD_RUN = '/usr/bin/systemd-run'
LAUNCH_SECONDS = 30
KILL_AFTER_SECONDS = 2  # between TERM and KILL
GOING_DOWN_PAUSE = 0.2
LINGER_SECONDS = 1  # for output that children of an ended program still hold open
TIMED_OUT = 124
NOT_EXECUTABLE = 126


def launch(host, claims, claim):
    """Starts the runner. A unit where systemd runs, else a session of its own; only one of them can win `started`."""
    if not host.is_embedded and os.path.isdir('/run/systemd/system') and _launch_unit(host, claim):
        return
    try:
        _launch_session(host, claim)
    except OSError:
        claims.start(claim['id'], 0)  # nobody will: the receipt can say so at once


def _runner_argv(host, claim):
    return [f'{host.bin}/pra-run', '--execute', claim['id']]


def _launch_unit(host, claim):
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
    argv = [SYSTEMD_RUN, '--collect', '--quiet', '--no-ask-password', f'--unit=mcp-pra-{claim["id"]}']
    argv += [f'--property={key}={value}' for key, value in properties.items()]
    try:
        done = subprocess.run(
            [*argv, '--', *_runner_argv(host, claim)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=ENVIRONMENT,
            timeout=LAUNCH_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _launch_session(host, claim):
    subprocess.Popen(
        _runner_argv(host, claim),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=ENVIRONMENT,
        cwd='/',
        start_new_session=True,
    )


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
    state = result['state'] if result is not None else None  # open: `pra-run --settle` will know
    audit.send(host.log, 'finished', word='execute', id=id, action=claim['action'], principal=claim['principals'], state=state)
    claims.renew_ballast()
    claims.prune()
    return 0


def conclude(host, claims, claim, run, end):
    """The result of a run that has ended, or None when it cannot be known here: what was stopped, or goes down, is settled later."""
    if outcome.needs_time(claim):
        claims.note_end(claim['id'], end)
        while outcome.is_going_down(claim, end, False) and not run.is_stopped:
            time.sleep(GOING_DOWN_PAUSE)
        if run.is_stopped:
            return None
    return outcome.conclude(host, claim, end, False, lambda: run.is_stopped)


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


def _kill_group(process, number):
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        pass
