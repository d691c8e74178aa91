"""The words of pra-run: one function each, and the way in and out that they share."""

import os
import re
import select
import signal
import time

from . import break_glass, built_in, cancel, form, switch
from .caller import Answer, CallerGone, Receipts, Request
from .claiming import Shielded, check_switches, claim_under_lock, earlier_claim, make_claim
from .host import Host, boottime_ms, wallclock
from .refusal import Refusal

INPUT_SECONDS = 10
LIFE_SECONDS = 600  # of a pra-run whose caller stopped reading; an action is not touched by its follower's end


def run(argv, places):
    """Carries out one call; its exit status."""
    is_from_sudo = 'SUDO_UID' in os.environ
    os.environ.clear()
    os.umask(0o077)
    os.chdir('/')
    host = Host(places)
    if len(argv) == 3 and argv[1] == '--execute':
        return _execute(host, argv[2], is_from_sudo)
    if argv[1:] == ['--settle']:
        return _settle(host, is_from_sudo)
    request, code, status = Request(), None, 0
    try:
        if len(argv) != 2 or not re.fullmatch(form.NAME, argv[1]):
            raise Refusal('LINE_FORM')
        request.word = argv[1]
        signal.alarm(LIFE_SECONDS)
        serve(host, argv[1], request)
    except CallerGone:
        pass
    except Refusal as refusal:
        code, status = refusal.code, refusal.exit
    except Exception as error:  # its text may hold anything, so that only its class is ever told, and only to the log
        code, status = 'INTERNAL', 70
        request.error = type(error).__name__
    if code is not None:
        _complain(code)
    request.record(host, code)
    return status


def _complain(code):
    try:
        os.write(2, f'refused pra-run {code}\n'.encode('ascii'))
    except OSError:
        pass


def _execute(host, id, is_from_sudo):
    """The runner itself. sudoers has no such line; whoever comes through sudo all the same is turned away."""
    if is_from_sudo or os.getuid() != host.owner_uid or not re.fullmatch(form.ID, id):
        _complain('LINE_FORM')
        return 64
    from . import execute

    try:
        return execute.execute(host, id)
    except Exception as error:
        from . import audit

        audit.send(host.log, 'failed', word='execute', code='INTERNAL', error=type(error).__name__, id=id)
        return 70


def _settle(host, is_from_sudo):
    """Final receipts of what has ended without one; for the boot unit, and for pra-run itself. Not for sudo either."""
    if is_from_sudo or os.getuid() != host.owner_uid:
        _complain('LINE_FORM')
        return 64
    from . import audit, settle

    try:
        settle.settle_all(host)
        return 0
    except Refusal as refusal:
        code, error, status = refusal.code, None, refusal.exit
    except Exception as unexpected:
        code, error, status = 'INTERNAL', type(unexpected).__name__, 70
    audit.send(host.log, 'failed', word='settle', code=code, error=error)
    return status


def serve(host, word, request):
    answer = Answer()
    if word == 'version':
        check_switches(host, word)
        return version(host, answer)
    limit = {'prepare': form.MAX_DRAFT, 'status': form.MAX_QUERY, 'result': form.MAX_QUERY}.get(word, form.MAX_SUBMISSION)
    data = read_input(limit)
    check_switches(host, 'unfreeze' if word == 'prepare' else word)  # a draft says itself whether a freeze stops it
    if word == 'prepare':
        return prepare(host, data, answer, request)
    if word in ('status', 'result'):
        return query(host, word, data, answer, request)
    if word == 'fence':
        return fence(host, data, answer, request)
    if word in built_in.IMPACTS:
        return built_in.carry_out(host, word, data, answer, request)
    if word == 'cancel':
        return cancel.cancel(host, data, answer, request, follow)
    host.action(word)
    return act(host, word, data, answer, request)


def read_input(limit):
    """Standard input to its end. SIZE beyond the limit, INPUT_TIMEOUT when it does not end in time."""
    deadline = time.monotonic() + INPUT_SECONDS
    data = b''
    while len(data) <= limit:
        ready, _, _ = select.select([0], [], [], max(0, deadline - time.monotonic()))
        if not ready:
            raise Refusal('INPUT_TIMEOUT')
        piece = os.read(0, 65536)
        if not piece:
            return data
        data += piece
    raise Refusal('SIZE')


# --- prepare


def prepare(host, data, answer, request):
    """The offer: what this host would do, and what it will ask for."""
    from .claims import Claims
    from .lock import lock

    claims = Claims(host)
    claims.prepare_folders()
    with lock(host, 'prepare', seconds=0):
        draft = form.parse(form.DRAFT, data)
        request.note(draft)
        check_switches(host, draft['action'])
        check_draft(host, draft)
        offer, impact = built_in.make_offer(host, claims, draft) if draft['action'] in built_in.PREPARED else make_offer(host, draft)
        from . import keys

        signature = keys.sign_as_host(host, keys.OFFER_NAMESPACE, offer)
    if warns_of_software_key(host, impact):
        answer.event('warning', code='SOFTWARE_KEY')
    answer.event('offer', offer=offer.decode('ascii'), signature=signature)


def check_draft(host, draft):
    if draft['mode'] != 'run':
        raise Refusal('MODE_UNSUPPORTED')
    if draft['host'] != host.name:
        raise Refusal('HOST_MISMATCH')


def make_offer(host, draft):
    """(text, effective impact) of the offer for a draft of an action."""
    from . import precheck, verify

    action = host.action(draft['action'])
    defaults = {param['name']: param['default'] for param in action['params'] if 'default' in param}
    args = sorted({**defaults, **dict(draft['arg'])}.items())
    verify.check_args(host, action, args)
    own = verify.own_impact(host, action)
    impact = verify.highest(own, draft['impact'])
    resolved = precheck.resolve(host, action, args)
    text = form.serialise(
        form.OFFER,
        {
            'id': draft['id'],
            'host': host.name,
            'host_key': host.key_fingerprint,
            'action': draft['action'],
            'arg': args,
            'definition': 'sha256:' + action['definition'],
            'impact': impact,
            'mode': 'run',
            'requires': (str(verify.quorum_of(host, impact)), verify.namespace_of(impact), verify.signer_level_of(host, impact)),
            'rule': form.encode_percent(word_rule(host, action, own, impact).encode('ascii')),
            'auto': 'yes' if verify.is_auto_listed(host, action, args, impact) else 'no',
            'argv': resolved.argv_digest(),
            'token': [form.encode_percent(token.encode('utf-8')) for token in resolved.argv],
            'file': [(digest, form.encode_percent(path.encode('utf-8'))) for digest, path in resolved.files],
            'fact': resolved.facts,
            'boot_id': host.boot_id,
            'boottime': str(boottime_ms()),
            'wallclock': wallclock(),
        },
    )
    form.parse(form.OFFER, text)
    return text, impact


def word_rule(host, action, own, impact):
    """Which rule asked for what `requires` says, for a person to read."""
    from . import verify

    whose = 'the definition' if impact == action['impact'] else 'policy.json of the host' if impact == own else 'the caller'
    if impact == 'LOW':
        return 'LOW by the definition: one signature'
    clause = host.policy['break_glass']
    alone = f'; in an emergency {" or ".join(clause["principals"])} alone' if action['name'] in clause['actions'] and clause['principals'] else ''
    return f'{impact} by {whose}: policy.json asks for {verify.quorum_of(host, impact)} with {verify.signer_level_of(host, impact)}{alone}'


def warns_of_software_key(host, impact):
    from . import verify

    return impact == 'HIGH' and verify.signer_level_of(host, impact) == 'software-key'


# --- an action


def act(host, word, data, answer, request):
    """Verifies a ticket, claims it, starts it, and follows it to its receipt."""
    from . import execute, verify
    from .auto_budget import check_auto_limits
    from .claims import Claims

    permit = verify.verify(host, word, data)
    request.permit(permit)
    claims = Claims(host)
    claims.prepare_folders()
    if permit.is_auto and claims.find(permit.ticket['id']) is None:  # else it is a replay, and step 12 says so
        check_auto_limits(host, claims.all(), permit.action, permit.ticket['arg'])
    warnings = ['CLOCK_SKEW'] if verify.is_clock_skewed(permit, wallclock()) else []
    warnings += ['SOFTWARE_KEY'] if warns_of_software_key(host, permit.impact) else []
    with Shielded():
        earlier, claim = claim_under_lock(host, claims, permit)
        if claim is not None:
            execute.launch(host, claims, claim)
            request.record(host)  # now: whoever follows may be gone before the end
    for code in warnings:
        answer.event('warning', code=code)
    if claim is None:
        answer.event('receipt', **claims.state_receipt(earlier))
        raise Refusal('REPLAYED')
    answer.claimed(claims, claim)
    follow(claims, claim, answer)


def follow(claims, claim, answer, offset=0, seconds=None):
    """Output as it comes, then the receipt. After `seconds` the receipt may say RUNNING."""
    from . import outcome

    began = time.monotonic()
    life = claim['limit']['seconds'] + outcome.settling_seconds(claim) + 60
    signal.alarm(life + 60)
    pause = 0.01
    while True:
        final = claims.final_receipt(claim)
        offset = answer.output(claims.output_path(claim['id']), offset)
        waited = time.monotonic() - began
        if final is not None or waited >= (life if seconds is None else seconds):
            return answer.event('receipt', **(final or claims.state_receipt(claim)))
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)


# --- status, result, fence, version


def query(host, word, data, answer, request):
    from .claims import Claims

    asked = form.parse(form.QUERY, data)
    request.note(asked)
    claims = Claims(host)
    claims.prepare_folders()
    claim = claims.find(asked['id'])
    if claim is None or claim['ticket_hash'] != asked['ticket']:
        raise Refusal('ID_UNKNOWN')
    request.action = claim['action']
    if word == 'result':
        return follow(claims, claim, answer, int(asked['offset']), int(asked['wait']))
    return follow(claims, claim, Receipts(answer), seconds=int(asked['wait']))


def fence(host, data, answer, request):
    """Burns an id that was never claimed; gives the receipt of one that was."""
    from . import verify
    from .auto_budget import check_auto_day
    from .claims import Claims
    from .lock import lock

    permit = verify.verify_fence(host, data)
    request.permit(permit)
    claims = Claims(host)
    claims.prepare_folders()
    with lock(host, 'claim'):
        claim = earlier_claim(claims, permit)
        if claim is None:
            # Of another boot nothing is known for sure: a claim that could not be durable was in /run. It can never run any more.
            if permit.offer is not None and permit.offer['boot_id'] != host.boot_id:
                raise Refusal('OFFER_BOOT')
            if permit.is_auto:
                check_auto_day(host, claims.all())
            # A freeze that died between its switch and its claim is in force: that is what its claim says then.
            result = switch.outcome_of(host, permit) or {'state': 'NEVER_STARTED'}
            claim = claims.claim(make_claim(host, claims, permit, result=result))
    if not claims.is_durable(claim):
        answer.event('warning', code='NOT_DURABLE')
    answer.event('receipt', **claims.state_receipt(claim))


def version(host, answer):
    from . import tables
    from .claims import Claims

    try:
        lines = tables.read_owned(f'{host.lib}/VERSIONS', host.owner_uid).decode('ascii').splitlines()
    except (OSError, ValueError):
        lines = []
    scripts = {name: {'version': number, 'sha256': digest} for name, number, digest in (line.split(' ') for line in lines)}
    frozen = switch.read(host)
    names = sorted(name[:-5] for name in os.listdir(f'{host.lib}/actions') if name.endswith('.json'))
    answer.event(
        'version',
        host=host.name,
        host_key=host.key_fingerprint,
        scripts=scripts,
        actions={name: host.action(name)['definition'] for name in names},
        policy=form.sha256(tables.read_owned(f'{host.etc}/policy.json', host.owner_uid)),
        boot_id=host.boot_id,
        boottime_ms=boottime_ms(),
        wallclock=wallclock(),
        frozen=None if frozen is None else {name: frozen[name] for name in ('since', 'by', 'reason')},
        break_glass=break_glass.describe(host, Claims(host)),
    )
