"""Does steps of installer/host.py below a folder, for tests.

installer-host.py ROOT [--check] [--diff] : standard input is a JSON list of [method, …arguments], standard output a JSON list of what
the report says. Bytes are given as text. The steps `commit` and `roll_back` end a stage; `leave` ends the process at once, as SIGKILL would.
"""

import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / 'target-scripts'))

from installer.host import Host  # noqa: E402
from installer.refusal import Refusal  # noqa: E402

host = Host('/', check='--check' in sys.argv, diff='--diff' in sys.argv, root=sys.argv[1])
said = []
for name, *values in json.load(sys.stdin):
    try:
        if name == 'leave':
            os._exit(0)
        elif name in ('commit', 'roll_back'):
            said += getattr(host, name)()
        elif name == 'write':
            host.write(values[0], values[1], values[2].encode())
        elif name == 'ask_then_undo':
            host.undo_with(lambda value=values[0]: said.append(value))
        else:
            getattr(host, name)(*values)
    except (Refusal, OSError) as refusal:
        said.append(f'refused {refusal}')
print(json.dumps(said))
