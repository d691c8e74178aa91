"""Stage sudo: one literal line for each word that the runner may have run as root, and nothing else.

The generated lines are checked by visudo before they are put into place and with all other files after; then sudo is asked what the two
accounts may do, and that must be exactly these lines. sudo-rs knows few Defaults, so it gets fewer.
"""

import hashlib
import os
import re
import tempfile

from .account import ACCOUNTS
from .programs import CANONICAL, RUNNER, of_host, program_files
from .refusal import Refusal

SUDOERS = '/etc/sudoers.d/mcp-pra'
SUDO, VISUDO = '/usr/bin/sudo', '/usr/sbin/visudo'
PRA_RUN = f'{CANONICAL["BIN"]}/pra-run'
# Of the generated Defaults, those that sudo-rs 0.2.5 parses. It has no I/O log whose errors could matter, asks for no terminal, and
# does log to syslog and open a PAM session: what that costs while journald hangs is written down in ansible/README.md.
RUST_DEFAULTS = ('!fqdn', 'env_reset', '!lecture', 'secure_path')


def apply(site, host):
    content = sudoers(site, host, is_rust(host))
    write_rules(host, content)
    if not host.check:
        host.run([VISUDO, '-c'])  # all files together: one of somebody else's that is broken is not ours to mend
        require_exactly(host, content)


def remove(_site, host):
    if host.gone(SUDOERS):
        host.act([VISUDO, '-c'])


def follow_program(site, host):
    """Called by stage scripts: rules with a digest of pra-run, or that had one, are written in the same step as pra-run."""
    if b'sha256:' in (host.read(SUDOERS) or b'') or (site.sudo.pin_digest and host.exists(SUDOERS)):
        write_rules(host, sudoers(site, host, is_rust(host)))


def sudoers(site, host, rust):
    """The file for this host's sudo: bytes."""
    text = (host.source / 'tables' / 'sudoers').read_text('ascii')
    if rust:
        if site.sudo.pin_digest:
            raise Refusal('sudo.pin_digest (mcp_pra_sudo_pin_digest) is nothing that sudo-rs knows: leave it out, or use sudo on this host')
        known = tuple(f'Defaults:{RUNNER} {name}' for name in RUST_DEFAULTS)
        kept = [line for line in text.splitlines() if line.startswith((*known, f'{RUNNER} '))]
        text = '# Made by mcp-pra. This host has sudo-rs: Defaults that it does not know are left out.\n' + ''.join(f'{line}\n' for line in kept)
    if site.sudo.pin_digest:
        digest = hashlib.sha256(program_files(of_host(host.source))[PRA_RUN][1]).hexdigest()
        text = re.sub(rf'^({RUNNER} ALL=\(root\) NOPASSWD: )(?={re.escape(PRA_RUN)} )', rf'\1sha256:{digest} ', text, flags=re.MULTILINE)
    return text.encode('ascii')


def write_rules(host, content):
    require_good(host, content)
    host.write(SUDOERS, 0o440, content)


def require_good(host, content):
    """A file that does not parse can stop all of sudo: visudo sees it first."""
    with tempfile.NamedTemporaryFile(dir='/run', prefix='mcp-pra-') as file:  # sudo-rs reads no standard input
        file.write(content)
        file.flush()
        os.chmod(file.name, 0o440)
        said = host.run([VISUDO, '-cf', file.name], ok=None)
    if said.code != 0:
        words = ' | '.join((said.errors + said.output).replace(file.name, SUDOERS).split('\n')[:4])
        raise Refusal(f'visudo refuses the generated sudoers file, so it was not installed: {words}')


def require_exactly(host, content):
    """No file included (wrong mode, a dot in the name), or a rule of the site's for everybody: both show here."""
    wanted = sorted(line.removeprefix(f'{RUNNER} ALL=') for line in content.decode('ascii').splitlines() if line.startswith(f'{RUNNER} '))
    for account in ACCOUNTS:
        said = host.run([SUDO, '-n', '-l', '-U', account.name], ok=None)
        found = sorted(line.strip() for line in said.lines if re.match(r' +\(', line))
        if found != (wanted if account.name == RUNNER else []):
            extra = [line for line in found if account.name != RUNNER or line not in wanted]
            lost = [line for line in wanted if account.name == RUNNER and line not in found]
            what = f'also {"; ".join(extra)}' if extra else f'not {"; ".join(lost)}'
            raise Refusal(
                f'sudo allows {account.name} something else than the generated lines: {what}; '
                f'take rules for everybody out of /etc/sudoers and /etc/sudoers.d, and have /etc/sudoers include that folder'
            )
    host.note('same', 'sudo', f'{RUNNER} may run {len(wanted)} commands as root, the other account none')


def is_rust(host):
    """sudo-rs says its version on standard error."""
    said = host.run([SUDO, '--version'], ok=None)
    return 'sudo-rs' in said.output + said.errors
