"""Public keys wherever in a text they stand, by their fingerprints."""

import base64
import binascii
import hashlib
import re

FINGERPRINT = re.compile(r'SHA256:[A-Za-z0-9+/]{43}')
BLOB = re.compile(r'(?<![A-Za-z0-9+/])AAAA[A-Za-z0-9+/]{28,16000}={0,2}')


def blobs_in(text):
    """(blob, line) for everything in a text that decodes to one; wherever in the line it stands."""
    found = []
    for line in text.split('\n'):
        for match in BLOB.finditer(line):
            try:
                found.append((base64.b64decode(match[0], validate=True), line))
            except (binascii.Error, ValueError):
                continue
    return found


def keys_in(text):
    """(fingerprint, line) of the same."""
    return [(fingerprint(blob), line) for blob, line in blobs_in(text)]


def fingerprint(blob):
    return fingerprint_of_digest(hashlib.sha256(blob).digest())


def fingerprint_of_digest(digest):
    return 'SHA256:' + base64.b64encode(digest).decode('ascii').rstrip('=')
