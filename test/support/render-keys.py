"""Reads {"site", "openssh", "probe"} on standard input; prints what installer/keys.py makes of it: {"files", "sources"}, or `refused <sentence>`."""

import json
import sys
from datetime import datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / 'target-scripts'))

from installer import keys  # noqa: E402
from installer.refusal import Refusal  # noqa: E402
from installer.site import parse_site  # noqa: E402

asked = json.load(sys.stdin)
try:
    site = parse_site(json.dumps(asked['site']).encode())
    probe = None
    if asked.get('probe'):
        spare = parse_site(json.dumps({**asked['site'], 'keys': {name: [{'key': asked['probe'][name]}] for name in ('reader', 'runner')}}).encode())
        expires = datetime.fromisoformat(asked['probe']['expires'])
        probe = keys.Probe(spare.keys.reader[0].key, spare.keys.runner[0].key, expires)
    made = keys.files(site, tuple(asked['openssh']), probe)
    print(
        json.dumps(
            {
                'files': {path: content.decode('ascii') for path, (_, content) in made.items()},
                'modes': sorted({f'{mode:04o}' for mode, _ in made.values()}),
                'paths': keys.PATHS,
                'sources': {account.name: keys.source_lists(account, site) for account in keys.ACCOUNTS},
            }
        )
    )
except Refusal as refusal:
    print(f'refused {refusal}')
