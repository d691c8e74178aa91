"""Stage scripts: programs, their modules, action scripts, collectors with their units, the boot unit, the folders below /run.

Each file is replaced whole, stale ones go, unchanged ones are left alone. Nothing here can be called before stage sshd.
"""

import os
import stat

from . import sudo
from .programs import CANONICAL, PROGRAM_FOLDERS, READER, SETTLE, TMPFILES, UNITS, of_host, program_files, tmpfiles, unit_files

SYSTEMCTL = '/usr/bin/systemctl'
TMPFILES_PROGRAM = '/usr/bin/systemd-tmpfiles'
BIN, LIB, ETC, STATE, RUN = (CANONICAL[token] for token in ('BIN', 'LIB', 'ETC', 'STATE', 'RUN'))
COLLECTOR = 'mcp-pra-collect-'


def files(_site, host):
    placement = of_host(host.source)
    return {**program_files(placement), **unit_files(placement), **tmpfiles(placement)}


def apply(site, host):
    wanted = files(site, host)
    for path, mode in ((ETC, 0o755), (LIB, 0o755), *((f'{LIB}/{name}', 0o755) for name in PROGRAM_FOLDERS), (STATE, 0o700)):
        host.folder(path, mode)
    for name in PROGRAM_FOLDERS:
        remove_others(host, f'{LIB}/{name}', wanted)
    for path, (mode, content) in sorted(wanted.items()):
        host.write(path, mode, content)
    # A pinned digest and the program it is of change together: in between sudo would refuse everything.
    sudo.follow_program(site, host)
    run_collectors(host, wanted)
    enable_settling(host)
    make_runtime_folders(host)


def remove(_site, host):
    for unit in units_on(host):
        stop_unit(host, unit)
        host.gone(f'{UNITS}/{unit}')
    if host.exists(f'{UNITS}/{SETTLE}'):
        host.change([SYSTEMCTL, 'disable', '--now', '--quiet', SETTLE], f'disabled {SETTLE}', ok=None)
        host.gone(f'{UNITS}/{SETTLE}')
    if host.notes:
        host.act([SYSTEMCTL, 'daemon-reload'])
    for name in ('mcp-wrapper', 'pra-exec', 'pra-run'):
        host.gone(f'{BIN}/{name}')
    for path in (TMPFILES, LIB, RUN):
        host.gone(path)


def remove_others(host, folder, wanted):
    """A verb, an action or a module that left the catalog must not stay runnable."""
    for name in host.names_in(folder):
        if f'{folder}/{name}' not in wanted and not host.is_spare(f'{folder}/{name}'):
            host.gone(f'{folder}/{name}')


# ---- collectors -----------------------------------------------------------------------------------------------------


def units_on(host):
    return [name for name in host.names_in(UNITS) if name.startswith(COLLECTOR) and name.endswith(('.service', '.timer'))]


def run_collectors(host, wanted):
    for unit in units_on(host):
        if f'{UNITS}/{unit}' not in wanted:
            stop_unit(host, unit)
            host.gone(f'{UNITS}/{unit}')
            if unit.endswith('.timer'):
                host.gone(f'{RUN}/facts/{unit.removeprefix(COLLECTOR).removesuffix(".timer")}.json')
    units = sorted(path.rsplit('/', 1)[1] for path in wanted if path.startswith(f'{UNITS}/'))
    timers = [unit for unit in units if unit.endswith('.timer')]
    # Also where a run that failed half-way left changed units behind.
    said = host.run([SYSTEMCTL, 'show', '-p', 'NeedDaemonReload', '--value', *units], ok=None).output.split()
    if 'yes' in said or any(note.startswith('changed') and UNITS in note for note in host.notes):
        host.act([SYSTEMCTL, 'daemon-reload'])
        host.undo_with(lambda: host.run([SYSTEMCTL, 'daemon-reload']))
    for timer in timers:
        states = host.run([SYSTEMCTL, 'show', '-p', 'UnitFileState,ActiveState', '--value', timer], ok=None).output.split()
        if sorted(states) == ['active', 'enabled']:
            host.note('same', 'timer', timer)
        else:
            host.change([SYSTEMCTL, 'enable', '--now', '--quiet', timer], f'timer {timer}', undo=[SYSTEMCTL, 'disable', '--now', '--quiet', timer])


def stop_unit(host, unit):
    if unit.endswith('.timer'):
        host.change([SYSTEMCTL, 'disable', '--now', '--quiet', unit], f'gone timer {unit}', ok=None)


# ---- after a boot ---------------------------------------------------------------------------------------------------


def enable_settling(host):
    """Only for the next boot: what is open now is settled when somebody asks."""
    if host.run([SYSTEMCTL, 'is-enabled', '--quiet', SETTLE], ok=None).code == 0:
        host.note('same', 'enabled', SETTLE)
    else:
        host.change([SYSTEMCTL, 'enable', '--quiet', SETTLE], f'enabled {SETTLE}', undo=[SYSTEMCTL, 'disable', '--quiet', SETTLE])


# ---- /run -----------------------------------------------------------------------------------------------------------


def make_runtime_folders(host):
    reader = host.account(READER)
    if reader is None:  # with --check on a bare host
        host.note('changed', '0755', f'{RUN}/')
        return
    expected = {RUN: (0o755, 0, 0), f'{RUN}/facts': (0o750, 0, reader.pw_gid), f'{RUN}/reader': (0o700, reader.pw_uid, reader.pw_gid)}
    wrong = [path for path, owner in expected.items() if not os.path.isdir(path) or os.path.islink(path) or host.owner_of(path) != owner]
    if not wrong:
        host.note('same', 'folders', f'{RUN}/')
        return
    for path in wrong:
        if os.path.lexists(path) and not stat.S_ISDIR(os.lstat(path).st_mode):
            host.gone(path)
    host.change([TMPFILES_PROGRAM, '--create', TMPFILES], f'folders {" ".join(wrong)}')
