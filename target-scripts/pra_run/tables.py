"""What this host knows by itself: definitions, policy, names, verb files, switches (docs/wire-protocol.md, section 4).

Everything is read from files of the owner that nobody else can write, and validated as strictly as what a caller sends: a table
that is not exactly right is refused before it decides anything.
"""

import json
import os
import re
import stat

from . import form
from .refusal import Refusal

MAX_TABLE = 262144
SPAN_SECONDS = {'s': 1, 'm': 60, 'h': 3600, 'd': 86400}
NAME_TYPES = ('log', 'mount', 'tree', 'endpoint', 'certificate')
WORD = r'[a-z0-9][a-z0-9_-]{0,31}'
SCRIPT = r'[a-z][a-z0-9-]{0,39}'
SIGNER_LEVELS = ('software-key', 'sk', 'sk-uv')
OPERATORS = ('eq', 'ne', 'lt', 'le', 'gt', 'ge')
ENDS = ('nothing', 'reboot', 'poweroff')
MAX_WITHIN = 300  # seconds
CHECK_KEYS = ('diagnostic', 'args', 'parse', 'facts', 'expect')


def read_owned(path, owner_uid, limit=MAX_TABLE):
    """Bytes of a regular file that belongs to the owner or root and that nobody else can write; OSError otherwise."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, 'rb') as file:
        info = os.fstat(handle)
        if not stat.S_ISREG(info.st_mode) or info.st_uid not in (owner_uid, 0) or info.st_mode & 0o022 or info.st_size > limit:
            raise OSError(f'not a file to trust: {path}')
        return file.read(limit + 1)


def _members_once(pairs):
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError('a key twice')
    return members


def parse_json(data):
    """The value of JSON in UTF-8 whose objects have each key once; ValueError or RecursionError otherwise."""
    return json.loads(data.decode('utf-8'), object_pairs_hook=_members_once)


def _read_json(path, owner_uid, code):
    try:
        return parse_json(read_owned(path, owner_uid))
    except (OSError, ValueError, RecursionError):
        raise Refusal(code) from None


class Shape:
    """Checks of untrusted JSON; each failure is the table's own refusal."""

    def __init__(self, code):
        self.code = code

    def need(self, condition):
        if not condition:
            raise Refusal(self.code)

    def object(self, value, required=(), optional=()):
        self.need(isinstance(value, dict) and set(required) <= set(value) <= set(required) | set(optional))
        return value

    def list(self, value, limit=100):
        self.need(isinstance(value, list) and len(value) <= limit)
        return value

    def integer(self, value, least, most):
        self.need(type(value) is int and least <= value <= most)
        return value

    def string(self, value, pattern):
        self.need(isinstance(value, str) and re.fullmatch(pattern, value, re.ASCII) is not None)
        return value

    def choice(self, value, words):
        self.need(isinstance(value, str) and value in words)
        return value

    def boolean(self, value):
        self.need(isinstance(value, bool))
        return value

    def map(self, value, pattern):
        self.need(isinstance(value, dict))
        for key in value:
            self.string(key, pattern)
        return value


# --- definitions of actions


def load_action(lib, owner_uid, name):
    """The validated definition of an installed action. WORD_UNLISTED when there is none, TABLE_BAD when it is not right."""
    path = f'{lib}/actions/{name}.json'
    if not re.fullmatch(form.NAME, name) or not os.path.lexists(path):
        raise Refusal('WORD_UNLISTED')
    action = _read_json(path, owner_uid, 'TABLE_BAD')
    check_action(action)
    if action['name'] != name:
        raise Refusal('TABLE_BAD')
    return action


def check_action(action):
    shape = Shape('TABLE_BAD')
    keys = 'v name definition impact params argv script limit idempotent cancellable cooldown precheck verify undo_action ends'
    shape.object(action, keys.split())
    shape.integer(action['v'], 1, 1)
    shape.string(action['name'], form.NAME)
    shape.string(action['definition'], form.HEX)
    shape.choice(action['impact'], form.IMPACTS)
    shape.object(action['limit'], ('seconds', 'bytes'))
    shape.integer(action['limit']['seconds'], 1, 86400)
    shape.integer(action['limit']['bytes'], 1, 16 * 1024 * 1024)
    shape.boolean(action['idempotent'])
    shape.boolean(action['cancellable'])
    shape.integer(action['cooldown'], 0, 604800)
    for param in shape.list(action['params']):
        _check_param(shape, param)
    names = [param['name'] for param in action['params']]
    shape.need(len(set(names)) == len(names))
    _check_argv(shape, action, names)
    for precheck in shape.list(action['precheck'], 20):
        _check_precheck(shape, precheck, names)
    for verification in shape.list(action['verify'], 20):
        _check_verification(shape, verification, names)
    for checks in (action['precheck'], action['verify']):
        diagnostics = [check['diagnostic'] for check in checks]
        shape.need(len(set(diagnostics)) == len(diagnostics))
    shape.choice(action['ends'], ENDS)
    shape.need(action['ends'] == 'nothing' or action['impact'] != 'LOW')
    if action['undo_action'] is not None:  # the operator's side proposes it; here it only has to be well-formed
        shape.object(action['undo_action'], ('action', 'args'))
        shape.string(action['undo_action']['action'], form.NAME)
        _check_handed_args(shape, action['undo_action']['args'], names)


def _check_param(shape, param):
    shape.object(param, ('name', 'type', 'bounds'), ('default',))
    shape.string(param['name'], form.NAME)
    shape.string(param['bounds'], r'[!-~]{1,512}')
    shape.need(are_bounds(param['type'], param['bounds']))
    if 'default' in param:
        shape.string(param['default'], form.VALUE)
        shape.need(is_of_type(param['default'], param['type'], param['bounds']))


def _check_argv(shape, action, names):
    argv = shape.list(action['argv'])
    shape.need(len(argv) > 0)
    for token in argv:
        shape.string(token, r'[ -~]{1,512}')
        placeholder = placeholder_of(token)
        shape.need(placeholder is None or placeholder in names)
    if action['script'] is None:
        shape.string(argv[0], r'(/[A-Za-z0-9._+-]+)+')
    else:
        shape.object(action['script'], ('file', 'sha256'))
        shape.string(action['script']['file'], SCRIPT)
        shape.string(action['script']['sha256'], form.HEX)
        shape.need(argv[0] == 'script:' + action['script']['file'])
    shape.need(not any(token.startswith('script:') for token in argv[1:]))


def _check_precheck(shape, precheck, names):
    shape.object(precheck, (*CHECK_KEYS, 'stable', 'tolerance'))
    _check_check(shape, precheck, names)
    for name in shape.list(precheck['stable']):
        shape.choice(name, precheck['facts'])
    shape.need(len(set(precheck['stable'])) == len(precheck['stable']))
    for name, most in shape.map(precheck['tolerance'], form.NAME).items():
        shape.need(name in precheck['stable'] and precheck['facts'][name]['type'] == 'integer')
        shape.integer(most, 0, 999_999_999)


def _check_verification(shape, verification, names):
    shape.object(verification, (*CHECK_KEYS, 'evidence', 'within'))
    _check_check(shape, verification, names)
    shape.need(len(verification['expect']) > 0)  # what expects nothing would verify everything
    for name in shape.list(verification['evidence'], 10):
        shape.choice(name, verification['facts'])
    shape.integer(verification['within'], 0, MAX_WITHIN)


def _check_check(shape, check, names):
    shape.string(check['diagnostic'], form.NAME)
    shape.choice(check['parse'], ('kv', 'json'))
    _check_handed_args(shape, check['args'], names)
    facts = shape.map(check['facts'], form.NAME)
    for fact in facts.values():
        shape.object(fact, ('from', 'type'))
        shape.need(isinstance(fact['from'], str) and 0 < len(fact['from']) <= 100)
        shape.choice(fact['type'], ('string', 'integer', 'boolean'))
    for expectation in shape.list(check['expect']):
        shape.object(expectation, ('fact', 'op', 'value'))
        shape.choice(expectation['fact'], facts)
        shape.choice(expectation['op'], OPERATORS)
        shape.need(type(expectation['value']) in (str, int, bool))


def _check_handed_args(shape, args, names):
    """Literal values, or whole placeholders of this action's own parameters."""
    for value in shape.map(args, form.NAME).values():
        shape.string(value, r'[!-~]{1,192}')
        placeholder = placeholder_of(value)
        shape.need(placeholder is None or (placeholder in names and value == '{' + placeholder + '}'))


# --- parameters


def placeholder_of(token):
    """The parameter named in a token: `{name}`, or a token that ends in `={name}` or `=-{name}`; None when there is none."""
    found = re.fullmatch(r'(?:.*=-?)?\{([a-z][a-z0-9_]{0,39})\}', token)
    return found[1] if found else None


def fill(token, values):
    name = placeholder_of(token)
    return token if name is None else token[: token.rindex('{')] + values[name]


def _range(bounds):
    found = re.fullmatch(r'(0|[1-9][0-9]{0,8})\.\.(0|[1-9][0-9]{0,8})', bounds)
    return (int(found[1]), int(found[2])) if found and int(found[1]) <= int(found[2]) else None


def are_bounds(kind, bounds):
    if kind == 'unit':
        return re.fullmatch(r'[a-z]+(,[a-z]+)*', bounds) is not None
    if kind in ('integer', 'span'):
        return _range(bounds) is not None
    if kind == 'choice':
        return re.fullmatch(f'{WORD}(,{WORD})*', bounds) is not None
    return kind in (*NAME_TYPES, 'port') and bounds == '-'


def is_of_type(value, kind, bounds):
    """Whether a value is of a parameter's type (docs/wire-protocol.md, section 1); names are not looked up here."""
    if kind == 'unit':
        stem, dot, suffix = value.rpartition('.')
        return len(value) <= 96 and bool(dot) and re.fullmatch(r'[A-Za-z0-9][A-Za-z0-9@._:-]*', stem) is not None and suffix in bounds.split(',')
    if kind in ('integer', 'port'):
        least, most = (1, 65535) if kind == 'port' else _range(bounds)
        return re.fullmatch('0|[1-9][0-9]{0,8}', value) is not None and least <= int(value) <= most
    if kind == 'choice':
        return value in bounds.split(',')
    if kind == 'span':
        least, most = _range(bounds)
        found = re.fullmatch('([1-9][0-9]{0,3})([smhd])', value)
        return found is not None and least <= int(found[1]) * SPAN_SECONDS[found[2]] <= most
    return kind in NAME_TYPES and re.fullmatch(WORD, value) is not None


def look_up_name(etc, owner_uid, kind, name):
    """The one line behind a name on this host; ARG_NOT_ON_HOST when there is none."""
    try:
        found = re.fullmatch(rb'([!-,.-~][ -~]*)\n', read_owned(f'{etc}/names/{kind}/{name}', owner_uid, 4096))
    except OSError:
        found = None
    if found is None:
        raise Refusal('ARG_NOT_ON_HOST')
    return found[1].decode('ascii')


# --- policy


def load_policy(etc, owner_uid):
    """This host's policy with every default filled in; POLICY_BAD when it is not exactly right."""
    return check_policy(_read_json(f'{etc}/policy.json', owner_uid, 'POLICY_BAD'))


def check_policy(policy):
    """The same for a policy that was read already: setup-target judges with it what it is about to write."""
    shape = Shape('POLICY_BAD')
    shape.object(policy, ('v', 'host', 'quorum', 'signer'), ('impact', 'deny', 'values', 'auto', 'auto_limits', 'offer_seconds', 'break_glass'))
    shape.integer(policy['v'], 1, 1)
    shape.string(policy['host'], form.HOST)
    shape.object(policy['quorum'], ('MEDIUM', 'HIGH'))
    shape.object(policy['signer'], ('MEDIUM', 'HIGH'))
    for impact in ('MEDIUM', 'HIGH'):
        shape.integer(policy['quorum'][impact], 1, form.MAX_SIGNATURES)
        shape.choice(policy['signer'][impact], SIGNER_LEVELS)
    full = {'impact': {}, 'deny': [], 'values': {}, 'auto': [], 'auto_limits': {'pair_per_hour': 3, 'host_per_day': 20}, 'offer_seconds': 480}
    full['break_glass'] = {'principals': [], 'actions': []}  # off
    full.update(policy)
    for impact in shape.map(full['impact'], form.NAME).values():
        shape.choice(impact, form.IMPACTS)
    for action in shape.list(full['deny']):
        shape.string(action, form.NAME)
    for params in shape.map(full['values'], form.NAME).values():
        for values in shape.map(params, form.NAME).values():
            for value in shape.list(values, 1000):
                shape.string(value, form.VALUE)
    for pair in shape.list(full['auto']):
        shape.object(pair, ('action', 'args'))
        shape.string(pair['action'], form.NAME)
        for value in shape.map(pair['args'], form.NAME).values():
            shape.string(value, form.VALUE)
    shape.object(full['auto_limits'], ('pair_per_hour', 'host_per_day'))
    shape.integer(full['auto_limits']['pair_per_hour'], 0, 60)
    shape.integer(full['auto_limits']['host_per_day'], 0, 1000)
    shape.integer(full['offer_seconds'], 1, 480)
    shape.object(full['break_glass'], ('principals', 'actions'))
    for principal in shape.list(full['break_glass']['principals']):
        shape.string(principal, form.WHO)
    for action in shape.list(full['break_glass']['actions']):
        shape.string(action, form.NAME)
    return full


# --- verb files (what a precheck may expect as an answer)


class Verb:
    def __init__(self, definition, params, seconds, limit_bytes, sections):
        self.definition = definition
        self.params = params
        self.seconds = seconds
        self.limit_bytes = limit_bytes
        self.sections = sections


def load_verb(lib, owner_uid, name):
    """What a diagnostic takes and answers; TABLE_BAD when its verb file is not there or not right."""
    try:
        lines = read_owned(f'{lib}/verbs/{name}', owner_uid).decode('ascii').split('\n')
        kinds = [line.split('\t') for line in lines[:-1]]
        (_, definition), limit = kinds[0], next(fields for fields in kinds if fields[0] == 'limit')
        params = [fields[1] for fields in kinds if fields[0] == 'param']
        sections = [fields[1] for fields in kinds if fields[0] == 'run']
        verb = Verb(definition, params, int(limit[1]), int(limit[2]), sections)
    except (OSError, ValueError, IndexError, StopIteration):
        raise Refusal('TABLE_BAD') from None
    if lines[-1] != '' or kinds[0][0] != 'v1' or not re.fullmatch(form.HEX, definition) or len(sections) != 1:
        raise Refusal('TABLE_BAD')
    return verb
