"""Reads {"site", "kept", "known"} on standard input; prints what installer/sshd.py writes: {"dropIn", "algorithms"}."""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / 'target-scripts'))

from installer import sshd  # noqa: E402
from installer.site import parse_site  # noqa: E402

asked = json.load(sys.stdin)
site = parse_site(json.dumps(asked['site']).encode())
print(
    json.dumps(
        {
            'dropIn': sshd.drop_in(site, asked['kept'])[1].decode('ascii'),
            'algorithms': sshd.algorithms(asked['known'])[1].decode('ascii'),
        }
    )
)
