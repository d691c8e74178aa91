"""SSHSIG blobs and public keys, parsed strictly (openssh-portable PROTOCOL.sshsig, RFC 4253, RFC 5656, RFC 8709, PROTOCOL.u2f).

Pure. What ssh-keygen verifies later are the very bytes that were parsed here; this module only says what is in them, and
refuses what ssh-keygen would overlook: trailing bytes, other hashes, another key type than the signature's.
"""

import base64
import re

from .refusal import Refusal

ED25519 = 'ssh-ed25519'
SK_ED25519 = 'sk-ssh-ed25519@openssh.com'
SK_ECDSA = 'sk-ecdsa-sha2-nistp256@openssh.com'
RSA = 'ssh-rsa'
# curve name, bytes of an uncompressed point
ECDSA = {'ecdsa-sha2-nistp256': ('nistp256', 65), 'ecdsa-sha2-nistp384': ('nistp384', 97), 'ecdsa-sha2-nistp521': ('nistp521', 133)}
MIN_RSA_BITS = 2048
MAX_RSA_BITS = 16384
MAX_BLOB = 8192

USER_PRESENT = 0x01
USER_VERIFIED = 0x04


class Malformed(Exception):
    pass


class Reader:
    """The data types of RFC 4251, section 5."""

    def __init__(self, data):
        self.data = data
        self.at = 0

    def take(self, count):
        piece = self.data[self.at : self.at + count]
        if len(piece) != count:
            raise Malformed
        self.at += count
        return piece

    def byte(self):
        return self.take(1)[0]

    def uint32(self):
        return int.from_bytes(self.take(4), 'big')

    def string(self):
        return self.take(self.uint32())

    def text(self):
        """A string of visible ASCII."""
        data = self.string()
        if not re.fullmatch(b'[!-~]{1,255}', data):
            raise Malformed
        return data.decode('ascii')

    def positive(self):
        """An mpint greater than zero, in its shortest form."""
        data = self.string()
        value = int.from_bytes(data, 'big', signed=True)
        if value <= 0 or len(data) != value.bit_length() // 8 + 1:
            raise Malformed
        return value

    def end(self):
        if self.at != len(self.data):
            raise Malformed


class Signature:
    """What a SSHSIG blob says. `flags` is None unless a security key signed; `key` is the public key's blob."""

    def __init__(self, blob, key, key_type, namespace, flags):
        self.blob = blob
        self.key = key
        self.key_type = key_type
        self.namespace = namespace
        self.flags = flags

    def is_security_key(self):
        return self.flags is not None

    def armour(self):
        """As ssh-keygen wants to read it."""
        text = base64.b64encode(self.blob).decode('ascii')
        lines = [text[at : at + 70] for at in range(0, len(text), 70)]
        return '\n'.join(['-----BEGIN SSH SIGNATURE-----', *lines, '-----END SSH SIGNATURE-----', '']).encode('ascii')


def parse_signature(blob):
    """A Signature, or Refusal SIGNATURE_FORM. `blob` may be None: base64 that was not canonical."""
    try:
        if blob is None or len(blob) > MAX_BLOB:
            raise Malformed
        return _parse_signature(blob)
    except Malformed:
        raise Refusal('SIGNATURE_FORM') from None


def _parse_signature(blob):
    reader = Reader(blob)
    if reader.take(6) != b'SSHSIG' or reader.uint32() != 1:
        raise Malformed
    key = reader.string()
    namespace = reader.text()
    if reader.string() != b'' or reader.string() != b'sha512':
        raise Malformed
    inner = Reader(reader.string())
    reader.end()
    key_type, modulus_bytes = parse_public_key(key)
    return Signature(blob, key, key_type, namespace, _parse_inner(inner, key_type, modulus_bytes))


def _parse_inner(inner, key_type, modulus_bytes):
    """The signature proper; the flags of a security key, or None."""
    algorithm = inner.text()
    if algorithm not in (('rsa-sha2-256', 'rsa-sha2-512') if key_type == RSA else (key_type,)):
        raise Malformed
    value = inner.string()
    if key_type in (ED25519, SK_ED25519):
        if len(value) != 64:
            raise Malformed
    elif key_type == RSA:
        if len(value) != modulus_bytes:
            raise Malformed
    else:
        pair = Reader(value)
        pair.positive()
        pair.positive()
        pair.end()
    flags = None
    if key_type in (SK_ED25519, SK_ECDSA):
        flags = inner.byte()
        inner.uint32()  # the counter: some keys have none, so it says nothing
    inner.end()
    return flags


def parse_public_key(key):
    """(key type, bytes of the RSA modulus or 0) of a public key's blob; Malformed for any other key than those above."""
    reader = Reader(key)
    key_type = reader.text()
    modulus_bytes = 0
    if key_type in (ED25519, SK_ED25519):
        if len(reader.string()) != 32:
            raise Malformed
    elif key_type in ECDSA or key_type == SK_ECDSA:
        curve, size = ECDSA.get(key_type, ('nistp256', 65))
        if reader.text() != curve:
            raise Malformed
        point = reader.string()
        if len(point) != size or point[0] != 4:
            raise Malformed
    elif key_type == RSA:
        reader.positive()
        modulus = reader.positive()
        if not MIN_RSA_BITS <= modulus.bit_length() <= MAX_RSA_BITS:
            raise Malformed
        modulus_bytes = (modulus.bit_length() + 7) // 8
    else:
        raise Malformed
    if key_type in (SK_ED25519, SK_ECDSA):
        reader.text()  # the application, `ssh:` by default
    reader.end()
    return key_type, modulus_bytes


def fingerprint(key):
    """As `ssh-keygen -l` prints it."""
    import hashlib

    return 'SHA256:' + base64.b64encode(hashlib.sha256(key).digest()).decode('ascii').rstrip('=')
