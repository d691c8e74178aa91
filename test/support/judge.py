"""Judges texts of the runner channel with the target's own modules, for tests.

judge.py <target-scripts> : standard input is a JSON list of {kind, …}, standard output the list of verdicts.
"""

import base64
import json
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])

from pra_run import answer, form, keys, sshsig, tables  # noqa: E402
from pra_run.refusal import Refusal  # noqa: E402

FORMS = {'tickets': form.TICKET, 'drafts': form.DRAFT, 'offers': form.OFFER, 'receipts': form.RECEIPT, 'queries': form.QUERY}


def judge(case):
    try:
        return JUDGES.get(case['kind'], judge_text)(case)
    except (Refusal, answer.AnswerError) as refusal:
        return refusal.code


def judge_text(case):
    """Each text that parses must also be written as it was read."""
    data = base64.b64decode(case['bytes'])
    text_form = FORMS[case['kind']]
    return 'ok' if form.serialise(text_form, form.parse(text_form, data)) == data else 'ROUND_TRIP'


def judge_submission(case):
    data = base64.b64decode(case['bytes'])
    submission = form.parse_submission(data)
    return 'ok' if data.startswith(submission.ticket_bytes + b'signature ') else 'ROUND_TRIP'


def judge_answer(case):
    sections = answer.parse_answer(base64.b64decode(case['bytes']), case['definition'], case['sections'], case['limit_bytes'])
    if 'parsed' in case:
        said = [vars(section) for section in sections]
        wanted = [{**section, 'output': section['output'].encode('utf-8')} for section in case['parsed']]
        return 'ok' if said == wanted else 'PARSED'
    return 'ok'


def judge_value(case):
    is_good = tables.are_bounds(case['type'], case['bounds']) and tables.is_of_type(case['value'], case['type'], case['bounds'])
    return 'ok' if is_good else 'VALUE_BAD'


def judge_signature(case):
    """As the target does: what the blob says, then what ssh-keygen says. The KRL comes with the request."""
    signature = sshsig.parse_signature(base64.b64decode(case['signature']))
    key_type, key = case['key'].split(' ')
    if signature.namespace != case['namespace'] or signature.key != base64.b64decode(key):
        return 'SIGNATURE_BAD'
    good = keys.verify_with_key(signature, case['text'].encode(), 'someone', key_type, key, base64.b64decode(case['krl']))
    return 'ok' if good else 'SIGNATURE_BAD'


JUDGES = {'submissions': judge_submission, 'answers': judge_answer, 'params': judge_value, 'signed': judge_signature}

json.dump([judge(case) for case in json.load(sys.stdin)], sys.stdout)
