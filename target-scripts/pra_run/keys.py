"""Keys and signatures: who may sign, and what ssh-keygen says about a signature.

ssh-keygen gets the very bytes that were parsed here: message, signature, the one line of the signer, the KRL, each in memory,
so that nothing can change between our reading and its own, and a full disk stops no verification.
"""

import base64
import os
import re
import subprocess

from . import form, tables
from .host import ENVIRONMENT
from .refusal import Refusal
from .sshsig import Malformed, parse_public_key, parse_signature

SSH_KEYGEN = '/usr/bin/ssh-keygen'
SECONDS = 20
OFFER_NAMESPACE = 'mcp-pra-offer'
RECEIPT_NAMESPACE = 'mcp-pra-receipt'
AUTO_NAMESPACE = 'mcp-pra-auto'
SIGNER_LINE = re.compile(rf'({form.WHO}) namespaces="({form.NAMESPACE}(?:,{form.NAMESPACE})*)" ([a-z0-9@.-]+) ({form.BASE64})(?: [ -~]*)?')


class Signer:
    def __init__(self, principal, namespaces, key_type, key_base64, key):
        self.principal = principal
        self.namespaces = namespaces
        self.key_type = key_type
        self.key_base64 = key_base64
        self.key = key


def parse_allowed_signers(data):
    """The signers of an allowed_signers file, stricter than ssh-keygen reads it; SIGNERS_FILE otherwise. Pure."""
    signers = []
    try:
        lines = data.decode('ascii').split('\n')
    except UnicodeDecodeError:
        raise Refusal('SIGNERS_FILE') from None
    for line in lines:
        if line.strip() and not line.startswith('#'):
            signers.append(_parse_signer(line))
    if len({signer.key for signer in signers}) < len(signers):
        raise Refusal('SIGNERS_FILE')
    # Two keys of one person, for the same purposes: the old and the new one of a rotation. They count as one person (check_quorum).
    for principal in {signer.principal for signer in signers}:
        theirs = [sorted(signer.namespaces) for signer in signers if signer.principal == principal]
        if len(theirs) > 2 or theirs[0] != theirs[-1] or (len(theirs) == 2 and AUTO_NAMESPACE in theirs[0]):
            raise Refusal('SIGNERS_FILE')
    return signers


def _parse_signer(line):
    found = SIGNER_LINE.fullmatch(line)
    key = form.decode_base64(found[4]) if found else None
    if key is None:
        raise Refusal('SIGNERS_FILE')
    namespaces = found[2].split(',')
    try:
        key_type = parse_public_key(key)[0]
    except Malformed:
        raise Refusal('SIGNERS_FILE') from None
    if key_type != found[3] or len(set(namespaces)) < len(namespaces) or (AUTO_NAMESPACE in namespaces and len(namespaces) > 1):
        raise Refusal('SIGNERS_FILE')
    return Signer(found[1], namespaces, key_type, found[4], key)


class Keyring:
    """allowed_signers and the KRL as they were when they were read. Missing or garbled: SIGNERS_FILE."""

    def __init__(self, host):
        try:
            self.seen = self._look(host)
            self.signers = parse_allowed_signers(tables.read_owned(f'{host.etc}/allowed_signers', host.owner_uid))
            self.krl = tables.read_owned(f'{host.etc}/revoked_signers', host.owner_uid, 1 << 20)
        except OSError:
            raise Refusal('SIGNERS_FILE') from None

    def _look(self, host):
        """What tells one version of the two files from another: each is replaced, never written over."""
        states = [os.stat(f'{host.etc}/{name}') for name in ('allowed_signers', 'revoked_signers')]
        return [(state.st_dev, state.st_ino, state.st_ctime_ns, state.st_size) for state in states]

    def is_current(self, host):
        """Whether both files are still those that were read."""
        try:
            return self._look(host) == self.seen
        except OSError:
            return False

    def require(self, signer):
        """SIGNER_UNKNOWN or SIGNER_REVOKED unless a signer, found in an earlier version of the files, still counts."""
        if not any((one.principal, one.key) == (signer.principal, signer.key) for one in self.signers):
            raise Refusal('SIGNER_UNKNOWN')
        if self.is_revoked(signer.key_type, signer.key_base64):
            raise Refusal('SIGNER_REVOKED')

    def verify(self, signature, message):
        """The Signer of a good signature; SIGNER_UNKNOWN, SIGNER_REVOKED or SIGNATURE_BAD otherwise."""
        signer = next((one for one in self.signers if one.key == signature.key and signature.namespace in one.namespaces), None)
        if signer is None:
            raise Refusal('SIGNER_UNKNOWN')
        if self.is_revoked(signer.key_type, signer.key_base64):
            raise Refusal('SIGNER_REVOKED')
        if not verify_with_key(signature, message, signer.principal, signer.key_type, signer.key_base64, self.krl):
            raise Refusal('SIGNATURE_BAD')
        return signer

    def is_revoked(self, key_type, key_base64):
        """Asks ssh-keygen, which answers 0, or 1 and REVOKED; anything else means that the KRL cannot be read."""
        done = _ssh_keygen(['-Q', '-f', self.krl, f'{key_type} {key_base64}\n'.encode('ascii')])
        if done.returncode == 1 and b'REVOKED' in done.stdout:
            return True
        if done.returncode != 0:
            raise Refusal('SIGNERS_FILE')
        return False


def verify_with_key(signature, message, principal, key_type, key_base64, krl):
    """Whether exactly this key made the signature over the message in the signature's namespace."""
    line = f'{principal} namespaces="{signature.namespace}" {key_type} {key_base64}\n'.encode('ascii')
    words = ['-Y', 'verify', '-f', line, '-I', principal, '-n', signature.namespace, '-s', signature.armour(), '-r', krl]
    return _ssh_keygen(words, message).returncode == 0


def verify_own_offer(host, keyring, signature, offer_bytes):
    """OFFER_SIGNATURE unless this host's own key, unrevoked, signed these bytes as an offer."""
    key_type, key_base64, key = host.key
    own = signature.key == key and signature.namespace == OFFER_NAMESPACE
    if not own or keyring.is_revoked(key_type, key_base64) or not verify_with_key(signature, offer_bytes, 'host', key_type, key_base64, keyring.krl):
        raise Refusal('OFFER_SIGNATURE')


def sign_as_host(host, namespace, text):
    """base64 of the SSHSIG blob that this host's key makes over a text."""
    done = _ssh_keygen(['-Y', 'sign', '-f', host.host_key_path, '-n', namespace], text)
    lines = done.stdout.decode('ascii', 'replace').split('\n')
    blob = form.decode_base64(''.join(line for line in lines if not line.startswith('-----')))
    if done.returncode != 0 or blob is None:
        raise Refusal('HOST_KEY')
    signature = parse_signature(blob)
    if signature.key != host.key[2] or signature.namespace != namespace:
        raise Refusal('HOST_KEY')
    return base64.b64encode(blob).decode('ascii')


def _ssh_keygen(words, message=b''):
    """Runs ssh-keygen; each word that is bytes is handed over as a file in memory."""
    handles = []
    try:
        argv = [SSH_KEYGEN]
        for word in words:
            if isinstance(word, bytes):
                handles.append(os.memfd_create('mcp-pra'))
                _write_all(handles[-1], word)
                word = f'/proc/self/fd/{handles[-1]}'
            argv.append(word)
        return subprocess.run(
            argv, input=message, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, pass_fds=handles, env=ENVIRONMENT, timeout=SECONDS, check=False
        )
    finally:
        for handle in handles:
            os.close(handle)


def _write_all(handle, data):
    while data:
        data = data[os.write(handle, data) :]


