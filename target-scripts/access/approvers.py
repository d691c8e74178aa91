"""Who may approve on this host, as pra-run reads it, and whether enough of them are left."""

from pra_run import keys, tables
from pra_run.form import IMPACTS

from .failed import Failed
from .files import read
from .places import ETC, OWNER_UID
from .public_keys import fingerprint
from .revocation_lists import contents

SIGNERS = f'{ETC}/allowed_signers'


class TooFew(Failed):
    """The policy of this host speaks against it; nothing is broken."""


def read_signers():
    """By the parser that judges tickets: its Refusal where that would refuse the file."""
    return keys.parse_allowed_signers(read(SIGNERS).encode('utf-8', 'surrogateescape'))


def fingerprint_of(signer):
    return fingerprint(signer.key)


def revoked_signers():
    """Fingerprints."""
    return contents(f'{ETC}/revoked_signers')['hash']


def require_enough(before, after):
    """As many people as the policy asks for, for each impact, with keys of the kind that it asks for; or no fewer than now."""
    policy = tables.load_policy(ETC, OWNER_UID)
    revoked = revoked_signers()
    for impact in IMPACTS:
        wanted = policy['quorum'].get(impact, 1)
        level = policy['signer'].get(impact, 'software-key')
        now, left = (
            {
                signer.principal
                for signer in signers
                if f'mcp-pra-{impact.lower()}' in signer.namespaces
                and (level == 'software-key' or signer.key_type.startswith('sk-'))
                and fingerprint_of(signer) not in revoked
            }
            for signers in (before, after)
        )
        if len(left) < min(wanted, len(now)):
            raise TooFew(f'{impact} needs {wanted} approver(s) on this host ({level}), and {len(left)} would be left; list another one first')
