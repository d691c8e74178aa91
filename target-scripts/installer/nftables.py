"""The packet filter of stage fail2ban: the port that is for the two accounts alone, open to the bastion only.

A packet filter sees addresses and ports, never accounts: it can speak for these accounts only where sshd gives them a port of their own
(`sshd.port`) and refuses them on any other. On the port everybody shares, `from=` and AllowUsers do it (docs/decisions/0008).

A table of our own, loaded by a unit of our own; no rule of anybody else is looked at, changed or flushed. What the host's own filter drops
stays dropped: to accept here only means not to drop here.
"""

from .refusal import Refusal

NFT = '/usr/sbin/nft'
SYSTEMCTL = '/usr/bin/systemctl'
TABLE = 'mcp_pra'
RULES = '/etc/mcp-pra/nftables.conf'
UNIT = 'mcp-pra-nftables.service'
UNIT_FILE = f'/etc/systemd/system/{UNIT}'


def rules(port, networks):
    """The ruleset for `nft -f`: whole or not at all, in one transaction. `networks` are of both families."""
    rows = [
        '# Managed by mcp-pra. Made first, so that there is something to delete.',
        f'table inet {TABLE}',
        f'delete table inet {TABLE}',
        f'table inet {TABLE} {{',
        '    chain ssh {',
        '        type filter hook input priority filter - 5; policy accept;',
    ]
    for family, has_family in (('ip', lambda one: ':' not in one), ('ip6', lambda one: ':' in one)):
        members = [network for network in networks if has_family(network)]
        if members:
            rows.append(f'        tcp dport {port} {family} saddr {{ {", ".join(members)} }} accept')
    rows += [f'        tcp dport {port} counter drop', '    }', '}']
    return ''.join(f'{row}\n' for row in rows).encode('ascii')


def unit():
    """Before the network and sshd; after nftables.service, whose ruleset flushes all tables, and again whenever that is loaded anew."""
    return f"""# Managed by mcp-pra.
[Unit]
Description=SSH of mcp-pra's accounts from the bastion only
DefaultDependencies=no
After=local-fs.target nftables.service
Before=network-pre.target shutdown.target
Wants=network-pre.target
Conflicts=shutdown.target
PartOf=nftables.service
ReloadPropagatedFrom=nftables.service
ConditionPathExists={RULES}

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart={NFT} -f {RULES}
ExecReload={NFT} -f {RULES}
ExecStop=-{NFT} delete table inet {TABLE}

[Install]
WantedBy=multi-user.target nftables.service
""".encode('ascii')


def apply(site, host):
    if not site.nftables.ssh_from:
        remove(site, host)
        return
    if not host.exists(NFT):
        host.note('same', 'skipped', 'nftables: this host has none; from= and AllowUsers still hold')
        return
    wanted = rules(site.sshd.port, site.nftables.ssh_from)
    _require_loadable(host, wanted)
    host.undo_with(lambda: _settle(host))  # registered first, done last: after the files are back
    host.folder('/etc/mcp-pra', 0o755)
    changed = host.write(RULES, 0o644, wanted)
    changed |= host.write(UNIT_FILE, 0o644, unit())
    if not changed and _is_loaded(host) and _is_enabled(host):
        host.note('same', 'table', f'inet {TABLE}')
        return
    if not changed:
        host.note('changed', 'table', f'inet {TABLE}')  # somebody flushed it, or switched the unit off
    if not host.check:
        _settle(host)
        if not _is_loaded(host):
            raise Refusal(f'{UNIT} started, but the table inet {TABLE} is not there: see journalctl -u {UNIT}')


def remove(_site, host):
    was_there = host.exists(UNIT_FILE)
    if was_there and not host.check:
        # Stopping deletes the table. A failure of the stage starts it again, from the files that came back.
        host.undo_with(lambda: _settle(host))
        host.run([SYSTEMCTL, 'disable', '--now', UNIT])
    removed = [host.gone(UNIT_FILE), host.gone(RULES)]
    if any(removed) and not host.check:
        host.run([SYSTEMCTL, 'daemon-reload'])
    if not host.check and host.exists(NFT) and _is_loaded(host):
        host.change([NFT, 'delete', 'table', 'inet', TABLE], f'gone table inet {TABLE}')


def _require_loadable(host, wanted):
    """nft's own word, before anything is touched: the kernel may not know nf_tables."""
    said = host.run([NFT, '--check', '-f', '-'], stdin=wanted, ok=None)
    if said.code != 0:
        words = (said.errors.strip() or 'without a word').splitlines()
        raise Refusal(f'nft would not load the rules: {" | ".join(words[:3])}')


def _is_loaded(host):
    return host.run([NFT, 'list', 'table', 'inet', TABLE], ok=None).code == 0


def _is_enabled(host):
    return host.run([SYSTEMCTL, 'is-enabled', '--quiet', UNIT], ok=None).code == 0


def _settle(host):
    """The table as the files say, or none where there are none any more."""
    host.run([SYSTEMCTL, 'daemon-reload'])
    if host.exists(UNIT_FILE):
        host.run([SYSTEMCTL, 'enable', '--quiet', UNIT])
        host.run([SYSTEMCTL, 'restart', UNIT])
    elif _is_loaded(host):
        host.run([NFT, 'delete', 'table', 'inet', TABLE], ok=None)
        host.run([SYSTEMCTL, 'reset-failed', UNIT], ok=None)
