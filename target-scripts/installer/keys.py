"""The lines that say who may log in to the two accounts. Pure: a site in, files out.

sshd ignores a line that it does not understand, without a word, and `ssh-keygen -lf` calls it fine: whatever is rendered here
is proven by a live login (stage sshd, docs/commit-confirm.md). All lines, also the passing ones of a probe, come from here.
"""

from dataclasses import dataclass
from datetime import timezone

from access.expiry import expiry_time

from . import programs
from .programs import CANONICAL

BIN, ETC = CANONICAL['BIN'], CANONICAL['ETC']
AUTHORIZED_KEYS = f'{ETC}/authorized_keys'
PRINCIPALS = f'{ETC}/principals'
USER_CA_KEYS = f'{ETC}/user_ca_keys'
REVOKED_KEYS = f'{ETC}/revoked_keys'
KEY_EXPIRY = f'{ETC}/key-expiry'


@dataclass(frozen=True)
class Account:
    """An account, the channel it carries, and the program that is its shell and its forced command."""

    name: str
    channel: str
    program: str


READER = Account(programs.READER, 'reader', f'{BIN}/mcp-wrapper')
RUNNER = Account(programs.RUNNER, 'runner', f'{BIN}/pra-exec')
ACCOUNTS = (READER, RUNNER)

# Every file that may be there; what `files` does not name must not be.
PATHS = (
    *(f'{AUTHORIZED_KEYS}/{account.name}' for account in ACCOUNTS),
    *(f'{PRINCIPALS}/{account.name}' for account in ACCOUNTS),
    USER_CA_KEYS,
    KEY_EXPIRY,
)


@dataclass(frozen=True)
class Probe:
    """Keys of one provisioning run (PublicKey each), with which it proves that lines like these let somebody in. `expires` is minutes away."""

    reader: object
    runner: object
    expires: object


def files(site, openssh, probe=None):
    """{path: (mode, bytes)} of all there has to be. `openssh` is the host's version as (major, minor)."""
    made = {KEY_EXPIRY: _text(key_expiry(site))}
    for account in ACCOUNTS:
        made[f'{AUTHORIZED_KEYS}/{account.name}'] = _text(authorized_keys(account, site, openssh, probe))
    if site.certificates.ca_keys:
        made[USER_CA_KEYS] = _text(key.line for key in site.certificates.ca_keys)
        for account in ACCOUNTS:
            made[f'{PRINCIPALS}/{account.name}'] = _text(principals(account, site))
    return made


def authorized_keys(account, site, openssh, probe=None):
    """The lines of an account: its keys, for the runner the break-glass keys too, and the key of a probe."""
    lines = [authorized_key(account, login.key, login.expires, login.sources, openssh) for login in logins(account, site)]
    if probe is not None:
        key = getattr(probe, account.channel)
        lines.append(authorized_key(account, key, probe.expires, probe_sources(account, site), openssh))
    return lines


def authorized_key(account, key, expires, sources, openssh):
    """One line of authorized_keys: only the account's program, until `expires` (None: for good), from `sources` (none: anywhere)."""
    options = _restricted(account, sources)
    if expires is not None:
        options.append(f'expiry-time="{expiry_time(expires, openssh)}"')
    return f'{",".join(options)} {key.line}'


def principals(account, site):
    """Names in a certificate that let it in: the account on every host, or on this one."""
    options = ','.join(_restricted(account, site.certificates.sources))
    return [f'{options} {account.name}', f'{options} {account.name}@{site.host}']


def key_expiry(site):
    """`channel fingerprint expires` of every transport key, for the warnings before they end. Nothing in it is secret."""
    listed = (('reader', site.keys.reader), ('runner', site.keys.runner), ('break-glass', site.keys.break_glass))
    return [
        f'{channel} {login.key.fingerprint} {"-" if login.expires is None else login.expires.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")}'
        for channel, logins_of in listed
        for login in logins_of
    ]


def logins(account, site):
    """A break-glass key is one of the runner: there it does nothing without a signed ticket."""
    return site.keys.reader if account is READER else (*site.keys.runner, *site.keys.break_glass)


def source_lists(account, site):
    """The lists of addresses from which the account may be reached, one a key; None when one of them may come from anywhere."""
    lists = [login.sources for login in logins(account, site)]
    if site.certificates.ca_keys:
        lists.append(site.certificates.sources)
    if not lists or not all(lists):
        return None
    return tuple(dict.fromkeys(lists))


def probe_sources(account, site):
    """A probe comes from where the keys of its channel may come from: with a wrong `from=` it fails as they would."""
    lists = [login.sources for login in getattr(site.keys, account.channel)]
    if not lists and site.certificates.ca_keys:
        lists = [site.certificates.sources]
    return tuple(dict.fromkeys(source for one in lists for source in one)) if all(lists) else ()


def _restricted(account, sources):
    options = ['restrict', f'command="{account.program}"']
    if sources:
        options.append(f'from="{",".join(sources)}"')
    return options


def _text(lines):
    return 0o644, ''.join(f'{line}\n' for line in lines).encode('ascii')
