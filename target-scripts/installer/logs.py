"""Stage logs: a file for each program, filled by rsyslog and turned by logrotate.

What belongs into a file is decided by fields that journald took from the kernel, never by a tag, which anybody can write: `_UID` is that of
the account (of root for pra-run), and `_EXE`, where the sender still lived when journald looked, is the program that sends
(logger(1) for the two wrappers, Python for pra-run). A record of anybody else under our tag stays in the host's own files.

rsyslog reads these fields with imjournal. Where its configuration does not load that, it is loaded here, for our records alone: all
others go on to come through the socket they came through before.
"""

import re
import time

from .programs import CANONICAL, READER, RUNNER
from .refusal import Refusal

RULES = '/etc/rsyslog.d/10-mcp-pra.conf'
TURNING = '/etc/logrotate.d/mcp-pra'
RSYSLOGD = '/usr/sbin/rsyslogd'
LOGROTATE = '/usr/sbin/logrotate'
CHATTR = '/usr/bin/chattr'
LSATTR = '/usr/bin/lsattr'
SYSTEMCTL = '/usr/bin/systemctl'
# Where rsyslog's modules are: Debian and Ubuntu by architecture, RHEL.
MODULE_FOLDERS = ('/usr/lib', '/usr/lib64')
WORK_FOLDERS = ('/var/spool/rsyslog', '/var/lib/rsyslog')
LOGGER, PYTHON = '/usr/bin/logger', '/usr/bin/python3'
PROGRAMS = ('mcp-wrapper', 'pra-exec', 'pra-run')
PROOF_SECONDS = 20
PROOF_EVERY_SECONDS = 2
# GnuTLS alone. rsyslog's driver for OpenSSL takes a handshake that was interrupted, as it is when rsyslog stops, for one that is through:
# sending then completes it, and nobody compares the name. Seen with 8.2302: a server of another name got the records.
TLS_DRIVER, TLS_MODULE = 'gtls', 'lmnsd_gtls.so'
# Of the queue for a remote server that does not answer: the oldest records wait on disk, what is beyond is only in the files here.
QUEUE = 'queue.type="LinkedList" queue.filename="mcp-pra-remote" queue.size="10000" queue.maxDiskSpace="64m" queue.saveOnShutdown="on" queue.timeoutEnqueue="0"'


def path_of(program):
    return f'/var/log/{program}.log'


def rules(uids, owner, loads_imjournal, remote=None):
    """The file for rsyslog.d. `uids` by account, `owner` the (user, group) of the files, `remote` a RemoteLog."""
    tags = ' or '.join(f"$programname == '{program}'" for program in PROGRAMS)
    rows = ['# Managed by mcp-pra. By fields that journald took from the kernel; a tag is only what the sender says.']
    if loads_imjournal:
        # No rate limit: it would be one for all of the host, and whoever floods the journal would silence our records with it.
        rows.append('module(load="imjournal" StateFile="mcp-pra-imjournal.state" IgnorePreviousMessages="on" Ratelimit.Interval="0" UsePid="system")')
    if remote is not None:
        rows += _forwarding(remote)
    rows.append("if $inputname == 'imjournal' then {")
    for program, trusted in (
        ('mcp-wrapper', f"$!_UID == '{uids[READER]}' and ($!_EXE == '' or $!_EXE == '{LOGGER}')"),
        ('pra-exec', f"$!_UID == '{uids[RUNNER]}' and ($!_EXE == '' or $!_EXE == '{LOGGER}')"),
        ('pra-run', f"$!_UID == '0' and ($!_EXE == '' or $!_EXE startswith '{PYTHON}')"),
    ):
        user, group = owner
        rows += [
            f"    if $programname == '{program}' and {trusted} then {{",
            f'        action(type="omfile" file="{path_of(program)}" fileCreateMode="0640" fileOwner="{user}" fileGroup="{group}")',
            *(['        call mcp-pra-remote'] if remote is not None else []),
            '        stop',
            '    }',
        ]
    if loads_imjournal:
        # What is left of our tags is somebody else's: it goes on from here, and its copy from the socket ends below.
        rows += [f'    if not ({tags}) then stop', '}', f"if $inputname == 'imuxsock' and ({tags}) then stop"]
    else:
        rows.append('}')
    return ''.join(f'{row}\n' for row in rows).encode('ascii')


def _forwarding(remote):
    """TLS or nothing: a server whose certificate is of another name or authority gets no record. A dead one never makes anybody wait."""
    return [
        'ruleset(name="mcp-pra-remote") {',
        f'    action(type="omfwd" target="{remote.host}" port="{remote.port}" protocol="tcp" TCP_Framing="octet-counted"',
        f'        template="RSYSLOG_SyslogProtocol23Format" StreamDriver="{TLS_DRIVER}" StreamDriverMode="1" StreamDriverAuthMode="x509/name"',
        f'        StreamDriverPermittedPeers="{remote.name}" StreamDriver.CAFile="{remote.ca}"',
        f'        action.resumeRetryCount="-1" action.resumeInterval="10" {QUEUE})',
        '}',
    ]


def turning(owner, is_append_only):
    """The file for logrotate.d. maxsize: whoever has a key that is refused all day long must not fill /var before the week is over."""
    user, group = owner
    files = ' '.join(path_of(program) for program in PROGRAMS)
    # A file that is append-only cannot be renamed, by root neither.
    before = ['    prerotate', f'        {CHATTR} -f -a {files} || true', '    endscript'] if is_append_only else []
    after = [f'        {CHATTR} -f +a {files} || true'] if is_append_only else []
    rows = [
        '# Managed by mcp-pra.',
        f'{files} {{',
        *('    weekly', '    maxsize 50M', '    rotate 12', '    compress', '    delaycompress', '    missingok', '    notifempty'),
        # Where /var/log is rsyslog's account's too (Ubuntu), logrotate turns nothing without it.
        f'    su root {group}',
        f'    create 0640 {user} {group}',
        '    sharedscripts',
        *before,
        '    postrotate',
        f'        {SYSTEMCTL} kill --signal=HUP rsyslog.service',
        *after,
        '    endscript',
        '}',
    ]
    return ''.join(f'{row}\n' for row in rows).encode('ascii')


def apply(site, host):
    if not host.exists(RSYSLOGD):
        _stay_with_journal(host, 'this host has no rsyslog')
        return
    if find_module(host, 'imjournal.so') is None:
        _stay_with_journal(host, 'its rsyslog has no imjournal')
        return
    if site.logs.remote is not None:
        _require_tls(host, site.logs.remote)
    uids = {name: entry.pw_uid for name in (READER, RUNNER) if (entry := host.account(name)) is not None}
    if len(uids) < 2:
        if not host.check:
            raise Refusal('the two accounts are not there yet; run the stage account first')
        for path in (RULES, TURNING):
            host.note('changed', '0644', path)
        return
    owner = _owner(host)
    runs = _runs(host)
    host.undo_with(lambda: _restart(host, runs))  # registered first, done last: after the files are back
    changed = host.write(RULES, 0o644, rules(uids, owner, not _imjournal_is_loaded(host), site.logs.remote))
    if changed and not host.check:
        host.run([RSYSLOGD, '-N1'])
    is_append_only = site.logs.append_only and _make_files(host, owner)
    if not site.logs.append_only:
        _set_append_only(host, False)
    if host.exists(LOGROTATE):
        if host.write(TURNING, 0o644, turning(owner, is_append_only)) and not host.check:
            host.run([LOGROTATE, '-d', TURNING])
    else:
        host.note('same', 'skipped', f'{TURNING}: this host has no logrotate; nothing turns the three files')
    if changed and not host.check:
        _restart(host, runs)
        _prove(host)


def remove(_site, host):
    changed = host.gone(RULES)
    host.gone(TURNING)
    # Without rules nobody writes to the logs any more. They say what was done, and stay unless --evidence is said.
    _set_append_only(host, False)
    if changed and host.exists(RSYSLOGD) and not host.check:
        _restart(host, _runs(host))
    for folder in WORK_FOLDERS:  # after the restart: the old rsyslog wrote its place in the journal once more
        for name in host.names_in(folder):
            if name.startswith(('mcp-pra-imjournal.state', 'mcp-pra-remote')):
                # The folder is rsyslog's own account's where that gives up root: nothing to keep a spare of, nor to bring back.
                host.change(['/usr/bin/rm', '-f', '--', f'{folder}/{name}'], f'gone {folder}/{name}')
    if not host.keeps_evidence:
        for name in host.names_in('/var/log'):
            if any(name == f'{program}.log' or name.startswith(f'{program}.log.') for program in PROGRAMS):
                host.gone(f'/var/log/{name}')


def _stay_with_journal(host, why):
    """The records are in the journal in any case, with the same fields."""
    host.gone(RULES)
    host.gone(TURNING)
    host.note('same', 'skipped', f'the log files: {why}; read the records with journalctl (docs/logs.md)')


# ---- rsyslog --------------------------------------------------------------------------------------------------------


def find_module(host, name):
    """The path of one of rsyslog's modules, or None."""
    for folder in MODULE_FOLDERS:
        for place in (folder, *(f'{folder}/{one}' for one in host.names_in(folder) if one.endswith('-linux-gnu'))):
            if host.exists(f'{place}/rsyslog/{name}'):
                return f'{place}/rsyslog/{name}'
    return None


def _require_tls(host, remote):
    if not host.exists(remote.ca):
        raise Refusal(f'logs.remote.ca (mcp_pra_logs): {remote.ca} is not on this host; put the certificates of the authority there first')
    if find_module(host, TLS_MODULE) is None:
        raise Refusal('logs.remote (mcp_pra_logs) needs TLS for rsyslog: install rsyslog-gnutls first (rsyslog-openssl does not always compare the name of the server)')


def _configuration(host):
    """What rsyslog reads but for our own file, comments left out."""
    texts = [host.read('/etc/rsyslog.conf')]
    texts += [host.read(f'/etc/rsyslog.d/{name}') for name in host.names_in('/etc/rsyslog.d') if f'/etc/rsyslog.d/{name}' != RULES and name.endswith('.conf')]
    lines = b'\n'.join(text for text in texts if text).decode('utf-8', 'replace').splitlines()
    return '\n'.join(line.split('#', 1)[0] for line in lines)


def _imjournal_is_loaded(host):
    return re.search(r'module\s*\(\s*load\s*=\s*"imjournal"|\$ModLoad\s+imjournal', _configuration(host), re.IGNORECASE) is not None


def _owner(host):
    """Ubuntu's rsyslog gives up root: it could not write to files of root's, nor hand them over."""
    text = _configuration(host)
    user = re.search(r'\$PrivDropToUser\s+([a-z_][a-z0-9_-]{0,31})|privdrop\.user\.name\s*=\s*"([a-z_][a-z0-9_-]{0,31})"', text, re.IGNORECASE)
    return ((user[1] or user[2]) if user else 'root', 'adm')


def _runs(host):
    return host.run([SYSTEMCTL, 'is-active', '--quiet', 'rsyslog.service'], ok=None).code == 0


def _restart(host, runs):
    """rsyslog reads its configuration only when it starts. One that somebody stopped stays stopped; one that failed with our rules does not."""
    if runs:
        # systemd refuses the sixth start within ten seconds, and rsyslog would stay down.
        host.run([SYSTEMCTL, 'reset-failed', 'rsyslog.service'], ok=None)
        host.run([SYSTEMCTL, 'restart', 'rsyslog.service'])


def _prove(host):
    """A record of our own has to arrive: rsyslog starts, and says nothing, also when it may not read the journal."""
    if not _runs(host):
        host.note('same', 'skipped', 'the proof that records arrive: rsyslog does not run')
        return
    pra_run, log = f'{CANONICAL["BIN"]}/pra-run', path_of('pra-run')
    if not host.exists(pra_run):
        host.note('same', 'skipped', f'the proof that records arrive: {pra_run} is not installed yet')
        return
    before = host.read(log) or b''
    end, asked = time.monotonic() + PROOF_SECONDS, 0
    while b'word=version' not in (host.read(log) or b'')[len(before) :]:
        if time.monotonic() > end:
            raise Refusal(
                f'rsyslog took the rules, but no record of pra-run came to {log} within {PROOF_SECONDS} seconds: '
                'see journalctl -u rsyslog; may it read the journal (AppArmor, SELinux, Storage= in journald.conf)?'
            )
        if time.monotonic() >= asked:
            # Again, for rsyslog reads from where the journal ends once it has opened it, which may be after our first record.
            host.run([pra_run, 'version'], ok=None)
            asked = time.monotonic() + PROOF_EVERY_SECONDS
        time.sleep(0.05)


# ---- append-only ----------------------------------------------------------------------------------------------------


def _make_files(host, owner):
    """The three files, append-only; whether the file system can do that. rsyslog would make them, but without the flag."""
    if not host.exists(CHATTR) or not host.exists(LSATTR):
        host.note('same', 'skipped', 'append-only: this host has no chattr')
        return False
    for program in PROGRAMS:
        path = path_of(program)
        if not host.exists(path):
            argv = ['/usr/bin/install', '-m', '0640', '-o', owner[0], '-g', owner[1], '/dev/null', path]
            host.change(argv, f'0640 {path}', undo=['/usr/bin/rm', '-f', path])
    return _set_append_only(host, True)


def _set_append_only(host, wanted):
    """Sets or takes away the flag where it is not as wanted; False where the file system does not know it."""
    sign, back = ('+a', '-a') if wanted else ('-a', '+a')
    for program in PROGRAMS:
        path = path_of(program)
        if not host.exists(path) or not host.exists(LSATTR):
            continue
        said = host.run([LSATTR, '-d', path], ok=None)
        if said.code != 0:
            host.note('same', 'skipped', f'append-only: the file system of {path} does not know it')
            return False
        if ('a' in said.output.split()[0]) != wanted:
            try:
                host.change([CHATTR, sign, path], f'append-only {sign[0]} {path}', undo=[CHATTR, back, path])
            except Refusal as refusal:
                raise Refusal(f'{refusal}; say append_only: false in mcp_pra_logs where the file system cannot do it') from None
    return True
