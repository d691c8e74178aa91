"""Programs and tables with one place's paths rendered in: what install-target and setup-target put where.

Pure, but for reading the pack. `@TOKENS@` in the programs are replaced here and only here; nothing that runs later selects a path.
The same input gives the same bytes. A set of files is {path: (mode, bytes)}.
"""

import hashlib
import json
import re
from pathlib import Path

from .refusal import Refusal

NAME = r'[a-z][a-z0-9_]{0,39}'
CANONICAL = {
    'BIN': '/usr/local/bin',
    'LIB': '/usr/local/lib/mcp-pra',
    'ETC': '/etc/mcp-pra',
    'STATE': '/var/lib/mcp-pra',
    'RUN': '/run/mcp-pra',
}
PROGRAMS = ('mcp-wrapper', 'pra-exec', 'pra-run')
# For root's own use, in LIB; what they share is in the packages.
ROOT_PROGRAMS = ('commit-confirm', 'revoke-keys', 'rotate-approver', 'rotate-host-key', 'rotate-keys')
HOST_KEY = '/etc/ssh/ssh_host_ed25519_key'
LOG_SOCKET = '/dev/log'
READER = 'mcp-reader'
RUNNER = 'pra-runner'
UNITS = '/etc/systemd/system'
SETTLE = 'mcp-pra-settle.service'
TMPFILES = '/etc/tmpfiles.d/mcp-pra.conf'
# Python modules that the programs import.
PACKAGES = ('access', 'collecting', 'pra_run')
# Folders below LIB that hold nothing but what is rendered here: anything else in them is stale.
PROGRAM_FOLDERS = ('scripts', 'helpers', 'collectors', *PACKAGES)
TABLE_FOLDERS = ('verbs', 'actions')

# The verb `version` is no diagnostic of the catalog. Its definition digest is of these words, so that a client knows it.
VERSION_DEFINITION = hashlib.sha256(b'mcp-pra verb version 1\n').hexdigest()
VERSION_RUNS = (
    ('versions', '/usr/bin/cat', '--', '/usr/local/lib/mcp-pra/VERSIONS'),
    ('digests', '/usr/bin/cat', '--', '/usr/local/lib/mcp-pra/DIGESTS'),
    ('boot', '/usr/bin/cat', '--', '/proc/sys/kernel/random/boot_id'),
    ('uptime', '/usr/bin/cat', '--', '/proc/uptime'),
    ('clock', '/usr/bin/date', '+%s.%N'),
)


class Placement:
    """Where a target's things are, and who owns and starts them: a real host, or an embedded target below a prefix."""

    def __init__(self, source, tables, prefix='/', launcher='sudo', owner_uid=0, reader=READER, host_key=HOST_KEY, log_socket=LOG_SOCKET):
        self.source = Path(source)
        self.tables = Path(tables)
        self.is_host = prefix == '/'
        self.places = CANONICAL if self.is_host else {token: f'{prefix}/{token.lower()}' for token in CANONICAL}
        self.tokens = {
            **self.places,
            'OWNER_UID': str(owner_uid),
            'READER_USER': reader,
            'HOST_KEY': host_key,
            'LOG': log_socket,
            'LAUNCHER': launcher,
        }
        self.reader = reader


def of_host(source):
    """The Placement of a real host, from an unpacked pack."""
    return Placement(source, Path(source) / 'tables')


def program_files(placement):
    """Programs, modules, scripts and helpers (byte for byte: definitions name their hashes), collectors, and VERSIONS with their hashes."""
    bin_, lib, source = placement.places['BIN'], placement.places['LIB'], placement.source
    files = {f'{bin_}/{name}': (0o755, _render(source / name, placement)) for name in PROGRAMS if (source / name).exists()}
    files |= {f'{lib}/{name}': (0o755, _render(source / name, placement)) for name in ROOT_PROGRAMS}
    for package in PACKAGES:
        for module in sorted((source / package).glob('*.py')):
            files[f'{lib}/{package}/{module.name}'] = (0o644, _render(module, placement))
    for folder in ('scripts', 'helpers'):
        for script in sorted((source / folder).glob('*')):
            files[f'{lib}/{folder}/{script.name}'] = (0o755, script.read_bytes())
    for collector in sorted((source / 'collectors').iterdir()):
        if collector.is_file():
            files[f'{lib}/collectors/{collector.name}'] = (0o755, _render(collector, placement))
    files[f'{lib}/VERSIONS'] = (0o644, _versions(files, placement))
    return files


def unit_files(placement):
    """Units of the collectors and their timers, and the one that settles what a boot interrupted."""
    units = [*sorted((placement.source / 'collectors' / 'units').iterdir()), placement.source / 'units' / SETTLE]
    return {f'{UNITS}/{unit.name}': (0o644, _render(unit, placement)) for unit in units}


def tmpfiles(placement):
    """The folders below /run: made by systemd-tmpfiles at each boot."""
    run, reader = placement.places['RUN'], placement.reader
    rows = (
        f'd {run} 0755 root root -',
        f'd {run}/facts 0750 root {reader} -',
        f'd {run}/reader 0700 {reader} {reader} -',
    )
    return {TMPFILES: (0o644, ''.join(f'{row}\n' for row in rows).encode('ascii'))}


def table_files(placement):
    """Verb files, action files and their digests."""
    lib, tables, files = placement.places['LIB'], placement.tables, {}
    for verb in sorted((tables / 'verbs').iterdir()):
        _require_name(verb.name, NAME)
        files[f'{lib}/verbs/{verb.name}'] = (0o644, _move_paths(verb.read_text('ascii'), placement).encode('ascii'))
    for action in sorted((tables / 'actions').glob('*')):
        _require_name(action.name, NAME + r'\.json')
        files[f'{lib}/actions/{action.name}'] = (0o644, _move_paths(action.read_text('utf-8'), placement).encode('utf-8'))
    files[f'{lib}/DIGESTS'] = (0o644, (tables / 'DIGESTS').read_bytes())
    rows = [f'v1\t{VERSION_DEFINITION}', 'limit\t5\t262144', *('run\t' + '\t'.join(run) for run in VERSION_RUNS)]
    verb = _move_paths(''.join(f'{row}\n' for row in rows), placement)
    files[f'{lib}/verbs/version'] = (0o644, verb.encode('ascii'))
    return files


def _versions(files, placement):
    version = json.loads((placement.source.parent / 'package.json').read_text('utf-8'))['version']
    lib, scripts = placement.places['LIB'], {}
    for path, (mode, content) in files.items():
        if mode == 0o755:
            scripts[path.rsplit('/', 1)[1]] = content
        elif path.endswith('.py'):
            scripts[path.removeprefix(f'{lib}/')] = content
    lines = [f'{name} {version} {hashlib.sha256(scripts[name]).hexdigest()}\n' for name in sorted(scripts)]
    return ''.join(lines).encode('ascii')


def _render(source, placement):
    text = source.read_text('utf-8')
    rendered = re.sub(r'@([A-Z_]+)@', lambda match: placement.tokens.get(match[1], match[0]), text)
    left = re.search(r"'@[A-Z_]+@", rendered)
    if left:
        raise Refusal(f'{source.name} has the unknown token {left[0][1:]}')
    return rendered.encode('utf-8')


def _move_paths(table, placement):
    """Generated tables name the canonical places; elsewhere the same files lie below the prefix."""
    for token, canonical in CANONICAL.items():
        ours = '(?=mcp-wrapper|pra-)' if token == 'BIN' else ''  # other programs live in /usr/local/bin too
        table = re.sub(rf'(?<![A-Za-z0-9._/-]){re.escape(canonical)}/{ours}', f'{placement.places[token]}/', table)
    return table


def _require_name(name, pattern):
    if not re.fullmatch(pattern, name):
        raise Refusal('a file among the tables has a name that is not allowed')
