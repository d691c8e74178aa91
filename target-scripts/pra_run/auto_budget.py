"""What the auto key may still start: cooldown, budgets of an hour and of a day, by the claims that there are."""

from .host import boottime_ms
from .refusal import Refusal


def check_auto_limits(host, claims, action, args):
    """AUTO_LIMITED when the cooldown or a budget says so."""
    ages = auto_ages(claims, host.boot_id, boottime_ms())
    runs = [claim for claim in claims if claim['is_auto'] and not claim['is_fence']]
    pair = [ages[claim['id']] for claim in runs if claim['action'] == action['name'] and claim['args'] == [list(arg) for arg in args]]
    limits = host.policy['auto_limits']
    if any(age < action['cooldown'] * 1000 for age in pair) or sum(age < 3_600_000 for age in pair) >= limits['pair_per_hour']:
        raise Refusal('AUTO_LIMITED')
    check_auto_day(host, claims)


def check_auto_day(host, claims):
    """AUTO_LIMITED when the auto key made its claims of a day. Fences count: what they burn is kept as long as what ran."""
    ages = auto_ages(claims, host.boot_id, boottime_ms())
    if sum(ages[claim['id']] < 86_400_000 for claim in claims if claim['is_auto']) >= host.policy['auto_limits']['host_per_day']:
        raise Refusal('AUTO_LIMITED')


def auto_ages(claims, boot_id, now_ms):
    """For each claim, how many milliseconds ago it was made at the least. Pure.

    Only CLOCK_BOOTTIME counts, so that stepping the wall clock opens no budget. For a claim of an earlier boot: what that boot
    was seen to live after it, what later boots were seen to live, and this one's uptime. The true age can only be greater.
    Boots are put in order by the length of the receipt chain, which only grows.
    """
    boots = {}
    for claim in claims:
        last, first_n, last_n = boots.get(claim['boot_id'], (0, claim['n'], claim['n']))
        boots[claim['boot_id']] = (max(last, claim['boottime_ms']), min(first_n, claim['n']), max(last_n, claim['n']))
    ages = {}
    for claim in claims:
        if claim['boot_id'] == boot_id:
            ages[claim['id']] = now_ms - claim['boottime_ms']
            continue
        lived, _, last_n = boots[claim['boot_id']]
        later = sum(boot[0] for other, boot in boots.items() if other != boot_id and boot[1] > last_n)
        ages[claim['id']] = lived - claim['boottime_ms'] + later + now_ms
    return ages
