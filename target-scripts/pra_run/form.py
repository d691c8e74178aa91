"""The texts of the runner channel: draft, offer, ticket, submission, query, receipt (docs/wire-protocol.md, section 3).

Pure: bytes in, a dict out, or a Refusal. Each text is a table of lines. `serialise(form, parse(form, x)) == x` byte for byte,
since a line's fields are kept exactly as they were written.
"""

import base64
import binascii
import re
from datetime import datetime, timezone

from .refusal import Refusal

NAME = r'[a-z][a-z0-9_]{0,39}'
HOST = r'[a-z0-9][a-z0-9.-]{0,62}'
ID = r'[a-z2-7]{16}'
HEX = r'[0-9a-f]{64}'
SHA = rf'sha256:{HEX}'
FINGERPRINT = r'SHA256:[A-Za-z0-9+/]{43}'
TIME = r'[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z'
WHO = r'[A-Za-z0-9@._-]{1,64}'
VALUE = r'[A-Za-z0-9@._:+-]{1,96}'
IMPACT = r'LOW|MEDIUM|HIGH'
MODE = r'run|drill'
UUID = r'[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}'
COUNT = r'0|[1-9][0-9]{0,8}'
PERCENT = r'[!-~]+'  # what else it must be: see is_percent_encoded
BASE64 = r'[A-Za-z0-9+/]+={0,2}'
INCIDENT = r'[a-z0-9][a-z0-9-]{0,39}'
NAMESPACE = r'mcp-pra-(?:auto|low|medium|high)'

IMPACTS = ('LOW', 'MEDIUM', 'HIGH')
MAX_DRAFT = 4096
MAX_TICKET = 8192
MAX_SUBMISSION = 65536
MAX_QUERY = 1024
MAX_OFFER = 32768
MAX_RECEIPT = 8192
MAX_SIGNATURES = 5
MAX_VALIDITY_SECONDS = 1500


def sha256(data):
    import hashlib

    return 'sha256:' + hashlib.sha256(data).hexdigest()


def decode_base64(text):
    """Bytes of canonical base64 (standard alphabet, padded), or None."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return data if base64.b64encode(data).decode('ascii') == text else None


def encode_percent(data):
    """The one spelling of bytes in a text field."""
    return ''.join(chr(byte) if 0x21 <= byte <= 0x7E and byte != 0x25 else f'%{byte:02X}' for byte in data)


def decode_percent(text):
    """Bytes of a percent-encoded field, or None when it has another spelling or is not UTF-8."""
    data = bytearray()
    at = 0
    while at < len(text):
        if text[at] != '%':
            data.append(ord(text[at]))
            at += 1
            continue
        digits = text[at + 1 : at + 3]
        if not re.fullmatch('[0-9A-F]{2}', digits):
            return None
        data.append(int(digits, 16))
        at += 3
    try:
        data.decode('utf-8')
    except UnicodeDecodeError:
        return None
    return bytes(data) if encode_percent(data) == text else None


def seconds_of(time):
    """Seconds since 1970 of a time as the wire writes it, or None when there is no such moment."""
    try:
        moment = datetime(*(int(part) for part in re.findall('[0-9]+', time)), tzinfo=timezone.utc)
    except ValueError:
        return None
    seconds = int(moment.timestamp())
    return seconds if seconds >= 0 else None


class Line:
    """One kind of line: its key, how often it comes, and the fields after the key, separated by single spaces."""

    def __init__(self, key, *fields, many=False, some=False, name=None):
        self.key = key
        self.name = name or key.replace('-', '_')
        self.many = many or some
        self.least = 1 if some or not many else 0
        self.single = len(fields) == 1
        body = ' '.join(f'({field})' for field in fields)
        self.pattern = re.compile(f'{key} {body}'.encode('ascii'))

    def match(self, line):
        found = self.pattern.fullmatch(line)
        if found is None:
            return None
        fields = tuple(field.decode('ascii') for field in found.groups())
        return fields[0] if self.single else fields

    def write(self, value):
        return f'{self.key} {value if self.single else " ".join(value)}\n'


class Form:
    """A text: its first line, its largest size, its lines in order, and what holds between them."""

    def __init__(self, title, limit, code, lines, check, size_code=None):
        self.title = title
        self.limit = limit
        self.code = code
        self.size_code = size_code or code
        self.lines = lines
        self.check = check


def parse(form, data):
    """The fields of a text as a dict: a string, a tuple of strings, or a list of these for lines that repeat."""
    if len(data) > form.limit:
        raise Refusal(form.size_code)
    if not data.endswith(b'\n'):
        raise Refusal(form.code)
    rest = data[:-1].split(b'\n')
    if rest.pop(0) != f'mcp-pra {form.title} v1'.encode('ascii'):
        raise Refusal(form.code)
    rest.reverse()
    text = {}
    for line in form.lines:
        values = []
        while rest and (line.many or not values):
            value = line.match(rest[-1])
            if value is None:
                break
            values.append(value)
            rest.pop()
        if len(values) < line.least:
            raise Refusal(form.code)
        text[line.name] = values if line.many else values[0]
    if rest or not form.check(text):
        raise Refusal(form.code)
    return text


def serialise(form, text):
    """The bytes of a text; the inverse of parse."""
    parts = [f'mcp-pra {form.title} v1\n']
    for line in form.lines:
        values = text[line.name] if line.many else [text[line.name]]
        parts.extend(line.write(value) for value in values)
    return ''.join(parts).encode('ascii')


def incident_of(ticket):
    """The incident of a break-glass ticket; None for a normal one."""
    return ticket['approval'].partition(' ')[2] or None


def _ascend(keys):
    """Sorted, none twice."""
    return all(before < after for before, after in zip(keys, keys[1:]))


def _args_ascend(text):
    return _ascend([name for name, _ in text['arg']])


def _is_percent(value):
    return decode_percent(value) is not None


def _check_offer(text):
    fields = [text['rule'], *text['token'], *(path for _, path in text['file']), *(value for _, _, value in text['fact'])]
    return (
        _args_ascend(text)
        and all(_is_percent(field) for field in fields)
        and _ascend([(diagnostic, fact) for diagnostic, fact, _ in text['fact']])
        and seconds_of(text['wallclock']) is not None
    )


def _check_ticket(text):
    issued, expires = seconds_of(text['issued']), seconds_of(text['expires'])
    if issued is None or expires is None or not issued < expires <= issued + MAX_VALIDITY_SECONDS:
        return False
    plan = re.fullmatch(f'{SHA} ([0-9]+)/([0-9]+)', text['plan'])
    if plan and int(plan[1]) > int(plan[2]):
        return False
    # A freeze must not need a host that answers: it alone goes without an offer, and never has one.
    if (text['kind'] == 'freeze') != (text['offer'] == '-'):
        return False
    return _args_ascend(text) and _is_percent(text['reason'])


# What `verified` may say in which state; any other state may have any of the three.
_VERIFIED = {'RUNNING': '-', 'NEVER_STARTED': '-', 'VERIFY_FAILED': 'no', 'SUCCEEDED': ('yes', '-')}


def _check_receipt(text):
    times = [text['claimed'], *(time for time in (text['started'], text['finished']) if time != '-')]
    return (
        all(seconds_of(time) is not None for time in times)
        and text['verified'] in _VERIFIED.get(text['state'], ('yes', 'no', '-'))
        and all(_is_percent(value) for _, _, before, after in text['evidence'] for value in (before, after))
        and _ascend([(diagnostic, fact) for diagnostic, fact, _, _ in text['evidence']])
    )


DRAFT = Form(
    'draft',
    MAX_DRAFT,
    'DRAFT_FORM',
    [
        Line('id', ID),
        Line('host', HOST),
        Line('action', NAME),
        Line('arg', NAME, VALUE, many=True),
        Line('impact', IMPACT),
        Line('mode', MODE),
        Line('requester', f'{WHO}/{WHO}'),
    ],
    _args_ascend,
    size_code='SIZE',
)

OFFER = Form(
    'offer',
    MAX_OFFER,
    'OFFER_FORM',
    [
        Line('id', ID),
        Line('host', HOST),
        Line('host-key', FINGERPRINT),
        Line('action', NAME),
        Line('arg', NAME, VALUE, many=True),
        Line('definition', SHA),
        Line('impact', IMPACT),
        Line('mode', MODE),
        Line('requires', r'[1-5]', NAMESPACE, r'software-key|sk|sk-uv'),
        Line('rule', PERCENT),
        Line('auto', r'yes|no'),
        Line('argv', SHA),
        Line('token', PERCENT, some=True),
        Line('file', SHA, r'/[!-~]*', some=True),
        Line('fact', NAME, NAME, PERCENT, many=True),
        Line('boot-id', UUID),
        Line('boottime', r'0|[1-9][0-9]{0,14}'),
        Line('wallclock', TIME),
    ],
    _check_offer,
)

TICKET = Form(
    'ticket',
    MAX_TICKET,
    'TICKET_FORM',
    [
        Line('kind', r'action|cancel|freeze|unfreeze|review'),
        Line('id', ID),
        Line('host', HOST),
        Line('host-key', FINGERPRINT),
        Line('action', NAME),
        Line('arg', NAME, VALUE, many=True),
        Line('definition', SHA),
        Line('impact', IMPACT),
        Line('mode', MODE),
        Line('approval', rf'normal|break-glass {INCIDENT}'),
        Line('offer', rf'-|{SHA}'),
        Line('plan', rf'-|{SHA} [1-9][0-9]?/[1-9][0-9]?'),
        Line('issued', TIME),
        Line('expires', TIME),
        Line('requester', f'{WHO}/{WHO}'),
        Line('reason', r'[!-~]{1,400}'),
        Line('ledger', SHA),
    ],
    _check_ticket,
)

QUERY = Form(
    'query',
    MAX_QUERY,
    'QUERY_FORM',
    [Line('id', ID), Line('ticket', SHA), Line('wait', r'[0-9]|1[0-9]|2[0-5]'), Line('offset', COUNT)],
    lambda text: True,
    size_code='SIZE',
)

RECEIPT = Form(
    'receipt',
    MAX_RECEIPT,
    'RECEIPT_FORM',
    [
        Line('id', ID),
        Line('host', HOST),
        Line('host-key', FINGERPRINT),
        Line('action', NAME),
        Line('ticket', SHA),
        Line('state', r'RUNNING|SUCCEEDED|FAILED|VERIFY_FAILED|INTERRUPTED|NEVER_STARTED'),
        Line('rc', r'-|[0-9]|[1-9][0-9]|1[0-9][0-9]|2[0-4][0-9]|25[0-5]'),
        Line('claimed', TIME),
        Line('started', f'{TIME}|-'),
        Line('finished', f'{TIME}|-'),
        Line('duration-ms', f'{COUNT}|-'),
        Line('output', rf'- 0|{SHA} (?:{COUNT})'),
        Line('verified', r'yes|no|-'),
        Line('evidence', NAME, NAME, PERCENT, PERCENT, many=True),
        Line('durable', r'yes|no'),
        Line('boot-id', UUID),
        Line('previous', f'{SHA}|-'),
    ],
    _check_receipt,
)


class Submission:
    """A ticket with what vouches for it. `ticket_bytes` are what was signed, exactly as they came. A freeze has no offer: None twice."""

    def __init__(self, ticket_bytes, ticket, signatures, offer_bytes, offer_signature):
        self.ticket_bytes = ticket_bytes
        self.ticket = ticket
        self.signatures = signatures
        self.offer_bytes = offer_bytes
        self.offer_signature = offer_signature


def parse_submission(data):
    """The frame first, then the ticket, then the blobs. The offer's own text is parsed once its signature has been verified."""
    from .sshsig import parse_signature

    if len(data) > MAX_SUBMISSION:
        raise Refusal('SIZE')
    if not data.endswith(b'\nend\n'):
        raise Refusal('SUBMISSION_FORM')
    lines = data[: -len(b'\nend\n')].split(b'\n')
    offer_bytes, offer_signature = _frame_offer(lines)
    signatures = []
    while lines and lines[-1].startswith(b'signature '):
        signatures.insert(0, _frame_line(lines, 'signature'))
    if len(signatures) > MAX_SIGNATURES:
        raise Refusal('SUBMISSION_FORM')
    ticket_bytes = b'\n'.join(lines) + b'\n'
    ticket = parse(TICKET, ticket_bytes)
    if (ticket['offer'] == '-') != (offer_bytes is None):
        raise Refusal('SUBMISSION_FORM')
    blobs = [parse_signature(decode_base64(text)) for text in signatures]
    offer_blob = None if offer_bytes is None else parse_signature(decode_base64(offer_signature))
    if not blobs:
        raise Refusal('SIGNATURE_MISSING')
    return Submission(ticket_bytes, ticket, blobs, offer_bytes, offer_blob)


def _frame_offer(lines):
    """Take the two lines of the offer off the end: (bytes, base64 of the signature), or (None, None) when both say `-`."""
    if lines[-2:] == [b'offer -', b'offer-signature -']:
        del lines[-2:]
        return None, None
    signature = _frame_line(lines, 'offer-signature')
    data = decode_base64(_frame_line(lines, 'offer'))
    if not data:
        raise Refusal('SUBMISSION_FORM')
    return data, signature


def _frame_line(lines, key):
    """Take the last line off, which must be `key <base64>`; its base64."""
    found = re.fullmatch(f'{key} ({BASE64})'.encode('ascii'), lines.pop()) if lines else None
    if found is None:
        raise Refusal('SUBMISSION_FORM')
    return found[1].decode('ascii')
