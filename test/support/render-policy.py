"""Reads {"policy", "allowed_signers", "actions"} on standard input; prints the policy.json that installer/tables.py makes of it, or `refused <sentence>`."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / 'target-scripts'))

from installer.refusal import Refusal  # noqa: E402
from installer.tables import policy_bytes  # noqa: E402

asked = json.load(sys.stdin)
site = SimpleNamespace(host='web1', policy=asked['policy'], allowed_signers=asked['allowed_signers'])
try:
    print(policy_bytes(site, asked['actions']).decode('ascii'), end='')
except Refusal as refusal:
    print(f'refused {refusal}')
