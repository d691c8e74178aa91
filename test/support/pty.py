"""Runs a command on a real pseudo-terminal and types into it: what a person at a terminal does.

Standard input: JSON {"argv": [...], "env": {...}, "cwd": "...", "seconds": n, "columns": n, "rows": n,
"steps": [{"expect": "<regex>", "after": "file", "send": "text", "touch": "file", "size": [rows, columns],
"signal": "SIGTERM"}, ...]}. Each step waits until the expression matches what was shown since the last step and the file
`after` is there, then types, makes the file `touch`, and does what else it says. Standard output: JSON {"code": n,
"screen": "...", "missed": "<expression>"|null, "cooked": whether the terminal was left with echo and lines}.
A step's `secret` is an expression whose group 1 is a base32 secret on the screen; from then on `{code}` in what is typed is its one-time
code (RFC 6238), each only once: it may wait for the next one.
The terminal has echo on, as a real one does: what a program does not switch off is in `screen`.
"""

import base64
import fcntl
import hmac
import json
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time


def main():
    job = json.load(sys.stdin)
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(job.get('cwd') or '/')
        os.execvpe(job['argv'][0], job['argv'], job['env'])
    resize(terminal, job.get('rows', 40), job.get('columns', 80))
    until = time.monotonic() + job['seconds']
    screen, seen, missed = '', 0, None
    authenticator = Authenticator()
    for step in [*job['steps'], None]:
        while step is None or not re.search(step['expect'], screen[seen:], re.S):
            more = read(terminal, until)
            if more is None:
                missed = step and step['expect']
                break
            screen += more
        else:
            seen = len(screen)
            while 'after' in step and not os.path.exists(step['after']) and time.monotonic() < until:
                time.sleep(0.02)
            if 'secret' in step:
                found = re.findall(step['secret'], screen, re.S)[-1]
                authenticator.secret = base64.b32decode(re.sub(r'[^A-Z2-7]', '', found))
            send = step.get('send', '')
            if '{code}' in send:
                send = send.replace('{code}', authenticator.code())
            os.write(terminal, send.encode())
            if 'touch' in step:
                open(step['touch'], 'x').close()
            if 'size' in step:
                resize(terminal, *step['size'])
            if 'signal' in step:
                os.kill(child, signal.Signals[step['signal']])
            continue
        break
    code = finish(child)
    flags = termios.tcgetattr(terminal)[3]
    cooked = bool(flags & termios.ICANON) and bool(flags & termios.ECHO)
    json.dump({'code': code, 'screen': screen, 'missed': missed, 'cooked': cooked}, sys.stdout)


def resize(terminal, rows, columns):
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack('HHHH', rows, columns, 0, 0))


class Authenticator:
    """A phone that shows each code once."""

    secret = b''
    used = 0

    def code(self):
        while int(time.time()) // 30 <= self.used:
            time.sleep(0.1)
        self.used = int(time.time()) // 30
        digest = hmac.new(self.secret, struct.pack('>Q', self.used), 'sha1').digest()
        at = digest[-1] & 15
        number = struct.unpack('>I', digest[at : at + 4])[0] & 0x7FFFFFFF
        return '%06d' % (number % 1000000)


def read(terminal, until):
    """More of the screen, or None when the program closed the terminal or the time is over."""
    left = until - time.monotonic()
    if left <= 0 or not select.select([terminal], [], [], left)[0]:
        return None
    try:
        data = os.read(terminal, 65536)
    except OSError:
        return None
    return data.decode('utf-8', 'replace') or None


def finish(child):
    for _ in range(100):
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.05)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return -1


main()
