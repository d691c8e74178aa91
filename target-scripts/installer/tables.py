"""Stage tables: verbs, actions, digests; this host's policy, signers, names; revocation lists, made empty once.

What pra-run parses is judged by pra-run's own parsers before it replaces what is there: a policy that it refuses would stop every action.
"""

import json
import tempfile

from pra_run import keys as pra_keys
from pra_run import tables as pra_tables
from pra_run.refusal import Refusal as PraRefusal

from .keys import AUTHORIZED_KEYS, KEY_EXPIRY
from .programs import CANONICAL, HOST_KEY, TABLE_FOLDERS, of_host, table_files
from .refusal import Refusal
from .scripts import remove_others
from .site import NAME_KINDS

ETC, LIB, STATE = CANONICAL['ETC'], CANONICAL['LIB'], CANONICAL['STATE']
POLICY = f'{ETC}/policy.json'
SIGNERS = f'{ETC}/allowed_signers'
# Of signatures and of logins. A missing or damaged one refuses everybody. Revoking is a step of its own.
KRLS = (f'{ETC}/revoked_signers', f'{ETC}/revoked_keys')
# HIGH wants a verified security key until the site says otherwise, in as many words.
POLICY_FLOOR = {'quorum': {'MEDIUM': 1, 'HIGH': 1}, 'signer': {'MEDIUM': 'software-key', 'HIGH': 'sk-uv'}}
SSH_KEYGEN = '/usr/bin/ssh-keygen'


def files(site, host):
    """Everything but the revocation lists, which live on the host."""
    generated = table_files(of_host(host.source))
    actions = judge_actions(generated)
    return {
        **generated,
        POLICY: (0o644, policy_bytes(site, actions)),
        SIGNERS: (0o644, signers_bytes(site)),
        **{f'{ETC}/names/{kind}/{name}': (0o644, f'{target}\n'.encode('ascii')) for kind, name, target in site.names},
    }


def apply(site, host):
    wanted = files(site, host)
    folders = [ETC, LIB, *(f'{LIB}/{name}' for name in TABLE_FOLDERS), f'{ETC}/names', *(f'{ETC}/names/{kind}' for kind in NAME_KINDS)]
    for folder in folders:
        host.folder(folder, 0o755)
    for folder in [f'{LIB}/{name}' for name in TABLE_FOLDERS] + [f'{ETC}/names/{kind}' for kind in NAME_KINDS]:
        remove_others(host, folder, wanted)
    remove_others(host, f'{ETC}/names', folders)
    for path, (mode, content) in sorted(wanted.items()):
        host.write(path, mode, content)
    keep_revocation_lists(host)


def remove(_site, host):
    for name in TABLE_FOLDERS:
        host.gone(f'{LIB}/{name}')
    host.gone(f'{LIB}/DIGESTS')
    if not host.keeps_evidence:
        host.gone(ETC)
        host.gone(STATE)


# ---- judged before it is written ------------------------------------------------------------------------------------


def judge_actions(generated):
    """The names of the actions, each of which pra-run would take."""
    names = []
    for path, (_, content) in generated.items():
        if path.startswith(f'{LIB}/actions/'):
            try:
                action = json.loads(content)
                pra_tables.check_action(action)
            except (ValueError, PraRefusal):
                raise Refusal(f'{path.rsplit("/", 1)[1]} is no action that pra-run would take; render the catalog again') from None
            names.append(action['name'])
    return names


def policy_bytes(site, actions):
    policy = {'v': 1, 'host': site.host, **_merge(POLICY_FLOOR, site.policy)}
    try:
        pra_tables.check_policy(policy)
    except PraRefusal as refusal:
        raise Refusal(f'pra-run would refuse policy{_wrong_member(site)} (mcp_pra_policy): {refusal.code}; docs/wire-protocol.md, section 4, has its form') from None
    # The first two make the host stricter: with a typing error they would not. The third is wanted in an emergency: too late to find out.
    glass = policy.get('break_glass', {'principals': (), 'actions': ()})
    for member, names in (('deny', policy.get('deny', ())), ('impact', policy.get('impact', ())), ('break_glass.actions', glass['actions'])):
        for name in names:
            if name not in actions:
                raise Refusal(f'policy.{member} (mcp_pra_policy) names {name}, and no action is called that; there are {", ".join(sorted(actions))}')
    people = {line.split(' ')[0] for line in site.allowed_signers}
    for principal in glass['principals']:
        if principal not in people:
            raise Refusal(f'policy.break_glass.principals (mcp_pra_policy) names {principal}, whom allowed_signers does not have')
    return f'{json.dumps(policy, indent=4, sort_keys=True)}\n'.encode('ascii')


def _wrong_member(site):
    """`.<name>` of the first member that is refused without the others."""
    for name, value in site.policy.items():
        try:
            pra_tables.check_policy({'v': 1, 'host': site.host, **_merge(POLICY_FLOOR, {name: value})})
        except PraRefusal:
            return f'.{name}'
    return ''


def signers_bytes(site):
    automatic = [f'auto{f"-{at + 1}" if at else ""} namespaces="mcp-pra-auto" {key.type} {key.base64}' for at, key in enumerate(site.auto_keys)]
    lines = [*site.allowed_signers, *automatic]
    data = ''.join(f'{line}\n' for line in lines).encode('ascii')
    try:
        pra_keys.parse_allowed_signers(data)
    except PraRefusal as refusal:
        wrong = next((f'[{at}]' for at, line in enumerate(site.allowed_signers) if not _is_signer(line)), '')
        rule = 'one principal a line, namespaces="…" explicit, no options, no key twice, no principal more than twice or for different purposes, mcp-pra-auto with nothing else'
        raise Refusal(f'pra-run would refuse allowed_signers{wrong} (mcp_pra_allowed_signers): {refusal.code}; {rule}') from None
    return data


def _is_signer(line):
    try:
        pra_keys.parse_allowed_signers(f'{line}\n'.encode('ascii'))
        return True
    except PraRefusal:
        return False


def _merge(floor, given):
    """As deep as the floor goes; what is given wins."""
    merged = dict(floor)
    for name, value in given.items():
        both = isinstance(value, dict) and isinstance(floor.get(name), dict)
        merged[name] = {**floor[name], **value} if both else value
    return merged


# ---- revocation lists -----------------------------------------------------------------------------------------------


def keep_revocation_lists(host):
    """Empty ones where there are none, on a host that never was a target; else only owner and mode are ours, and never the bytes."""
    was_target = any(host.exists(path) for path in (*KRLS, AUTHORIZED_KEYS, KEY_EXPIRY))
    for path in KRLS:
        if host.exists(path):
            host.own(path, 0o644)
        elif was_target:
            raise Refusal(
                f'{path} is missing on a host that was a target: an empty one would let in again all that it revoked. Put it back from a backup; '
                f'or begin anew with `ssh-keygen -k -f {path}`, and revoke again what was revoked (mcp-pra keys revoke)'
            )
        else:
            host.write(path, 0o644, empty_revocation_list(host))
        judge_revocation_list(host, path)


def judge_revocation_list(host, path):
    """It must be readable, and not revoke this host's own key."""
    if host.exists(path):
        said = host.run([SSH_KEYGEN, '-Q', '-f', path, f'{HOST_KEY}.pub'], ok=None)
        if said.code != 0:
            why = "revokes this host's own key" if 'REVOKED' in said.output else 'cannot be read by ssh-keygen, so it refuses everybody'
            raise Refusal(f'{path} {why}; put back a good one (ssh-keygen -Q -f {path} {HOST_KEY}.pub must end with 0)')


def empty_revocation_list(host):
    with tempfile.TemporaryDirectory(dir='/run', prefix='mcp-pra-') as folder:
        host.run([SSH_KEYGEN, '-q', '-k', '-f', f'{folder}/krl'])
        with open(f'{folder}/krl', 'rb') as file:
            return file.read()
