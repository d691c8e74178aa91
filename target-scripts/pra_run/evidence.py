"""Facts before and after a run: which ones, and how a receipt writes them (docs/wire-protocol.md, section 3, Receipt)."""

from . import answer, form

ABSENT = '-'
MAX_VALUE = 192  # characters of a value as a receipt writes it
MAX_BYTES = 7168  # of all evidence lines: a receipt is at most 8 KiB
ELLIPSIS = '…'


def looks(action):
    """(check, names of facts) of an action or a claim: what its verification expects and shows, then what its prechecks want stable.

    None of an action without a verification. Where both ask the same of one diagnostic, that is one look; where they ask it about
    different things, the verification's counts.
    """
    found = {}
    for check in action['verify']:
        found[check['diagnostic']] = (check, dict.fromkeys([*(expectation['fact'] for expectation in check['expect']), *check['evidence']]))
    for check in action['precheck'] if action['verify'] else ():
        other, names = found.setdefault(check['diagnostic'], (check, {}))
        if other['args'] == check['args']:
            names.update(dict.fromkeys(check['stable']))
    return [(check, list(names)) for check, names in found.values()]


def measure(answers, action):
    """[[diagnostic, fact, value]] as they are now, the most telling first."""
    lines = []
    for check, names in looks(action):
        facts = answers.facts(check)
        lines.extend([check['diagnostic'], name, write(facts.get(name))] for name in names)
    return lines


def write(value):
    """A fact as an offer or a receipt writes it."""
    return ABSENT if value is None else form.encode_percent(answer.write_fact(value))


def compare(before, after):
    """The evidence lines of a receipt, sorted. Long values are cut; what does not fit is left out, the least telling first."""
    earlier = {(diagnostic, fact): value for diagnostic, fact, value in before}
    lines, room = [], MAX_BYTES
    for diagnostic, fact, value in after:
        line = (diagnostic, fact, _cut(earlier.get((diagnostic, fact), ABSENT)), _cut(value))
        room -= len(' '.join(('evidence', *line))) + 1
        if room < 0:
            break
        lines.append(line)
    return sorted(lines)


def _cut(value):
    if len(value) <= MAX_VALUE:
        return value
    text = form.decode_percent(value).decode('utf-8')
    end = form.encode_percent(ELLIPSIS.encode('utf-8'))
    while len(value) > MAX_VALUE - len(end):
        text = text[:-1]
        value = form.encode_percent(text.encode('utf-8'))
    return value + end
