"""The words of pra-run: one function each, and the way in and out that they share."""

import os
import re
import select
import signal
import time

from . import form
from .host import Host, boottime_ms, wallclock
from .refusal import Refusal

INPUT_SECONDS = 10
LIFE_SECONDS = 600  # of a pra-run whose caller stopped reading; an action is not touched by its follower's end
OUTPUT_PIECE = 8192
WORDS_WHILE_FROZEN = ('status', 'result', 'fence', 'version')
RESERVED = ('prepare', 'status', 'result', 'fence', 'cancel', 'freeze', 'unfreeze', 'version')


class CallerGone(Exception):
    """Nobody reads our answer any more."""


class Answer:
    """Standard output: the line `mcp-pra 1`, then one JSON object a line."""

    def __init__(self):
        self.is_begun = False

    def event(self, event, **fields):
        import json

        line = json.dumps({'event': event, **fields}, ensure_ascii=True, separators=(',', ':')) + '\n'
        data = (line if self.is_begun else 'mcp-pra 1\n' + line).encode('ascii')
        self.is_begun = True
        try:
            while data:
                data = data[os.write(1, data) :]
        except OSError:
            raise CallerGone from None

    def output(self, path, offset):
        """Sends what a file holds beyond an offset; the new offset."""
        import base64

        if path is None:
            return offset
        with open(path, 'rb') as file:
            file.seek(offset)
            while True:
                piece = file.read(OUTPUT_PIECE)
                if not piece:
                    return offset
                self.event('output', data=base64.b64encode(piece).decode('ascii'), offset=offset)
                offset += len(piece)


class Request:
    """What the audit record says of this call."""

    def __init__(self):
        self.began = time.monotonic()
        self.is_recorded = False
        self.word = None
        self.id = None
        self.action = None
        self.principals = ()
        self.error = None

    def note(self, text):
        self.id = text['id']
        self.action = text.get('action')

    def permit(self, permit):
        self.note(permit.ticket)
        self.principals = permit.principals

    def record(self, host, code=None):
        """Once. Names of actions only when they are installed: a log is no place for words that a caller makes up."""
        from . import audit

        if self.is_recorded:
            return
        self.is_recorded = True
        ms = int((time.monotonic() - self.began) * 1000)
        word = self.word if self.word in RESERVED or host.has_action(self.word) else None
        action = self.action if host.has_action(self.action) else None
        verdict = 'refused' if code else 'ok'
        audit.send(host.log, verdict, word=word, code=code, error=self.error, id=self.id, action=action, principal=self.principals, ms=ms)


def run(argv, places):
    """Carries out one call; its exit status."""
    is_from_sudo = 'SUDO_UID' in os.environ
    os.environ.clear()
    os.umask(0o077)
    os.chdir('/')
    host = Host(places)
    if len(argv) == 3 and argv[1] == '--execute':
        return _execute(host, argv[2], is_from_sudo)
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


def serve(host, word, request):
    answer = Answer()
    if word == 'version':
        check_switches(host, word)
        return version(host, answer)
    limit = {'prepare': form.MAX_DRAFT, 'status': form.MAX_QUERY, 'result': form.MAX_QUERY}.get(word, form.MAX_SUBMISSION)
    data = read_input(limit)
    check_switches(host, word)
    if word == 'prepare':
        return prepare(host, data, answer, request)
    if word in ('status', 'result'):
        return query(host, word, data, answer, request)
    if word == 'fence':
        return fence(host, data, answer, request)
    if word in ('cancel', 'freeze', 'unfreeze'):
        raise Refusal('WORD_UNLISTED')
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


def check_switches(host, word):
    if host.is_disabled():
        raise Refusal('DISABLED')
    if word not in WORDS_WHILE_FROZEN and host.is_frozen():
        raise Refusal('FROZEN')


# --- prepare


def prepare(host, data, answer, request):
    """The offer: what this host would do, and what it will ask for."""
    from .claims import Claims, lock

    Claims(host).prepare_folders()
    with lock(host, 'prepare', seconds=0):
        draft = form.parse(form.DRAFT, data)
        request.note(draft)
        offer, impact = make_offer(host, draft)
        from . import keys

        signature = keys.sign_as_host(host, keys.OFFER_NAMESPACE, offer)
    if warns_of_software_key(host, impact):
        answer.event('warning', code='SOFTWARE_KEY')
    answer.event('offer', offer=offer.decode('ascii'), signature=signature)


def make_offer(host, draft):
    """(text, effective impact) of the offer for a draft."""
    from . import precheck, verify

    if draft['mode'] != 'run':
        raise Refusal('MODE_UNSUPPORTED')
    if draft['host'] != host.name:
        raise Refusal('HOST_MISMATCH')
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
    return f'{impact} by {whose}: policy.json asks for {verify.quorum_of(host, impact)} with {verify.signer_level_of(host, impact)}'


def warns_of_software_key(host, impact):
    from . import verify

    return impact == 'HIGH' and verify.signer_level_of(host, impact) == 'software-key'


# --- an action


def act(host, word, data, answer, request):
    """Verifies a ticket, claims it, starts it, and follows it to its receipt."""
    from . import execute, verify
    from .claims import Claims, check_auto_limits

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
    if not claim['durable']:
        answer.event('warning', code='NOT_DURABLE')
    answer.event('claimed', id=claim['id'], durable=claim['durable'])
    follow(claims, claim, answer)


class Shielded:
    """From the claim to the start a caller's hang-up must not stop us: a claim that nobody starts helps nobody.

    Handlers, not SIG_IGN: what we start gets the default again.
    """

    SIGNALS = (signal.SIGHUP, signal.SIGTERM, signal.SIGINT)

    def __enter__(self):
        self.before = [signal.signal(number, lambda *_: None) for number in self.SIGNALS]

    def __exit__(self, *_):
        for number, handler in zip(self.SIGNALS, self.before):
            signal.signal(number, handler)


def claim_under_lock(host, claims, permit):
    """Step 12 and the claim: (earlier claim, None) for a replay, (None, claim) for a new one.

    A person waits for the lock and looks again while holding it. An automatic run waits for nobody, and takes the lock that
    people wait for only for the claim itself: its prechecks are done under a lock of its own.
    """
    from .claims import lock

    if not permit.is_auto:
        with lock(host, 'claim'):
            return check_and_claim(host, claims, permit, lambda: check_unchanged(host, permit))
    with lock(host, 'auto', seconds=0):
        earlier = earlier_claim(claims, permit)
        if earlier is not None:
            return earlier, None
        argv = check_unchanged(host, permit)
        with lock(host, 'claim', seconds=0):
            return check_and_claim(host, claims, permit, lambda: argv)


def check_and_claim(host, claims, permit, look_again):
    from . import verify
    from .claims import check_auto_limits

    earlier = earlier_claim(claims, permit)
    if earlier is not None:
        return earlier, None
    running = claims.running()
    if any(permit.is_auto or not claim['is_auto'] for claim in running):
        raise Refusal('BUSY')
    if permit.is_auto:
        check_auto_limits(host, claims.all(), permit.action, permit.ticket['arg'])
    argv = look_again()
    check_switches(host, permit.ticket['action'])  # they may have been thrown while this waited
    verify.check_signers_again(host, permit)
    claims.renew_ballast()
    claim = make_claim(host, claims, permit, argv)
    return None, {**claim, 'durable': claims.claim(claim)}


def earlier_claim(claims, permit):
    """The claim of the very same ticket, or None; ID_CONFLICT when another ticket has the id."""
    earlier = claims.find(permit.ticket['id'])
    if earlier is not None and earlier['ticket_hash'] != permit.ticket_hash:
        raise Refusal('ID_CONFLICT')
    return earlier


def check_unchanged(host, permit):
    """The argv, when it, its files and the stable facts are as they were offered; STALE or PRECHECK_FAILED otherwise."""
    from . import precheck

    offer = permit.offer
    resolved = precheck.resolve(host, permit.action, permit.ticket['arg'])
    files = [(digest, form.encode_percent(path.encode('utf-8'))) for digest, path in resolved.files]
    if resolved.argv_digest() != offer['argv'] or files != offer['file'] or resolved.facts != offer['fact']:
        raise Refusal('STALE')
    return resolved.argv


def make_claim(host, claims, permit, argv):
    """All that is known, for the runner and for an auditor."""
    import base64

    ticket = permit.ticket
    return {
        'v': 1,
        'id': ticket['id'],
        'host': host.name,
        'action': ticket['action'],
        'args': [list(arg) for arg in ticket['arg']],
        'ticket_hash': permit.ticket_hash,
        'ticket': permit.ticket_bytes.decode('ascii'),
        'signatures': [base64.b64encode(signature.blob).decode('ascii') for signature in permit.signatures],
        'principals': permit.principals,
        'offer': permit.offer_bytes.decode('ascii'),
        'impact': permit.impact,
        'is_auto': permit.is_auto,
        'is_fence': argv is None,
        'argv': argv,
        'files': permit.offer['file'],
        'limit': permit.action['limit'],
        'claimed': wallclock(),
        'boot_id': host.boot_id,
        'boottime_ms': boottime_ms(),
        'n': claims.chain_length(),
    }


def follow(claims, claim, answer, offset=0, seconds=None):
    """Output as it comes, then the receipt. After `seconds` the receipt may say RUNNING."""
    began = time.monotonic()
    life = claim['limit']['seconds'] + 60
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


class Receipts:
    """An answer without the output."""

    def __init__(self, answer):
        self.event = answer.event

    def output(self, path, offset):
        return offset


def fence(host, data, answer, request):
    """Burns an id that was never claimed; gives the receipt of one that was."""
    from . import verify
    from .claims import Claims, check_auto_day, lock

    permit = verify.verify(host, 'fence', data, is_fence=True)
    request.permit(permit)
    claims = Claims(host)
    claims.prepare_folders()
    with lock(host, 'claim'):
        claim = earlier_claim(claims, permit)
        if claim is None:
            # Of another boot nothing is known for sure: a claim that could not be durable was in /run. It can never run any more.
            if permit.offer['boot_id'] != host.boot_id:
                raise Refusal('OFFER_BOOT')
            if permit.is_auto:
                check_auto_day(host, claims.all())
            claim = make_claim(host, claims, permit, None)
            claims.start(claim['id'], 0)
            claims.claim(claim)
            claims.finish(claim['id'], {'state': 'NEVER_STARTED'})
    answer.event('receipt', **claims.state_receipt(claim))


def version(host, answer):
    from . import tables

    try:
        lines = tables.read_owned(f'{host.lib}/VERSIONS', host.owner_uid).decode('ascii').splitlines()
    except (OSError, ValueError):
        lines = []
    scripts = {name: {'version': number, 'sha256': digest} for name, number, digest in (line.split(' ') for line in lines)}
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
    )
