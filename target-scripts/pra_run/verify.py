"""Steps 3 to 11: may this ticket run here, by this host's own rules? Read top to bottom; the first rule that fails refuses.

What comes out, a Permit, is the only thing that claim and fence accept.
"""

from . import form, tables
from .host import boottime_ms
from .keys import AUTO_NAMESPACE, Keyring, verify_own_offer
from .precheck import check_script
from .refusal import Refusal
from .sshsig import USER_PRESENT, USER_VERIFIED

QUORUM_OFFER_FACTOR = 2.5  # 1,200 s for 480 s
SKEW_SECONDS = 120


class Permit:
    """A submission that this host accepts. `impact` is the effective one."""

    def __init__(self, submission, offer, action, impact, keyring, signers, is_auto):
        self.ticket = submission.ticket
        self.ticket_bytes = submission.ticket_bytes
        self.ticket_hash = form.sha256(submission.ticket_bytes)
        self.signatures = submission.signatures
        self.offer = offer
        self.offer_bytes = submission.offer_bytes
        self.action = action
        self.impact = impact
        self.keyring = keyring
        self.signers = signers
        self.principals = [signer.principal for signer in signers]
        self.is_auto = is_auto


def verify(host, word, data, is_fence=False):
    """A Permit for what was submitted, or a Refusal. A fence burns an id, so the age and the boot of its offer do not matter."""
    submission = form.parse_submission(data)
    ticket = submission.ticket
    if not is_fence and ticket['action'] != word:
        raise Refusal('WORD_MISMATCH')
    check_kind(ticket)
    check_host(host, ticket)
    action = host.action(ticket['action'])
    check_args(host, action, ticket['arg'])
    check_definition(host, action, ticket)
    keyring = Keyring(host)
    offer = check_offer(host, keyring, submission)
    own = own_impact(host, action)
    if not is_fence:
        check_age(host, offer, highest(own, ticket['impact']))
    impact = check_impact(own, ticket)
    check_namespace(impact, submission.signatures)
    signers = [keyring.verify(signature, submission.ticket_bytes) for signature in submission.signatures]
    check_security_keys(host, impact, submission.signatures)
    is_auto = submission.signatures[0].namespace == AUTO_NAMESPACE
    if is_auto and not is_auto_listed(host, action, ticket['arg'], impact):
        raise Refusal('AUTO_NOT_ALLOWED')
    check_quorum(host, impact, ticket, signers, is_auto)
    return Permit(submission, offer, action, impact, keyring, signers, is_auto)


def check_signers_again(host, permit):
    """Right before the claim: a key that was revoked while this waited must not start anything any more."""
    if not permit.keyring.is_current(host):
        keyring = Keyring(host)
        for signer in permit.signers:
            keyring.require(signer)


def check_kind(ticket):
    """Step 4, first half: this version carries out single, normal actions only."""
    for key, supported, code in (
        ('kind', 'action', 'KIND_UNSUPPORTED'),
        ('mode', 'run', 'MODE_UNSUPPORTED'),
        ('approval', 'normal', 'APPROVAL_UNSUPPORTED'),
        ('plan', '-', 'PLAN_UNSUPPORTED'),
    ):
        if ticket[key] != supported:
            raise Refusal(code)


def check_host(host, ticket):
    if ticket['host'] != host.name:
        raise Refusal('HOST_MISMATCH')
    if ticket['host_key'] != host.key_fingerprint:
        raise Refusal('HOST_KEY_MISMATCH')


def check_args(host, action, args):
    """Step 5: every parameter there, of its type, and allowed on this host."""
    params = {param['name']: param for param in action['params']}
    given = dict(args)
    if not given.keys() <= params.keys():
        raise Refusal('ARG_UNKNOWN')
    if given.keys() != params.keys():
        raise Refusal('ARG_MISSING')
    if not all(tables.is_of_type(given[name], param['type'], param['bounds']) for name, param in params.items()):
        raise Refusal('ARG_BAD')
    listed = host.policy['values'].get(action['name'], {})
    for name, param in params.items():
        if given[name] not in listed.get(name, [] if param['type'] in ('unit', 'choice') else given.values()):
            raise Refusal('ARG_NOT_ON_HOST')
        if param['type'] in tables.NAME_TYPES:
            tables.look_up_name(host.etc, host.owner_uid, param['type'], given[name])
    if action['name'] in host.policy['deny']:
        raise Refusal('ACTION_DENIED')


def check_definition(host, action, ticket):
    if ticket['definition'] != 'sha256:' + action['definition']:
        raise Refusal('DEFINITION_STALE')
    check_script(host, action)


def check_offer(host, keyring, submission):
    """Step 7: this host's own offer, for exactly this ticket. Its text is parsed only once its signature stands."""
    verify_own_offer(host, keyring, submission.offer_signature, submission.offer_bytes)
    ticket = submission.ticket
    try:
        offer = form.parse(form.OFFER, submission.offer_bytes)
    except Refusal:
        raise Refusal('OFFER_MISMATCH') from None
    same = ('id', 'host', 'host_key', 'action', 'arg', 'definition', 'impact', 'mode')
    if ticket['offer'] != form.sha256(submission.offer_bytes) or any(offer[key] != ticket[key] for key in same):
        raise Refusal('OFFER_MISMATCH')
    return offer


def check_age(host, offer, impact):
    if offer['boot_id'] != host.boot_id:
        raise Refusal('OFFER_BOOT')
    limit = host.policy['offer_seconds'] * (QUORUM_OFFER_FACTOR if quorum_of(host, impact) > 1 else 1)
    if not 0 <= boottime_ms() - int(offer['boottime']) <= limit * 1000:
        raise Refusal('OFFER_EXPIRED')


def highest(*impacts):
    return max(impacts, key=form.IMPACTS.index)


def own_impact(host, action):
    """What this host rates the action: its policy can only raise the definition's impact."""
    return highest(action['impact'], host.policy['impact'].get(action['name'], 'LOW'))


def quorum_of(host, impact):
    return host.policy['quorum'].get(impact, 1)


def signer_level_of(host, impact):
    return host.policy['signer'].get(impact, 'software-key')


def namespace_of(impact):
    return 'mcp-pra-' + impact.lower()


def check_impact(own, ticket):
    if highest(own, ticket['impact']) != ticket['impact']:
        raise Refusal('IMPACT_TOO_LOW')
    return ticket['impact']


def check_namespace(impact, signatures):
    """One namespace for all of them: the effective impact's, or the auto key's for LOW."""
    allowed = [{namespace_of(impact)}] + ([{AUTO_NAMESPACE}] if impact == 'LOW' else [])
    if {signature.namespace for signature in signatures} not in allowed:
        raise Refusal('NAMESPACE_WRONG')


def check_security_keys(host, impact, signatures):
    """Step 10. ssh-keygen does not look at these flags."""
    level = signer_level_of(host, impact)
    for signature in signatures:
        if signature.is_security_key() and not signature.flags & USER_PRESENT:
            raise Refusal('PRESENCE_MISSING')
        if level != 'software-key' and not signature.is_security_key():
            raise Refusal('SECURITY_KEY_REQUIRED')
        if level == 'sk-uv' and not signature.flags & USER_VERIFIED:
            raise Refusal('VERIFICATION_MISSING')


def is_auto_listed(host, action, args, impact):
    """Whether this host's policy lets the auto key start exactly this: LOW, repeatable, not denied, and listed."""
    if impact != 'LOW' or not action['idempotent'] or action['name'] in host.policy['deny']:
        return False
    defaults = {param['name']: param['default'] for param in action['params'] if 'default' in param}
    listed = [{**defaults, **pair['args']} for pair in host.policy['auto'] if pair['action'] == action['name']]
    return dict(args) in listed


def check_quorum(host, impact, ticket, signers, is_auto):
    quorum = quorum_of(host, impact)
    principals = [signer.principal for signer in signers]
    if quorum > 1 and ticket['requester'].split('/')[0] in principals:
        raise Refusal('REQUESTER_SIGNED')
    if len(set(principals)) < len(signers) or len({signer.key for signer in signers}) < len(signers):
        raise Refusal('SIGNER_TWICE')
    if len(signers) < quorum or (is_auto and len(signers) != 1):
        raise Refusal('QUORUM')


def is_clock_skewed(permit, now):
    """Whether the ticket's time of issue fits this host's wall clock: after its offer and before now, give or take. Only ever a warning."""
    issued = form.seconds_of(permit.ticket['issued'])
    return not form.seconds_of(permit.offer['wallclock']) - SKEW_SECONDS <= issued <= form.seconds_of(now) + SKEW_SECONDS
