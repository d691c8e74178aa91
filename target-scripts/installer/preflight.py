"""Refusals before anything is touched. Reads only."""

import os

from .refusal import Refusal


def apply(_site, host):
    if os.geteuid() != 0 and host.root == '':
        raise Refusal('setup-target needs root: run it with sudo')
    host.note('same', 'preflight', host.root or '/')


def remove(_site, _host):
    """Nothing was made."""
