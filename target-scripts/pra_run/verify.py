"""Steps 3 to 11: may this ticket run here, by this host's own rules? Read top to bottom; the first rule that fails refuses.

What comes out, a Permit, is the only thing that claim, fence and the built-in words accept.
"""

from . import built_in, form, tables
from .host import boottime_ms
from .keys import AUTO_NAMESPACE, Keyring, verify_own_offer
from .precheck import check_script
from .refusal import Refusal
from .sshsig import USER_PRESENT, USER_VERIFIED

QUORUM_OFFER_FACTOR = 2.5  # 1,200 s for 480 s
SKEW_SECONDS = 120
OF_ONE_SIGNATURE = ('SIGNER_UNKNOWN', 'SIGNER_REVOKED', 'SIGNATURE_BAD')


class Permit:
    """A submission that this host accepts. `impact` is the effective one, `incident` that of a break-glass approval or None.

    A freeze has no offer; of what a fence burns the action may not be known any more: None.
    """

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
        self.incident = form.incident_of(self.ticket)


def verify(host, word, data):
    """A Permit for what was submitted to an action, or a Refusal."""
    submission = form.parse_submission(data)
    ticket = submission.ticket
    check_word(word, 'action', ticket)
    check_single(host, ticket)
    check_host(host, ticket)
    action = host.action(ticket['action'])
    check_args(host, action, ticket['arg'])
    check_definition(host, action, ticket)
    keyring = Keyring(host)
    offer = check_offer(host, keyring, submission)
    own = own_impact(host, action)
    is_break_glass = form.incident_of(ticket) is not None
    quorum = 1 if is_break_glass else quorum_of(host, highest(own, ticket['impact']))
    check_age(host, offer, quorum)
    impact = check_impact(own, ticket)
    check_namespace(impact, submission.signatures)
    signers = [keyring.verify(signature, submission.ticket_bytes) for signature in submission.signatures]
    check_security_keys(signer_level_of(host, impact), submission.signatures)
    is_auto = is_automatic(submission)
    if is_auto and not is_auto_listed(host, action, ticket['arg'], impact):
        raise Refusal('AUTO_NOT_ALLOWED')
    if is_break_glass:
        check_break_glass(host, action, signers, is_auto)
    check_quorum(quorum, ticket, signers, is_auto or is_break_glass)
    return Permit(submission, offer, action, impact, keyring, signers, is_auto)


def verify_built_in(host, word, data):
    """The same for `freeze`, `unfreeze` and `review`, which this program carries out itself. The auto key never counts: none of them is LOW."""
    submission = form.parse_submission(data)
    ticket = submission.ticket
    check_word(word, word, ticket)
    check_single(host, ticket)
    check_host(host, ticket)
    action = built_in.action_of(word)
    built_in.check_args(word, ticket['arg'])
    check_definition(host, action, ticket)
    keyring = Keyring(host)
    quorum, level = built_in_demand(host, word, highest(action['impact'], ticket['impact']))
    offer = None
    if submission.offer_bytes is not None:
        offer = check_offer(host, keyring, submission)
        check_age(host, offer, quorum)
    impact = check_impact(action['impact'], ticket)
    check_namespace(impact, submission.signatures)
    signers = [keyring.verify(signature, submission.ticket_bytes) for signature in submission.signatures]
    check_security_keys(level, submission.signatures)
    check_quorum(quorum, ticket, signers, False)
    return Permit(submission, offer, action, impact, keyring, signers, False)


def verify_cancel(host, data, claim_of):
    """(Permit, claim) for what would stop a run: a ticket of its own that says of the run what the run's ticket said.

    Nothing is looked up that may have changed since the run began, the definition first of all: the claim says what runs, and at
    what impact. `claim_of` finds the claim of an id.
    """
    submission = form.parse_submission(data)
    ticket = submission.ticket
    if ticket['kind'] != 'cancel':
        raise Refusal('KIND_UNSUPPORTED')
    check_single(host, ticket)
    check_host(host, ticket)
    claim = claim_of(ticket['id'])
    if claim is None or not _is_about(ticket, form.parse(form.TICKET, claim['ticket'].encode('ascii'))):
        raise Refusal('ID_UNKNOWN')
    if submission.offer_bytes.decode('ascii', 'replace') != claim['offer']:
        raise Refusal('OFFER_MISMATCH')
    impact = check_impact(highest('MEDIUM', claim['impact']), ticket)
    check_namespace(impact, submission.signatures)
    keyring = Keyring(host)
    signers = [keyring.verify(signature, submission.ticket_bytes) for signature in submission.signatures]
    check_security_keys(signer_level_of(host, impact), submission.signatures)
    check_quorum(1, ticket, signers, False)
    if not claim.get('cancellable'):
        raise Refusal('NOT_CANCELLABLE')
    return Permit(submission, None, None, impact, keyring, signers, False), claim


def _is_about(ticket, run):
    """Whether a ticket of kind `cancel` speaks of the run that another ticket started."""
    same = ('id', 'host', 'host_key', 'action', 'arg', 'definition', 'mode', 'offer')
    return run['kind'] == 'action' and all(ticket[key] == run[key] for key in same)


def verify_fence(host, data):
    """A Permit to burn an id. It only stops something, so it asks for less than what would start it: that this host made the offer,
    and that one key which still counts signed the ticket, for the purpose that its own impact names."""
    submission = form.parse_submission(data)
    ticket = submission.ticket
    if ticket['kind'] == 'cancel':
        raise Refusal('KIND_UNSUPPORTED')
    check_single(host, ticket, is_fence=True)
    check_host(host, ticket)
    keyring = Keyring(host)
    offer = None if submission.offer_bytes is None else check_offer(host, keyring, submission)
    check_namespace(ticket['impact'], submission.signatures)
    signer = find_signer(keyring, submission)
    is_auto = is_automatic(submission)
    if is_auto and not is_auto_listed(host, host.action(ticket['action']), ticket['arg'], ticket['impact']):
        raise Refusal('AUTO_NOT_ALLOWED')
    return Permit(submission, offer, None, ticket['impact'], keyring, [signer], is_auto)


def find_signer(keyring, submission):
    """Whoever made the first good signature. When there is none: what is wrong with the first one."""
    refusals = []
    for signature in submission.signatures:
        try:
            return keyring.verify(signature, submission.ticket_bytes)
        except Refusal as refusal:
            if refusal.code not in OF_ONE_SIGNATURE:
                raise
            refusals.append(refusal)
    raise refusals[0]


def is_automatic(submission):
    return submission.signatures[0].namespace == AUTO_NAMESPACE


def check_signers_again(host, permit):
    """Right before the claim: a key that was revoked while this waited must not start anything any more."""
    if not permit.keyring.is_current(host):
        keyring = Keyring(host)
        for signer in permit.signers:
            keyring.require(signer)


def check_word(word, kind, ticket):
    """Step 4: the word is what the ticket is for, and of the word's kind."""
    if ticket['action'] != word:
        raise Refusal('WORD_MISMATCH')
    if ticket['kind'] != kind:
        raise Refusal('KIND_UNSUPPORTED')


def check_single(host, ticket, is_fence=False):
    """Step 4: this version carries out single steps for real only, and breaks glass for actions where the policy has such a clause."""
    if ticket['mode'] != 'run':
        raise Refusal('MODE_UNSUPPORTED')
    is_normal = form.incident_of(ticket) is None
    if not is_normal and not is_fence and (ticket['kind'] != 'action' or not host.policy['break_glass']['principals']):
        raise Refusal('APPROVAL_UNSUPPORTED')
    if ticket['plan'] != '-':
        raise Refusal('PLAN_UNSUPPORTED')


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


def check_age(host, offer, quorum):
    """People who have to sign one after the other get more time."""
    if offer['boot_id'] != host.boot_id:
        raise Refusal('OFFER_BOOT')
    limit = host.policy['offer_seconds'] * (QUORUM_OFFER_FACTOR if quorum > 1 else 1)
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


def built_in_demand(host, word, impact):
    """(quorum, signer level) of a built-in word. Stopping and reviewing take one person; starting again what was frozen takes what HIGH
    takes here, and a touch alone is not enough for it where one person decides."""
    level = signer_level_of(host, impact)
    if word != 'unfreeze':
        return 1, level
    quorum = quorum_of(host, impact)
    return quorum, 'sk-uv' if quorum == 1 and level == 'sk' else level


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


def check_security_keys(level, signatures):
    """Step 10. ssh-keygen does not look at these flags."""
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


def check_break_glass(host, action, signers, is_auto):
    """Who signs alone must be listed for it, and so must the action. Which session it belongs to is looked up under the lock (step 12)."""
    clause = host.policy['break_glass']
    if is_auto or action['name'] not in clause['actions'] or not all(signer.principal in clause['principals'] for signer in signers):
        raise Refusal('BREAK_GLASS_NOT_ALLOWED')


def check_quorum(quorum, ticket, signers, is_alone):
    """Step 11. `is_alone`: exactly one, no more. Who asked for an action is none of several: it may have been a model, under that name. What
    no model asks for was asked by a person, who is one of them."""
    principals = [signer.principal for signer in signers]
    if quorum > 1 and ticket['kind'] == 'action' and ticket['requester'].split('/')[0] in principals:
        raise Refusal('REQUESTER_SIGNED')
    if len(set(principals)) < len(signers) or len({signer.key for signer in signers}) < len(signers):
        raise Refusal('SIGNER_TWICE')
    if len(signers) < quorum or (is_alone and len(signers) != 1):
        raise Refusal('QUORUM')


def is_clock_skewed(permit, now):
    """Whether the ticket's time of issue fits this host's wall clock: after its offer and before now, give or take. Only ever a warning."""
    if permit.offer is None:  # a freeze may come late: it is handed in until the host can be reached
        return False
    issued = form.seconds_of(permit.ticket['issued'])
    return not form.seconds_of(permit.offer['wallclock']) - SKEW_SECONDS <= issued <= form.seconds_of(now) + SKEW_SECONDS
