"""The framed answer of mcp-wrapper (docs/wire-protocol.md, section 2) and the facts a precheck reads from it. Pure.

An answer that breaks a rule is not a refusal of the request but a precheck without facts, so these codes never leave the target:
ANSWER_FORM, ANSWER_DEFINITION, ANSWER_INCOMPLETE.
"""

import re

HEADER = re.compile(rb'mcp-pra 1 ([0-9a-f]{64}) ([0-9a-f]{32})')
TRAILER = re.compile(
    rb'([a-z][a-z0-9_]{0,39}) rc=(0|[1-9][0-9]?|1[0-9][0-9]|2[0-4][0-9]|25[0-5]) ms=(0|[1-9][0-9]{0,8}) cut=([01])'
)
MAX_FACT_BYTES = 512
TRUE = ('yes', 'true', '1')
FALSE = ('no', 'false', '0')


class AnswerError(Exception):
    def __init__(self, code):
        super().__init__(code)
        self.code = code


class Section:
    """One program's output, its exit code, its milliseconds, and whether the byte limit was reached."""

    def __init__(self, name, output, rc, ms, cut):
        self.name = name
        self.output = output
        self.rc = rc
        self.ms = ms
        self.cut = cut


def parse_answer(data, definition, names, limit_bytes):
    """The sections of a complete answer, in order; AnswerError otherwise. `definition` is the verb file's hex digest."""
    head, newline, _ = data.partition(b'\n')
    if not newline:
        raise AnswerError('ANSWER_INCOMPLETE')
    found = HEADER.fullmatch(head)
    if found is None:
        raise AnswerError('ANSWER_FORM')
    if found[1].decode('ascii') != definition:
        raise AnswerError('ANSWER_DEFINITION')
    mark = b'\n--' + found[2] + b' '
    at = len(head) + 1
    sections = []
    for name in names:
        section, at = _parse_section(data, at, mark, name, limit_bytes)
        sections.append(section)
    if at != len(data):
        raise AnswerError('ANSWER_FORM')
    return sections


def _parse_section(data, at, mark, name, limit_bytes):
    end = data.find(mark, at)
    stop = data.find(b'\n', end + len(mark)) if end >= 0 else -1
    if stop < 0:
        raise AnswerError('ANSWER_INCOMPLETE')
    output = data[at:end]
    found = TRAILER.fullmatch(data[end + len(mark) : stop])
    if found is None or found[1].decode('ascii') != name:
        raise AnswerError('ANSWER_FORM')
    cut = found[4] == b'1'
    if len(output) > limit_bytes or (cut and len(output) != limit_bytes):
        raise AnswerError('ANSWER_FORM')
    return Section(name, output, int(found[2]), int(found[3]), cut), stop + 1


def read_facts(section, parse, facts):
    """The facts that are there, by name: a string, an integer or a boolean. An output that was cut or timed out has none."""
    if section.cut or section.rc == 124:
        return {}
    try:
        text = section.output.decode('utf-8')
        members = _json_members(text) if parse == 'json' else _kv_members(text)
    except ValueError:
        return {}
    values = {name: _typed(members.get(fact['from']), fact['type']) for name, fact in facts.items()}
    return {name: value for name, value in values.items() if value is not None}


def _kv_members(text):
    """Keys that come once: a key that comes twice has no one value."""
    members = {}
    for line in text.split('\n'):
        key, equals, value = line.partition('=')
        if equals:
            members[key] = None if key in members else value
    return members


def _json_members(text):
    import json

    members = json.loads(text)
    return members if isinstance(members, dict) else {}


def _typed(value, kind):
    """The value when it is of the type, else None. An empty string says nothing, so it is absent too."""
    if kind == 'string':
        return value if isinstance(value, str) and 0 < len(value.encode('utf-8', 'replace')) <= MAX_FACT_BYTES else None
    if kind == 'boolean':
        if isinstance(value, bool):
            return value
        return True if value in TRUE else False if value in FALSE else None
    if isinstance(value, int) and not isinstance(value, bool):
        return value if abs(value) < 2**53 else None
    return int(value) if isinstance(value, str) and re.fullmatch('0|-?[1-9][0-9]{0,14}', value) else None


def is_fulfilled(expectation, facts):
    """Whether a fact is as expected. An absent fact fulfils nothing, nor does one of another type than the value."""
    fact, value = facts.get(expectation['fact']), expectation['value']
    if fact is None or type(fact) is not type(value):
        return False
    op = expectation['op']
    if op in ('eq', 'ne'):
        return (fact == value) is (op == 'eq')
    if type(fact) is not int:
        return False
    return {'lt': fact < value, 'le': fact <= value, 'gt': fact > value, 'ge': fact >= value}[op]


def write_fact(value):
    """A fact's bytes as an offer carries them, before percent-encoding."""
    if isinstance(value, bool):
        return b'true' if value else b'false'
    return str(value).encode('utf-8', 'backslashreplace')
