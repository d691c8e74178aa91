"""Values of a program's answer, taken as what they should be: a program may say anything, and all of it goes to a reader."""

import re


def short(text, most=128):
    """Printable ASCII or question marks, and no more of it than that; None for what is no text."""
    return re.sub(r'[^ -~]', '?', text)[:most] if isinstance(text, str) else None


def whole(value):
    """A whole number, None for anything else: true is none, nor is one that JSON's readers could not tell from its neighbour (RFC 8259, 6)."""
    return value if type(value) is int and abs(value) < 1 << 53 else None


def member(value, *path):
    """A member of a member; None where there is none on the way."""
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def known(row):
    """Without the members of which nothing is known."""
    return {name: value for name, value in row.items() if value is not None}
