"""Logs in to both accounts of a host afresh, from the machine that this runs on (tasks/sshd.yml). Not installed anywhere.

    probe.py make           two key pairs in a new folder: {"folder", "keys": [reader, runner]} (public halves)
    probe.py try < JSON     {"ssh": words, "host", "port", "folder", "seconds", "logins": [{"account", "key", "whose"}]}: one login each
    probe.py forget FOLDER  the keys of `make` go

`try` prints {"proven": [...], "failed": [...]}, a sentence each. A login counts when the account's own program answers: with its version, or
that it is not to be asked now. No agent, no shared connection, no password, and no other key than the one that is to be proven.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

OPTIONS = (
    'BatchMode=yes',
    'ControlMaster=no',
    'ControlPath=none',
    'IdentitiesOnly=yes',
    'IdentityAgent=none',
    'PreferredAuthentications=publickey',
    'ForwardAgent=no',
    'ClearAllForwardings=yes',
    'PermitLocalCommand=no',
    'RequestTTY=no',
    'ConnectTimeout=10',
)
FOLDER = 'mcp-pra-probe-'
NOT_NOW = re.compile(r'refused (?:wrapper|pra-exec|pra-run) [A-Z_]+')


def make():
    folder = tempfile.mkdtemp(prefix=FOLDER)
    keys = []
    for channel in ('reader', 'runner'):
        path = os.path.join(folder, channel)
        subprocess.run(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-C', f'mcp-pra-probe-{channel}', '-f', path], check=True, stdin=subprocess.DEVNULL)
        with open(f'{path}.pub', encoding='ascii') as file:
            keys.append(file.read().strip())
    return {'folder': folder, 'keys': keys}


def try_logins(asked):
    proven, failed = [], []
    for login in asked['logins']:
        who = f'{login["account"]} with {login["whose"]}'
        trouble = try_login(asked, login)
        if trouble is None:
            proven.append(who)
        else:
            failed.append(f'{who}: {trouble}')
    return {'proven': proven, 'failed': failed}


def try_login(asked, login):
    """None when the account's program answered, else what was said instead."""
    argv = ['ssh', *(word for option in OPTIONS for word in ('-o', option)), *shlex.split(asked['ssh'])]
    argv += ['-i', os.path.join(asked['folder'] or '/', login['key']), '-l', login['account']]
    argv += ['-p', str(asked['port'])] if asked['port'] else []
    try:
        done = subprocess.run(
            [*argv, '--', asked['host'], 'version'], stdin=subprocess.DEVNULL, capture_output=True, timeout=asked['seconds'], check=False
        )
    except subprocess.TimeoutExpired:
        return f'no answer within {asked["seconds"]} seconds'
    output, errors = done.stdout.decode('utf-8', 'replace'), done.stderr.decode('utf-8', 'replace')
    answers = done.returncode == 0 and re.search(r'(?m)^mcp-pra 1( |$)', output)
    if answers or (done.returncode == 75 and NOT_NOW.search(errors)):
        return None
    words = [line.strip() for line in (errors or output).splitlines() if line.strip()]
    return f'exit {done.returncode}, {" | ".join(words[-3:]).rstrip(".") or "without a word"}'


def forget(folder):
    if os.path.basename(folder).startswith(FOLDER):
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == '__main__':
    word = sys.argv[1]
    if word == 'make':
        print(json.dumps(make()))
    elif word == 'try':
        print(json.dumps(try_logins(json.load(sys.stdin))))
    else:
        forget(sys.argv[2])
