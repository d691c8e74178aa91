"""ssh-keygen, with nothing of the caller's environment."""

import os
import subprocess

from .failed import Failed

SSH_KEYGEN = '/usr/bin/ssh-keygen'
ENVIRONMENT = {'PATH': '/usr/sbin:/usr/bin:/sbin:/bin', 'LC_ALL': 'C.UTF-8', 'HOME': '/'}
SECONDS = 20


def ssh_keygen(words, text, handle=None, allowed=(0,), failing='ssh-keygen failed'):
    try:
        done = subprocess.run(
            [SSH_KEYGEN, *words],
            input=text.encode('utf-8', 'surrogateescape'),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=ENVIRONMENT,
            pass_fds=() if handle is None else (handle,),
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Failed(f'{failing} (no answer in {SECONDS} s)') from None
    if done.returncode not in allowed:
        why = done.stderr.decode('utf-8', 'replace').strip().split('\n')[-1][:200]
        raise Failed(f'{failing} ({why})')
    return done.stdout.decode('utf-8', 'surrogateescape')


def in_memory(text):
    handle = os.memfd_create('mcp-pra')
    os.write(handle, text.encode('utf-8', 'surrogateescape'))
    return handle
