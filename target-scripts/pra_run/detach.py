"""Starting pra-run once more where the caller's end does not matter: by systemd where that runs, else in a session of its own."""

import os
import subprocess

from .host import ENVIRONMENT

NOTHING = {'stdin': subprocess.DEVNULL, 'stdout': subprocess.DEVNULL, 'stderr': subprocess.DEVNULL, 'env': ENVIRONMENT}


def start_detached(host, words, ask_systemd, seconds):
    """`pra-run <words>`, by a command that asks systemd for it and has so many seconds. OSError when not even a session can be made."""
    if has_systemd(host) and _has_succeeded(ask_systemd, seconds):
        return
    subprocess.Popen([f'{host.bin}/pra-run', *words], cwd='/', start_new_session=True, **NOTHING)


def has_systemd(host):
    """Whether systemd runs here, and for this pra-run (sd_booted(3))."""
    return not host.is_embedded and os.path.isdir('/run/systemd/system')


def _has_succeeded(argv, seconds):
    try:
        return subprocess.run(argv, timeout=seconds, check=False, **NOTHING).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False
