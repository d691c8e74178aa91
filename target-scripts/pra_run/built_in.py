"""The words that this program carries out itself, after the same proof as an action: `freeze`, `unfreeze`, `review`.

Each claims its id and ends in a final receipt. What they change are a switch (`frozen`) and the record of a break-glass session.
"""

import os
import re

from . import break_glass, form, switch
from .caller import Answer
from .host import boottime_ms, wallclock
from .refusal import Refusal

IMPACTS = {'freeze': 'MEDIUM', 'unfreeze': 'HIGH', 'review': 'HIGH'}
PREPARED = ('unfreeze', 'review')  # a freeze needs no offer: it must not wait for one


def action_of(word):
    """What stands for a definition: an action without parameters of the catalog's types, without a program, never automatic."""
    return {
        'name': word,
        'definition': form.sha256(f'mcp-pra word {word} 1\n'.encode('ascii'))[len('sha256:') :],
        'impact': IMPACTS[word],
        'script': None,
        'limit': {'seconds': 0, 'bytes': 0},
        'cancellable': False,
    }


def check_args(word, args):
    """Step 5: `review` names its incident, the others take nothing."""
    given = dict(args)
    wanted = {'incident'} if word == 'review' else set()
    if not given.keys() <= wanted:
        raise Refusal('ARG_UNKNOWN')
    if given.keys() != wanted:
        raise Refusal('ARG_MISSING')
    if wanted and not re.fullmatch(form.INCIDENT, given['incident']):
        raise Refusal('ARG_BAD')


# --- prepare


def make_offer(host, claims, draft):
    """(text, effective impact) of the offer for a draft of `unfreeze` or `review`."""
    from . import verify

    word = draft['action']
    action = action_of(word)
    check_args(word, draft['arg'])
    impact = verify.highest(action['impact'], draft['impact'])
    quorum, level = verify.built_in_demand(host, word, impact)
    rule = f'{word} is HIGH by itself: policy.json asks for {quorum} with {level}'
    argv, files, facts = look(host, claims, word, draft['arg'])
    text = form.serialise(
        form.OFFER,
        {
            'id': draft['id'],
            'host': host.name,
            'host_key': host.key_fingerprint,
            'action': word,
            'arg': draft['arg'],
            'definition': 'sha256:' + action['definition'],
            'impact': impact,
            'mode': 'run',
            'requires': (str(quorum), verify.namespace_of(impact), level),
            'rule': form.encode_percent(rule.encode('ascii')),
            'auto': 'no',
            'argv': _argv_digest(argv),
            'token': argv,
            'file': files,
            'fact': facts,
            'boot_id': host.boot_id,
            'boottime': str(boottime_ms()),
            'wallclock': wallclock(),
        },
    )
    form.parse(form.OFFER, text)
    return text, impact


def look(host, claims, word, args):
    """(tokens, files, facts) of a word as things stand; NOT_FROZEN or NOTHING_TO_REVIEW when there is nothing to do."""
    from . import precheck

    files = [(digest, form.encode_percent(path.encode('utf-8'))) for digest, path in precheck.hash_program(f'{host.bin}/pra-run')]
    if word == 'unfreeze':
        frozen = switch.read(host)
        if frozen is None:
            raise Refusal('NOT_FROZEN')
        switch.check_liftable(host)
        return ['mcp-pra', word], files, [('frozen', name, _write(frozen[name])) for name in ('by', 'id', 'reason', 'since')]
    incident = dict(args)['incident']
    return ['mcp-pra', word, incident], files, sorted(break_glass.facts_of(claims, incident))


def _argv_digest(argv):
    return form.sha256(b''.join(token.encode('utf-8') + b'\0' for token in argv))


def _write(value):
    return form.encode_percent(value.encode('utf-8')) if value else '-'


# --- carrying out


def carry_out(host, word, data, answer: Answer, request):
    """Verifies, claims, does and receipts a `freeze`, `unfreeze` or `review`."""
    from . import claiming, verify
    from .claims import Claims
    from .lock import lock

    permit = verify.verify_built_in(host, word, data)
    request.permit(permit)
    claims = Claims(host)
    claims.prepare_folders()
    with claiming.Shielded(), lock(host, 'claim'):
        earlier = claiming.earlier_claim(claims, permit)
        claim = earlier or _claim(host, claims, permit, word)
        request.record(host, 'REPLAYED' if earlier else None)
    for code in warnings_of(host, permit):
        answer.event('warning', code=code)
    if earlier is None:
        answer.claimed(claims, claim)
    answer.event('receipt', **claims.state_receipt(claim))
    if earlier is not None:
        raise Refusal('REPLAYED')


def _claim(host, claims, permit, word):
    """Under the lock: looks again, claims, does it. A freeze stands before its claim, so that no claim says what is not so; the claim of
    what lifts a protection stands before anything is lifted."""
    from . import claiming, verify

    check_unchanged(host, claims, permit, word)
    if host.is_disabled():
        raise Refusal('DISABLED')
    verify.check_signers_again(host, permit)
    claims.renew_ballast()
    if word == 'freeze':
        switch.throw(host, permit)
        return claims.claim(claiming.make_claim(host, claims, permit, result=switch.outcome_of(host, permit)))
    claim = claims.claim(claiming.make_claim(host, claims, permit))
    began, started = boottime_ms(), wallclock()
    if claims.start(claim['id'], os.getpid()):
        is_done = DEEDS[word](host, claims, permit)
        times = {'started': started, 'finished': wallclock(), 'duration_ms': str(boottime_ms() - began)}
        claims.finish(claim['id'], {'state': 'SUCCEEDED' if is_done else 'FAILED', 'rc': '0' if is_done else '1', **times})
    return claim


def check_unchanged(host, claims, permit, word):
    """Step 12. STALE when another freeze is in force than the one of the offer, or when more ran under the incident since."""
    if word == 'freeze':
        return
    argv, files, facts = look(host, claims, word, permit.ticket['arg'])
    offer = permit.offer
    if _argv_digest(argv) != offer['argv'] or files != offer['file'] or facts != offer['fact']:
        raise Refusal('STALE')
    if word == 'review':
        break_glass.check_reviewer(host, permit)


def warnings_of(host, permit):
    from . import verify

    warnings = ['CLOCK_SKEW'] if verify.is_clock_skewed(permit, wallclock()) else []
    is_weak = permit.impact == 'HIGH' and verify.signer_level_of(host, 'HIGH') == 'software-key'
    return [*warnings, 'SOFTWARE_KEY'] if is_weak else warnings


def _lift_switch(host, _claims, _permit):
    return switch.lift(host)


DEEDS = {'unfreeze': _lift_switch, 'review': break_glass.close}
