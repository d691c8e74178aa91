"""Programs that a collector asks: fixed words, no shell, an environment of a few constants, a time limit, an end to the output."""

import os
import signal
import subprocess
import tempfile

ENVIRONMENT = {'PATH': '/usr/sbin:/usr/bin:/sbin:/bin', 'LC_ALL': 'C.UTF-8', 'TZ': 'UTC', 'HOME': '/'}
MOST_BYTES = 1 << 23


class Said:
    """Exit code and text of a program; `code` is None when there is none of that name, 126 when it cannot be executed, 124 when its
    time was over.
    """

    def __init__(self, code, text):
        self.code = code
        self.text = text


def ask(argv, seconds=10, environment=None, handles=(), account=None):
    """Runs an absolute program; `handles` are open files it gets besides. What it says on standard error is dropped: it may quote anything.

    With `account` it runs as that user and in its group alone, which takes CAP_SETUID and CAP_SETGID, and CAP_KILL to end it in time.
    """
    user = {'user': account.pw_uid, 'group': account.pw_gid, 'extra_groups': []} if account else {}
    with tempfile.TemporaryFile() as output:
        try:
            process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.DEVNULL,
                env={**ENVIRONMENT, **(environment or {})},
                cwd='/',
                pass_fds=handles,
                start_new_session=True,
                **user,
            )
        except FileNotFoundError:
            return Said(None, '')
        except OSError:
            return Said(126, '')
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            # What it started too: an ssh to a repository, for one.
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            code = 124
        output.seek(0)
        return Said(code, output.read(MOST_BYTES).decode('utf-8', 'replace'))
