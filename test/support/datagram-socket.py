"""A syslog socket for tests. Argument 1: its path. Argument 2: `read` prints each datagram; `full` fills it and reads none.

Prints `ready` first; ends with its standard input.
"""

import os
import socket
import sys
import threading

path, manner = sys.argv[1:]
receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
receiver.bind(path)
if manner == 'full':
    sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sender.setblocking(False)
    try:
        while True:
            sender.sendto(b'x', path)
    except BlockingIOError:
        pass


def wait_for_end():
    sys.stdin.read()
    os._exit(0)


threading.Thread(target=wait_for_end, daemon=True).start()
print('ready', flush=True)
while manner == 'read':
    print(receiver.recv(65536).decode('utf-8', 'replace'), flush=True)
threading.Event().wait()
