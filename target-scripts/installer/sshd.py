"""Stage sshd: who may log in to the two accounts, and what sshd lets them do.

An sshd that does not start, or that starts with other rules for the admin, locks everybody out. So: look before, set a timer that
puts everything back, write, look again, have sshd read it, look whether it answers. The change stays only when somebody has
logged in afresh and said `confirm` (commit-confirm, docs/commit-confirm.md); a stage that fails puts everything back itself.
"""

import os
import re
import time
from datetime import datetime, timedelta, timezone
from fnmatch import fnmatch

from access.expiry import openssh_version, take_host_zone

from . import keys
from .programs import CANONICAL, HOST_KEY, UNITS
from .refusal import Refusal

DROP_IN = '/etc/ssh/sshd_config.d/00-mcp-pra.conf'
ALGORITHMS = '/etc/ssh/sshd_config.d/01-mcp-pra-algorithms.conf'
MAIN = '/etc/ssh/sshd_config'
SSHD = '/usr/sbin/sshd'
SYSTEMCTL = '/usr/bin/systemctl'
# Debian's and Ubuntu's, and what sshd says without it. Elsewhere it is part of the package.
PRIVSEP = '/run/sshd'
PRIVSEP_MISSING = f'Missing privilege separation directory: {PRIVSEP}'

# What takes a change back: a script (stage scripts) and a unit, which need nothing of what they may have to take back.
CONFIRM = f'{CANONICAL["LIB"]}/commit-confirm'
UNIT = 'mcp-pra-restore.service'
UNIT_FILE = f'{UNITS}/{UNIT}'
TIMER = 'mcp-pra-unconfirmed.timer'
ROLLBACK = f'{CANONICAL["ETC"]}/rollback'
# A probe's key outlives the timer by this much: it may be used until then, and is dead soon after, whatever happens.
PROBE_GRACE_S = 60
RELOAD_S = 15

# Neither sshd nor ssh-audit has anything against these; what an OpenSSH does not know is left out. Clients that came in with the
# defaults of OpenSSH 6.5 or newer, and this product's own, still do. No ECDSA host keys: those with ed25519 or RSA are enough.
HARDENED = (
    (
        'KexAlgorithms',
        'kex',
        (
            'mlkem768x25519-sha256',
            'sntrup761x25519-sha512',
            'sntrup761x25519-sha512@openssh.com',
            'curve25519-sha256',
            'curve25519-sha256@libssh.org',
            'diffie-hellman-group16-sha512',
            'diffie-hellman-group18-sha512',
        ),
    ),
    ('Ciphers', 'cipher', ('aes256-gcm@openssh.com', 'aes128-gcm@openssh.com', 'aes256-ctr', 'aes192-ctr', 'aes128-ctr')),
    ('MACs', 'mac', ('hmac-sha2-512-etm@openssh.com', 'hmac-sha2-256-etm@openssh.com', 'umac-128-etm@openssh.com')),
    (
        'HostKeyAlgorithms',
        'HostKeyAlgorithms',
        (
            'ssh-ed25519-cert-v01@openssh.com',
            'rsa-sha2-512-cert-v01@openssh.com',
            'rsa-sha2-256-cert-v01@openssh.com',
            'ssh-ed25519',
            'rsa-sha2-512',
            'rsa-sha2-256',
        ),
    ),
)


# ---- what is written: pure ------------------------------------------------------------------------------------------


def rules(account, site):
    """[(keyword, value)] of the account's Match block. `sshd -T` must show each of them afterwards."""
    certificates = bool(site.certificates.ca_keys)
    lists = keys.source_lists(account, site)
    allowed = (account.name,) if lists is None else tuple(f'{account.name}@{",".join(sources)}' for sources in lists)
    return [
        ('AllowUsers', ' '.join(allowed)),
        ('AllowGroups', account.name),
        ('PubkeyAuthentication', 'yes'),
        ('AuthenticationMethods', 'publickey'),
        ('AuthorizedKeysFile', f'{keys.AUTHORIZED_KEYS}/%u'),
        ('AuthorizedKeysCommand', 'none'),
        ('TrustedUserCAKeys', keys.USER_CA_KEYS if certificates else 'none'),
        ('AuthorizedPrincipalsFile', f'{keys.PRINCIPALS}/%u' if certificates else 'none'),
        ('AuthorizedPrincipalsCommand', 'none'),
        ('RevokedKeys', keys.REVOKED_KEYS),
        *_closed(account),
        ('MaxSessions', str(site.sshd.max_sessions)),
        ('ClientAliveInterval', '15'),
        ('ClientAliveCountMax', '3'),
    ]


def elsewhere(account):
    """[(keyword, value)] for the account on any port but the one that is for the accounts alone: no key counts there."""
    return [
        ('AuthenticationMethods', 'publickey'),
        ('AuthorizedKeysFile', 'none'),
        ('AuthorizedKeysCommand', 'none'),
        ('TrustedUserCAKeys', 'none'),
        *_closed(account),
    ]


def drop_in(site, kept_ports=()):
    """00-mcp-pra.conf. `kept_ports` are those sshd would stop listening on as soon as any file names a port."""
    port = site.sshd.port
    lines = ['# Managed by mcp-pra. Sorts first: sshd takes the first value of each keyword.']
    if port is not None:
        lines += [f'Port {one}' for one in (*kept_ports, port)]
    for account in keys.ACCOUNTS:
        lines.append(f'Match User {account.name}' + ('' if port is None else f' LocalPort {port}'))
        lines.append("    # Instead of the host's own lists, which name those who work on it. DenyUsers and DenyGroups still count.")
        lines += [f'    {keyword} {value}' for keyword, value in rules(account, site)]
    if port is not None:
        for account in keys.ACCOUNTS:
            lines.append(f'Match User {account.name}')
            lines.append('    # Any other port.')
            lines += [f'    {keyword} {value}' for keyword, value in elsewhere(account)]
        lines.append(f'Match LocalPort {port} User *,{",".join(f"!{account.name}" for account in keys.ACCOUNTS)}')
        lines += ['    # This port is for the two accounts.', '    DenyUsers *']
    lines.append('Match all')
    return 0o600, ''.join(f'{line}\n' for line in lines).encode('ascii')


def algorithms(known):
    """01-mcp-pra-algorithms.conf: for everybody who logs in to this host. `known` maps ssh -Q's questions to its answers."""
    lines = ['# Managed by mcp-pra (mcp_pra_sshd_hardened_algorithms): for every login to this host.']
    for keyword, question, wanted in HARDENED:
        lines.append(f'{keyword} {",".join(name for name in wanted if name in known[question])}')
    return 0o600, ''.join(f'{line}\n' for line in lines).encode('ascii')


def _closed(account):
    return [
        ('ForceCommand', account.program),
        ('ChrootDirectory', 'none'),
        ('PermitTTY', 'no'),
        ('PermitUserRC', 'no'),
        ('AllowTcpForwarding', 'no'),
        ('AllowStreamLocalForwarding', 'no'),
        ('AllowAgentForwarding', 'no'),
        ('X11Forwarding', 'no'),
        ('PermitTunnel', 'no'),
        ('PermitListen', 'none'),
        ('PermitOpen', 'none'),
        ('GatewayPorts', 'no'),
    ]


# ---- the stage ------------------------------------------------------------------------------------------------------


def apply(site, host):
    take_host_zone()
    take_back_earlier(host)
    _require_sound(host)
    _require_first(host)
    _require_own_port(site, host)
    openssh = _openssh_version(host)
    wanted = {DROP_IN: drop_in(site, _kept_ports(site, host)), **keys.files(site, openssh)}
    if site.sshd.hardened_algorithms:
        wanted[ALGORITHMS] = algorithms({question: host.run(['/usr/bin/ssh', '-Q', question]).lines for _, question, _ in HARDENED})
    paths = (DROP_IN, ALGORITHMS, *keys.PATHS)

    _install_restore(host)
    host.folder(keys.AUTHORIZED_KEYS, 0o755)
    if site.certificates.ca_keys:
        host.folder(keys.PRINCIPALS, 0o755)
    if all(host.has(path, *wanted[path]) if path in wanted else not host.exists(path) for path in paths):
        for path in sorted(wanted):
            host.note('same', f'{wanted[path][0]:04o}', path)
        return

    has_globals = site.sshd.port is not None or site.sshd.hardened_algorithms or _own_ports(host) != () or host.exists(ALGORITHMS)
    admins = None if host.check else _admin_rules(host)
    until = _arm(host, paths)
    rules_changed = [_put(host, path, wanted) for path in (DROP_IN, ALGORITHMS)]
    if not host.check:
        _require_applied(site, host)
        _require_same_for_admins(host, admins, has_globals)
    if any(rules_changed):
        _reload(host)
    # Keys come last: until the rules are in force nobody can log in to the two accounts.
    probed = _with_probe(site, host, openssh)
    for path in keys.PATHS:
        if probed.get(path, wanted.get(path)) != wanted.get(path) and not host.check:
            host.run([CONFIRM, 'after', path], stdin=wanted[path][1])
        _put(host, path, {**wanted, **probed})
    _require_still_armed(host)
    host.note('changed', 'armed', f'until {until}: log in afresh as the admin and to both accounts, then run: {CONFIRM} confirm')


def remove(_site, host):
    """Takes back what the stage made; revocation lists are evidence and not its own."""
    take_back_earlier(host)
    if host.exists(DROP_IN) or host.exists(ALGORITHMS):
        _require_sound(host)
        admins = None if host.check else _admin_rules(host)
        has_globals = _own_ports(host) != () or host.exists(ALGORITHMS)
        _install_restore(host)
        _arm(host, (DROP_IN, ALGORITHMS, *keys.PATHS))
        for path in (*keys.PATHS, DROP_IN, ALGORITHMS):
            host.gone(path)
        if not host.check:
            _require_same_for_admins(host, admins, has_globals)
        _reload(host)
        # Nothing of the host's own rules changed, and sshd answers: nobody needs to log in for that.
        host.act([CONFIRM, 'confirm'])
    for path in (keys.AUTHORIZED_KEYS, keys.PRINCIPALS, keys.USER_CA_KEYS, keys.KEY_EXPIRY):
        host.gone(path)
    if host.exists(UNIT_FILE):
        host.change([SYSTEMCTL, 'disable', '--quiet', UNIT], f'disabled {UNIT}')
        host.gone(UNIT_FILE)
        host.act([SYSTEMCTL, 'daemon-reload'])
    host.gone(ROLLBACK)


# ---- before ---------------------------------------------------------------------------------------------------------


def take_back_earlier(host):
    """A change that nobody confirmed yet: what is on the disk may let nobody in, so it is no ground to build on."""
    if not (host.exists(f'{ROLLBACK}/armed') or host.exists(f'{ROLLBACK}/restoring')):
        return
    if host.check:
        host.note('same', 'armed', 'an earlier change still waits for its confirmation')
    else:
        host.note('changed', 'restored', 'what an earlier change, which nobody had confirmed, had replaced')
        host.run([CONFIRM, 'restore'])


def _require_sound(host):
    said = host.run([SSHD, '-t'], ok=None)
    if PRIVSEP_MISSING in said.errors:
        # Where systemd listens and nobody has come yet: its service makes this folder, and takes it away. Nobody could do so here at the
        # right moment, so it stays; it is empty and gone with the next boot. Not even a look at the configuration works without it.
        os.mkdir(PRIVSEP, 0o755)
        said = host.run([SSHD, '-t'], ok=None)
    if said.code != 0:
        raise Refusal(f"sshd's configuration was broken before anything was changed, so nothing was: {_one_line(said.errors)}. Mend it until `sshd -t` is silent")


def _openssh_version(host):
    version = openssh_version(host.run(['/usr/bin/ssh', '-V']).errors)
    if version is None:
        raise Refusal('/usr/bin/ssh -V does not name a version of OpenSSH')
    return version


def _kept_ports(site, host):
    """Without a Port of the site's own sshd listens on 22; naming one in our file would end that."""
    if site.sshd.port is None:
        return ()
    if _systemd_listens(host):
        raise Refusal('sshd.port (mcp_pra_sshd_port) needs sshd to listen by itself, but here systemd does: systemctl disable --now ssh.socket, then systemctl enable --now ssh.service')
    others = [MAIN, *(f'/etc/ssh/sshd_config.d/{name}' for name in host.names_in('/etc/ssh/sshd_config.d') if name.endswith('.conf'))]
    own = any(re.search(rb'(?mi)^[ \t]*Port[ \t=]', host.read(path) or b'') for path in others if path != DROP_IN)
    return () if own or site.sshd.port == 22 else (22,)


def _require_first(host):
    """`sshd -T` is asked for one address; a Match that comes before ours could say something else for any other."""
    folder, name = DROP_IN.rsplit('/', 1)
    before = [f'{folder}/{one}' for one in sorted(host.names_in(folder)) if one.endswith('.conf') and one < name]
    for path, ends_at_ours in ((MAIN, True), *((path, False) for path in before)):
        for line in (host.read(path) or b'').decode('utf-8', 'replace').splitlines():
            found = re.match(r'\s*"?([A-Za-z]+)"?[\s=]+(.*)', line)
            keyword, value = found.groups() if found else ('', '')
            if ends_at_ours and keyword.lower() == 'include' and any(fnmatch(DROP_IN, os.path.join('/etc/ssh', one)) for one in value.replace('"', ' ').split()):
                break
            if keyword.lower() in ('match', 'include'):
                where = f'move it behind Include {folder}/*.conf' if ends_at_ours else f'give {path} a name that sorts after {name}'
                raise Refusal(f'{path} has `{_one_line(line.strip())}` before our rules, and sshd takes the first that it meets: {where}')


def _own_ports(host):
    """Ports that our own file names, the accounts' last; none where it names none."""
    return tuple(int(one) for one in re.findall(rb'(?m)^Port ([0-9]+)', host.read(DROP_IN) or b''))


def _require_own_port(site, host):
    port = site.sshd.port
    if port is None or port in _own_ports(host)[-1:]:
        return
    if f'port {port}' in _effective(host, 'root'):
        raise Refusal(f'sshd listens on port {port} already, for everybody: sshd.port (mcp_pra_sshd_port) is one for the two accounts alone; name another')


def _admin_rules(host):
    """
    {(account, port): lines of `sshd -T`} of those who must notice nothing, root and whoever called sudo, on each port that is theirs.
    """
    names = dict.fromkeys(('root', os.environ.get('SUDO_USER') or 'root'))
    own = _own_ports(host)[-1:]
    ports = [int(line.split(' ')[1]) for line in _effective(host, 'root') if line.startswith('port ')]
    return {(name, port): _effective(host, name, port) for name in names for port in ports if port not in own}


def _effective(host, user, port=22):
    return host.run([SSHD, '-T', '-C', f'user={user},host=mcp-pra.invalid,addr=192.0.2.1,laddr=192.0.2.2,lport={port}']).lines


# ---- the change -----------------------------------------------------------------------------------------------------


def _install_restore(host):
    """The unit that does it when the host starts; nothing, unless a change waits."""
    host.folder(ROLLBACK, 0o700)
    unit = (host.source / 'units' / UNIT).read_bytes()
    if not host.has(UNIT_FILE, 0o644, unit):
        host.undo_with(lambda: host.run([SYSTEMCTL, 'daemon-reload']))
        host.write(UNIT_FILE, 0o644, unit)
        host.act([SYSTEMCTL, 'daemon-reload'])
    else:
        host.note('same', '0644', UNIT_FILE)
    if host.run([SYSTEMCTL, 'is-enabled', '--quiet', UNIT], ok=None).code != 0:
        host.change([SYSTEMCTL, 'enable', '--quiet', UNIT], f'enabled {UNIT}', undo=[SYSTEMCTL, 'disable', '--quiet', UNIT])


def _arm(host, paths):
    """Copies all files of the change and sets the timer; nothing may be changed before. Gives when it ends."""
    until = (datetime.now(timezone.utc) + timedelta(seconds=host.confirm_seconds)).strftime('%H:%M:%SZ')
    if not host.check:
        if not host.exists(CONFIRM):
            raise Refusal(f'{CONFIRM} is missing: run stage scripts first')
        # Registered first, so it runs when the files are back already: sshd then reads them, and nothing waits any more.
        host.undo_with(lambda: host.run([CONFIRM, 'restore']))
        host.run([CONFIRM, 'arm', str(host.confirm_seconds)], stdin=''.join(f'{path}\n' for path in paths).encode('ascii'))
        if host.run([SYSTEMCTL, 'is-active', '--quiet', TIMER], ok=None).code != 0:
            raise Refusal('the timer that would take the change back does not run, so nothing was changed')
    return until


def _put(host, path, wanted):
    return host.write(path, *wanted[path]) if path in wanted else host.gone(path)


def _with_probe(site, host, openssh):
    """The key files with the lines of the probe, where there is one."""
    if host.probe is None:
        return {}
    expires = datetime.now(timezone.utc) + timedelta(seconds=host.confirm_seconds + PROBE_GRACE_S)
    probe = keys.Probe(reader=host.probe[0], runner=host.probe[1], expires=expires)
    return {path: file for path, file in keys.files(site, openssh, probe).items() if path.startswith(keys.AUTHORIZED_KEYS)}


def _require_applied(site, host):
    said = host.run([SSHD, '-t'], ok=None)
    if said.code != 0:
        raise Refusal(f'sshd does not accept the drop-in: {_one_line(said.errors)}')
    port = site.sshd.port
    for account in keys.ACCOUNTS:
        shown = _effective(host, account.name, port or 22)
        _require_shown(account, shown, rules(account, site))
        # Offers and receipts are signed with this key: clients must be able to compare it.
        if f'hostkey {HOST_KEY}' not in shown:
            raise Refusal(f'sshd does not use {HOST_KEY}: name it as HostKey')
        if port is not None:
            _require_shown(account, _effective(host, account.name, 65535 if port != 65535 else 1), elsewhere(account))
            if not any(line.endswith(f':{port}') for line in shown if line.startswith('listenaddress ')):
                raise Refusal(f'sshd would not listen on port {port}: a ListenAddress with a port of its own is in the way')
    if port is not None and 'denyusers *' not in _effective(host, 'root', port):
        raise Refusal(f'port {port} would be open to others than the two accounts')


def _require_shown(account, shown, wanted):
    """A main file without Include leaves the accounts unprotected, silently; a rule of the site's that comes first wins."""
    for keyword, value in wanted:
        values = value.split(' ') if keyword in ('AllowUsers', 'AllowGroups') else [value]
        if [f'{keyword.lower()} {one}' for one in values] != [line for line in shown if line.startswith(f'{keyword.lower()} ')]:
            raise Refusal(
                f'sshd does not apply the drop-in to {account.name} ({keyword} {value}): '
                f'does {MAIN} include sshd_config.d/*.conf before everything else?'
            )


# Of every login to the host, and only when the site asked for it.
GLOBAL = ('kexalgorithms', 'ciphers', 'macs', 'hostkeyalgorithms', 'port', 'listenaddress')


def _require_same_for_admins(host, before, has_globals):
    """Word for word, but for what an option of this role changes for everybody; and sshd goes on listening where it did."""
    ignored = GLOBAL if has_globals else ()
    theirs = tuple(f':{port}' for _, port in before)
    for (name, port), old in before.items():
        new = _effective(host, name, port)
        lost = [line for line in old if line.startswith('listenaddress ') and line.endswith(theirs) and line not in new]
        if _without(old, ignored) != _without(new, ignored) or lost:
            changed = sorted(set(_without(old, ignored)) ^ set(_without(new, ignored)))
            raise Refusal(f'the drop-in changes what sshd applies to {name}: {", ".join([*changed, *lost][:4])}')


def _without(lines, keywords):
    return [line for line in lines if line.split(' ', 1)[0] not in keywords]


# ---- sshd reads it --------------------------------------------------------------------------------------------------


def _reload(host):
    service = sshd_service(host)
    socket = _systemd_listens(host)
    if host.run([SYSTEMCTL, 'is-active', '--quiet', service], ok=None).code != 0:
        if socket:
            return  # each sshd that the socket starts reads the files anew
        raise Refusal(f'{service} does not run: start it first')
    pid = _main_pid(host, service)
    before = _listening(pid)
    host.change([SYSTEMCTL, 'reload', service], f'reloaded {service}', seconds=30)
    if host.check:
        return
    deadline = time.monotonic() + RELOAD_S
    # It executes itself anew and binds its ports again: other sockets, of the same process.
    while not socket and (not _listening(pid) or _listening(pid) & before):
        if not os.path.exists(f'/proc/{pid}'):
            said = host.run(['/usr/bin/journalctl', '-u', service, '-n', '4', '-o', 'cat', '--no-pager'], ok=None, seconds=5)
            raise Refusal(f'sshd ended when it was to read its new rules: {_one_line(said.output)}')
        if time.monotonic() > deadline:
            raise Refusal(f'sshd did not take its new rules within {RELOAD_S} seconds')
        time.sleep(0.05)


def sshd_service(host):
    """`ssh.service` on Debian and Ubuntu, `sshd.service` elsewhere."""
    said = host.run([SYSTEMCTL, 'show', '--property=LoadState', '--value', 'ssh.service'])
    return 'ssh.service' if said.output.strip() == 'loaded' else 'sshd.service'


def _systemd_listens(host):
    """Whether systemd listens instead of sshd and hands it the connections."""
    return any(host.run([SYSTEMCTL, 'is-active', '--quiet', unit], ok=None).code == 0 for unit in ('ssh.socket', 'sshd.socket'))


def _main_pid(host, service):
    return int(host.run([SYSTEMCTL, 'show', '--property=MainPID', '--value', service]).output.strip())


def _listening(pid):
    """Inodes of the TCP sockets on which a process listens."""
    listening = set()
    for table in ('tcp', 'tcp6'):
        try:
            with open(f'/proc/{pid}/net/{table}', encoding='ascii') as rows:
                listening |= {fields[9] for fields in (row.split() for row in rows) if fields[3] == '0A'}
        except OSError:
            pass
    try:
        links = [os.readlink(f'/proc/{pid}/fd/{name}') for name in os.listdir(f'/proc/{pid}/fd')]
    except OSError:
        return set()
    return {link[8:-1] for link in links if link.startswith('socket:[')} & listening


def _require_still_armed(host):
    if not host.check and host.run([CONFIRM, 'status'], ok=None).code != 0:
        raise Refusal('the time for a confirmation ran out while the stage was at work, and everything was put back')


def _one_line(text):
    return ' | '.join(line.strip() for line in text.strip().splitlines()[:4]) or 'without a word'
