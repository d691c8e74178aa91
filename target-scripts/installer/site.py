"""site.json: everything a host's installation is told, parsed strictly into values that cannot change.

Pure. A key that is not known, a value of another type, a limit passed: one sentence that names the place, the rule, and the
variable of the Ansible role that fills it. What is left out has the default written here.
"""

import ipaddress
import json
import re
from dataclasses import dataclass
from datetime import datetime, timezone

from pra_run.form import HOST, decode_base64
from pra_run.sshsig import Malformed, fingerprint, parse_public_key

from .refusal import Refusal

MAX_BYTES = 1 << 20
MAX_KEYS = 64  # of one list
MAX_SOURCES = 64  # addresses of one list
MAX_SIGNERS = 256
MAX_NAMES = 1000
NAME_KINDS = ('log', 'mount', 'tree', 'endpoint', 'certificate')
NAME = r'[a-z0-9][a-z0-9_-]{0,31}'
# What look_up_name of pra_run reads: one line that is no option, and in ASCII.
NAME_TARGET = r'[!-,.-~][ -~]{0,1023}'
KEY_LINE = r'([a-z0-9@.-]{1,64}) ([A-Za-z0-9+/]+={0,2})(?: ([A-Za-z0-9@._ -]{0,128}))?'
SOURCE = r'!?[0-9A-Za-z.:*?_/-]{1,128}'
MOMENT = r'[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z'

# Which variable of the role fills a member: whoever reads a refusal has most likely written that.
VARIABLES = {
    'host': 'mcp_pra_host',
    'keys.reader': 'mcp_pra_reader_keys',
    'keys.runner': 'mcp_pra_runner_keys',
    'keys.break_glass': 'mcp_pra_break_glass_keys',
    'certificates': 'mcp_pra_user_ca_keys',
    'allowed_signers': 'mcp_pra_allowed_signers',
    'auto_keys': 'mcp_pra_auto_keys',
    'policy': 'mcp_pra_policy',
    'names': 'mcp_pra_names',
    'sshd.max_sessions': 'mcp_pra_max_sessions',
    'sshd.hardened_algorithms': 'mcp_pra_sshd_hardened_algorithms',
    'sshd.port': 'mcp_pra_sshd_port',
    'sudo.pin_digest': 'mcp_pra_sudo_pin_digest',
    'limits': 'mcp_pra_limits',
    'logs': 'mcp_pra_logs',
    'fail2ban': 'mcp_pra_fail2ban',
    'nftables': 'mcp_pra_nftables',
}


@dataclass(frozen=True)
class PublicKey:
    """`type base64`, both judged; the comment is decoration."""

    type: str
    base64: str
    comment: str

    @property
    def line(self):
        return ' '.join(part for part in (self.type, self.base64, self.comment) if part)

    @property
    def fingerprint(self):
        return fingerprint(decode_base64(self.base64))


@dataclass(frozen=True)
class LoginKey:
    """A key that may log in: until `expires` (UTC, None: for good) and from `sources` (none: from anywhere)."""

    key: PublicKey
    expires: object
    sources: tuple


@dataclass(frozen=True)
class Keys:
    reader: tuple
    runner: tuple
    break_glass: tuple


@dataclass(frozen=True)
class Certificates:
    """Certificate authorities of users: PublicKey each. None: certificates are off."""

    ca_keys: tuple
    sources: tuple


@dataclass(frozen=True)
class Sshd:
    max_sessions: int
    hardened_algorithms: bool
    port: object


@dataclass(frozen=True)
class Sudo:
    pin_digest: bool


@dataclass(frozen=True)
class SliceLimit:
    """Of all processes of an account together: TasksMax, MemoryMax, CPUQuota of its user slice."""

    tasks: int
    memory: str
    cpu: str


@dataclass(frozen=True)
class Limits:
    reader: SliceLimit
    runner: SliceLimit


@dataclass(frozen=True)
class RemoteLog:
    """A syslog server over TLS, whose certificate must name `name` and come from the authorities in the file `ca`."""

    host: str
    port: int
    ca: str
    name: str


@dataclass(frozen=True)
class Logs:
    remote: object
    append_only: bool


@dataclass(frozen=True)
class Fail2ban:
    enabled: bool
    ignore: tuple


@dataclass(frozen=True)
class Nftables:
    ssh_from: tuple


@dataclass(frozen=True)
class Site:
    host: str
    keys: Keys
    certificates: Certificates
    allowed_signers: tuple
    auto_keys: tuple
    policy: dict  # as written; pra_run's own parser judges it in stage tables
    names: tuple  # of (kind, name, target), sorted
    sshd: Sshd
    sudo: Sudo
    limits: Limits
    logs: Logs
    fail2ban: Fail2ban
    nftables: Nftables


def parse_site(data):
    """The Site of these bytes; Refusal otherwise."""
    if len(data) > MAX_BYTES:
        raise Refusal(f'the site file is larger than {MAX_BYTES} bytes')
    try:
        value = json.loads(data.decode('utf-8'), object_pairs_hook=_members_once, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise Refusal(f'the site file is not JSON: {error}') from None
    top = _members(
        value,
        '',
        ('v', 'host', 'keys', 'allowed_signers'),
        ('certificates', 'auto_keys', 'policy', 'names', 'sshd', 'sudo', 'limits', 'logs', 'fail2ban', 'nftables'),
    )
    if top['v'] != 1 or type(top['v']) is not int:
        _refuse('v', 'must be 1, the version of this form')
    site = Site(
        host=_host(top['host']),
        keys=_keys(top['keys']),
        certificates=_certificates(top.get('certificates', {})),
        allowed_signers=_allowed_signers(top['allowed_signers']),
        auto_keys=tuple(public_key(key, f'auto_keys[{at}]') for at, key in enumerate(_list(top.get('auto_keys', []), 'auto_keys', MAX_KEYS))),
        policy=_policy(top.get('policy', {})),
        names=_names(top.get('names', {})),
        sshd=_sshd(top.get('sshd', {})),
        sudo=_sudo(top.get('sudo', {})),
        limits=_limits(top.get('limits', {})),
        logs=_logs(top.get('logs', {})),
        fail2ban=_fail2ban(top.get('fail2ban', {})),
        nftables=Nftables(_networks(_members(top.get('nftables', {}), 'nftables', (), ('ssh_from',)).get('ssh_from', []), 'nftables.ssh_from')),
    )
    _require_one_use(site)
    _require_one_auto(site)
    _require_own_port(site)
    return site


# ---- the sections ---------------------------------------------------------------------------------------------------


def _host(value):
    if not isinstance(value, str) or not re.fullmatch(HOST, value):
        _refuse('host', "must be the host's name in mcp-pra.yaml: lower-case letters, digits, dots and hyphens, at most 63")
    return value


def _keys(value):
    section = _members(value, 'keys', ('reader', 'runner'), ('break_glass',))
    keys = Keys(
        reader=_login_keys(section['reader'], 'keys.reader'),
        runner=_login_keys(section['runner'], 'keys.runner'),
        break_glass=_login_keys(section.get('break_glass', []), 'keys.break_glass'),
    )
    for at, key in enumerate(keys.break_glass):
        if not key.sources or any(_is_everywhere(source) for source in key.sources):
            _refuse(f'keys.break_glass[{at}].from', 'must name the bastion or the recovery site: this key has no other protection while it lies in its envelope')
    return keys


def _login_keys(value, where):
    return tuple(_login_key(key, f'{where}[{at}]') for at, key in enumerate(_list(value, where, MAX_KEYS)))


def _login_key(value, where):
    members = _members(value, where, ('key',), ('expires', 'from'))
    return LoginKey(
        key=public_key(members['key'], where),
        expires=_moment(members.get('expires'), f'{where}.expires'),
        sources=_sources(members.get('from', []), f'{where}.from'),
    )


def public_key(value, where):
    """A whole key, as in a `.pub` file: options, a second line or a lost character could change what sshd makes of the line."""
    found = re.fullmatch(KEY_LINE, value, re.ASCII) if isinstance(value, str) else None
    if found is None:
        _refuse(where, 'must be a public key without options, on one line: `type base64 comment`, the comment of letters, digits, spaces and @ . _ -')
    blob = decode_base64(found[2])
    try:
        if blob is None or parse_public_key(blob)[0] != found[1]:
            raise Malformed
    except Malformed:
        _refuse(where, f'is not a whole public key of the type {found[1]}: copy the line of the .pub file again (RSA needs 2048 bits)')
    return PublicKey(found[1], found[2], (found[3] or '').strip())


def _moment(value, where):
    if value is None:
        return None
    try:
        if isinstance(value, str) and re.fullmatch(MOMENT, value, re.ASCII):
            return datetime.strptime(value, '%Y-%m-%dT%H:%M:%SZ').replace(tzinfo=timezone.utc)
    except ValueError:
        pass
    return _refuse(where, 'must be a time in UTC like 2027-02-20T00:00:00Z, or null')


def _certificates(value):
    section = _members(value, 'certificates', (), ('ca_keys', 'from'))
    keys = _list(section.get('ca_keys', []), 'certificates.ca_keys', MAX_KEYS)
    return Certificates(
        ca_keys=tuple(public_key(key, f'certificates.ca_keys[{at}]') for at, key in enumerate(keys)),
        sources=_sources(section.get('from', []), 'certificates.from'),
    )


def _allowed_signers(value):
    """Lines only; what they say is judged by pra_run's own parser in stage tables."""
    lines = _list(value, 'allowed_signers', MAX_SIGNERS)
    for at, line in enumerate(lines):
        if not isinstance(line, str) or not re.fullmatch(r'[ -~]{1,16384}', line) or line.startswith('#'):
            _refuse(f'allowed_signers[{at}]', 'must be one line of allowed_signers in ASCII (docs/wire-protocol.md, section 4)')
    return tuple(lines)


def _policy(value):
    policy = _mapping(value, 'policy')
    for own in ('v', 'host'):
        if own in policy:
            _refuse(f'policy.{own}', 'is set from the host: leave it out')
    return policy


def _names(value):
    rows = []
    for kind, names in _mapping(value, 'names').items():
        if kind not in NAME_KINDS:
            _refuse('names', f'maps a kind ({", ".join(NAME_KINDS)}) to names, and each name to one line that does not begin with a hyphen')
        for name, target in _mapping(names, f'names.{kind}').items():
            if not re.fullmatch(NAME, name, re.ASCII):
                _refuse(f'names.{kind}', 'has a name that is none: lower-case letters, digits, _ and -, at most 32, beginning with a letter or digit')
            if not isinstance(target, str) or not re.fullmatch(NAME_TARGET, target):
                _refuse(f'names.{kind}.{name}', 'must be one line of at most 1024 ASCII characters that does not begin with a hyphen or a space')
            rows.append((kind, name, target))
    if len(rows) > MAX_NAMES:
        _refuse('names', f'has more than {MAX_NAMES} names')
    return tuple(sorted(rows))


def _sshd(value):
    section = _members(value, 'sshd', (), ('max_sessions', 'hardened_algorithms', 'port'))
    port = section.get('port')
    return Sshd(
        max_sessions=_integer(section.get('max_sessions', 10), 'sshd.max_sessions', 1, 100),
        hardened_algorithms=_boolean(section.get('hardened_algorithms', False), 'sshd.hardened_algorithms'),
        port=None if port is None else _integer(port, 'sshd.port', 1, 65535),
    )


def _sudo(value):
    section = _members(value, 'sudo', (), ('pin_digest',))
    return Sudo(_boolean(section.get('pin_digest', False), 'sudo.pin_digest'))


def _limits(value):
    # A connection costs two processes and each of its eight channels six: room for three clients at the same time.
    section = _members(value, 'limits', (), ('reader', 'runner'))
    return Limits(
        reader=_slice_limit(section.get('reader', {}), 'limits.reader', SliceLimit(256, '512M', '100%')),
        runner=_slice_limit(section.get('runner', {}), 'limits.runner', SliceLimit(256, '1G', '200%')),
    )


def _slice_limit(value, where, default):
    section = _members(value, where, (), ('tasks', 'memory', 'cpu'))
    memory, cpu = section.get('memory', default.memory), section.get('cpu', default.cpu)
    # Less would not let a wrapper answer: six processes, and Python for pra-run.
    if not isinstance(memory, str) or not re.fullmatch(r'[1-9][0-9]{0,5}[MG]', memory) or (memory.endswith('M') and int(memory[:-1]) < 64):
        _refuse(f'{where}.memory', 'must be a size like 512M or 1G, at least 64M')
    if not isinstance(cpu, str) or not re.fullmatch(r'[1-9][0-9]{1,4}%', cpu):
        _refuse(f'{where}.cpu', 'must be a share of one processor like 100%, from 10% to 99999%')
    return SliceLimit(_integer(section.get('tasks', default.tasks), f'{where}.tasks', 16, 65536), memory, cpu)


def _logs(value):
    section = _members(value, 'logs', (), ('remote', 'append_only'))
    remote = section.get('remote')
    return Logs(
        remote=None if remote is None else _remote_log(remote),
        append_only=_boolean(section.get('append_only', True), 'logs.append_only'),
    )


def _remote_log(value):
    section = _members(value, 'logs.remote', ('host', 'ca'), ('port', 'name'))
    host = _string(section['host'], 'logs.remote.host', r'[0-9A-Za-z][0-9A-Za-z.:-]{0,252}', 'must be a host name or an address')
    name = _string(section.get('name', host), 'logs.remote.name', r'[0-9A-Za-z][0-9A-Za-z.:-]{0,252}', 'must be the name in the certificate of the server')
    ca = _string(section['ca'], 'logs.remote.ca', r'(/[A-Za-z0-9._+-]+)+', 'must be the absolute path of a file of certificates on the host')
    return RemoteLog(host=host, port=_integer(section.get('port', 6514), 'logs.remote.port', 1, 65535), ca=ca, name=name)


def _fail2ban(value):
    section = _members(value, 'fail2ban', (), ('enabled', 'ignore'))
    return Fail2ban(
        enabled=_boolean(section.get('enabled', True), 'fail2ban.enabled'),
        ignore=_networks(section.get('ignore', []), 'fail2ban.ignore'),
    )


# ---- what holds between sections ------------------------------------------------------------------------------------


def _require_one_use(site):
    """A key with two uses would outlive the revocation of one of them."""
    uses = {}
    logins = [(f'keys.{name}', login.key) for name in ('reader', 'runner', 'break_glass') for login in getattr(site.keys, name)]
    others = [('certificates.ca_keys', key) for key in site.certificates.ca_keys] + [('auto_keys', key) for key in site.auto_keys]
    for where, key in logins + others:
        if key.base64 in uses:
            first = uses[key.base64]
            both = f'{first} and {where}' if first != where else f'{where} twice'
            _refuse(where, f'no key is in both, or twice: {key.fingerprint} is in {both}; make a key of its own for each')
        uses[key.base64] = where


def _require_one_auto(site):
    if site.auto_keys and any('mcp-pra-auto' in line for line in site.allowed_signers):
        _refuse('allowed_signers', 'has a line for mcp-pra-auto although auto_keys is given: take that line out, so that a rotated key does not come back')


def _require_own_port(site):
    if site.nftables.ssh_from and site.sshd.port is None:
        _refuse(
            'nftables.ssh_from',
            'needs a port of their own for the two accounts (mcp_pra_sshd_port): a packet filter sees ports, not accounts; or limit them with mcp_pra_from',
        )


# ---- values ---------------------------------------------------------------------------------------------------------


def _sources(value, where):
    sources = _list(value, where, MAX_SOURCES)
    for at, source in enumerate(sources):
        if not isinstance(source, str) or not re.fullmatch(SOURCE, source, re.ASCII):
            _refuse(f'{where}[{at}]', 'must be an address, a network or a host pattern as in authorized_keys `from=`, one an element (mcp_pra_from)')
        if '/' in source:
            _network(source.removeprefix('!'), f'{where}[{at}]')
    if sources and all(source.startswith('!') for source in sources):
        _refuse(where, 'only says from where not: sshd would refuse everybody; add the addresses that may')
    return tuple(sources)


def _is_everywhere(source):
    return bool(re.fullmatch(r'[*?.:]+', source)) or source.endswith('/0')


def _networks(value, where):
    """Addresses and networks, in their canonical spelling."""
    return tuple(str(_network(one, f'{where}[{at}]')) for at, one in enumerate(_list(value, where, MAX_SOURCES)))


def _network(value, where):
    try:
        # The zone of a link-local address is any text; it means nothing to a packet filter or a jail.
        if not isinstance(value, str) or '%' in value:
            raise ValueError
        return ipaddress.ip_network(value) if '/' in value else ipaddress.ip_address(value)
    except ValueError:
        return _refuse(where, 'must be an address, or a network whose bits after the prefix are zero, like 192.0.2.0/24')


def _members(value, where, required, optional):
    section = _mapping(value, where)
    unknown = sorted(set(section) - set(required) - set(optional))
    if unknown:
        _refuse(where, f'does not know {json.dumps(unknown[0])}; it knows {", ".join((*required, *optional))}')
    missing = [name for name in required if name not in section]
    if missing:
        _refuse(where, f'lacks {missing[0]}')
    return section


def _mapping(value, where):
    if not isinstance(value, dict):
        _refuse(where, 'must be an object of names and values')
    return value


def _list(value, where, limit):
    if not isinstance(value, list):
        _refuse(where, 'must be a list')
    if len(value) > limit:
        _refuse(where, f'has more than {limit} elements')
    return value


def _integer(value, where, least, most):
    if type(value) is not int or not least <= value <= most:
        _refuse(where, f'must be a whole number from {least} to {most}')
    return value


def _boolean(value, where):
    if not isinstance(value, bool):
        _refuse(where, 'must be true or false')
    return value


def _string(value, where, pattern, rule):
    if not isinstance(value, str) or not re.fullmatch(pattern, value, re.ASCII):
        _refuse(where, rule)
    return value


def _members_once(pairs):
    members = dict(pairs)
    if len(members) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f'the key {json.dumps(twice)} is there twice')
    return members


def _no_constant(name):
    raise ValueError(f'{name} is no number')


def _refuse(where, rule):
    variable = next((name for prefix, name in VARIABLES.items() if re.match(re.escape(prefix) + r'(?![a-z_])', where)), None)
    place = where or 'the site file'
    raise Refusal(f'{place}{f" ({variable})" if variable else ""} {rule}')
