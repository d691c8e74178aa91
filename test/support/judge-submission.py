"""Judges submissions with a target's own modules, tables, keys and signers, without claiming anything, for tests.

judge-submission.py <rendered pra-run> : standard input is a JSON list of {word, bytes}, standard output the list of verdicts: `ok` or a code.
"""

import base64
import json
import sys
from importlib.machinery import SourceFileLoader

sys.dont_write_bytecode = True
places = SourceFileLoader('pra_run_program', sys.argv[1]).load_module().PLACES
sys.path.insert(0, places['lib'])

from pra_run import verify  # noqa: E402
from pra_run.built_in import IMPACTS  # noqa: E402
from pra_run.host import Host  # noqa: E402
from pra_run.refusal import Refusal  # noqa: E402

host = Host(places)


def judge(word, data):
    try:
        (verify.verify_built_in if word in IMPACTS else verify.verify)(host, word, data)
    except Refusal as refusal:
        return refusal.code
    return 'ok'


json.dump([judge(case['word'], base64.b64decode(case['bytes'])) for case in json.load(sys.stdin)], sys.stdout)
