"""Stage verify: every stage says that nothing is left to change, and the two programs answer with the digests that were installed."""

import hashlib
import importlib
import re

from .account import ACCOUNTS
from .host import ENVIRONMENT, Host
from .programs import CANONICAL, RUNNER, VERSION_DEFINITION
from .refusal import Refusal

BEFORE = ('account', 'scripts', 'tables', 'sudo', 'sshd', 'limits', 'logs', 'fail2ban')
BIN, ETC, LIB = CANONICAL['BIN'], CANONICAL['ETC'], CANONICAL['LIB']
RUNUSER = '/usr/sbin/runuser'
SHOWN = 10


def apply(site, host):
    if host.check:
        host.note('same', 'verify', 'is for what is installed: not asked with --check')
        return
    require_as_rendered(site, host)
    if host.exists(f'{ETC}/disabled'):
        host.note('same', 'programs', f'were not asked: {ETC}/disabled is there, so both channels stay closed')
        return
    ask_programs(host)


def remove(_site, _host):
    """Nothing was made."""


def require_as_rendered(site, host):
    wrong = []
    for name in BEFORE:
        looking = Host(host.source, check=True, root=host.root)
        importlib.import_module(f'installer.{name}').apply(site, looking)
        wrong += [note.removeprefix('changed ') for note in looking.notes if note.startswith('changed ')]
        host.note('same', 'stage', f'{name}: {len(looking.notes)} things as they should be')
    if wrong:
        more = f' and {len(wrong) - SHOWN} more' if len(wrong) > SHOWN else ''
        raise Refusal(f'not as it was installed: {"; ".join(wrong[:SHOWN])}{more}; find out who changed it, then run all stages again')


def ask_programs(host):
    """The target's own word, through the very programs, as the accounts would start them."""
    digests = (host.read(f'{LIB}/DIGESTS') or b'').decode('ascii')
    said = host.run([f'{BIN}/pra-run', 'version'], ok=None)
    require_answer('pra-run', said, said.output.startswith('mcp-pra 1'))
    for account in ACCOUNTS:
        login = [RUNUSER, '-u', account.name, '--', '/usr/bin/env', '-i', f'PATH={ENVIRONMENT["PATH"]}', 'SSH_ORIGINAL_COMMAND=version', account.program]
        said = host.run([*login, '-c', account.program], ok=None)
        if account.name == RUNNER:
            require_answer('pra-exec', said, said.output.startswith('mcp-pra 1'))
        else:
            digest_of_verb = re.match(rf'mcp-pra 1 {VERSION_DEFINITION} ', said.output)
            require_answer('mcp-wrapper', said, digest_of_verb and digests in said.output)
    host.note('same', 'programs', f'answer with the digests of {hashlib.sha256(digests.encode("ascii")).hexdigest()[:16]}')


def require_answer(program, said, good):
    if said.code != 0 or not good:
        words = (said.errors or said.output).strip().splitlines()[:2]
        raise Refusal(f'{program} does not answer as installed: exit {said.code}, {" | ".join(words) or "without a word"}; its audit record is in the journal')
