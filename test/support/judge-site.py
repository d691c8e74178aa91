"""Reads a site file on standard input; prints what installer/site.py makes of it as JSON, or `refused <sentence>`."""

import dataclasses
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / 'target-scripts'))

from installer.refusal import Refusal  # noqa: E402
from installer.site import parse_site  # noqa: E402

try:
    print(json.dumps(dataclasses.asdict(parse_site(sys.stdin.buffer.read())), default=lambda moment: moment.isoformat()))
except Refusal as refusal:
    print(f'refused {refusal}')
