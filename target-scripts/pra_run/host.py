"""This host: where its things are, its clocks, its key, its policy. Everything is read once and only when asked for."""

import os
import time
from datetime import datetime, timezone

from . import form, tables
from .refusal import Refusal

# What any program started here sees, and nothing more; the same as on the reader channel.
ENVIRONMENT = {
    'PATH': '/usr/sbin:/usr/bin:/sbin:/bin',
    'LC_ALL': 'C.UTF-8',
    'TZ': 'UTC',
    'HOME': '/',
    'TERM': 'dumb',
    'SYSTEMD_COLORS': '0',
    'SYSTEMD_PAGER': '',
    'PAGER': 'cat',
}


def boottime_ms():
    """Milliseconds since boot, suspends included. No one can step this clock."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000


def wallclock():
    return datetime.now(timezone.utc).strftime('%Y-%m-%dT%H:%M:%SZ')


class Host:
    def __init__(self, places):
        self.bin = places['bin']
        self.lib = places['lib']
        self.etc = places['etc']
        self.state = places['state']
        self.run = places['run']
        self.private = places['run'] + '/pra-run'
        self.owner_uid = int(places['owner_uid'])
        self.reader_user = places['reader_user']
        self.log = places['log']
        self.host_key_path = places['host_key']
        self.is_embedded = places['launcher'] == 'direct'
        self._read = {}

    def _once(self, key, read):
        if key not in self._read:
            self._read[key] = read()
        return self._read[key]

    @property
    def policy(self):
        return self._once('policy', lambda: tables.load_policy(self.etc, self.owner_uid))

    @property
    def name(self):
        return self.policy['host']

    @property
    def boot_id(self):
        return self._once('boot_id', _read_boot_id)

    @property
    def key(self):
        """(type, base64, blob) of the SSH host key's public half."""
        return self._once('key', self._read_public_key)

    @property
    def key_fingerprint(self):
        from .sshsig import fingerprint

        return fingerprint(self.key[2])

    def _read_public_key(self):
        from .sshsig import Malformed, parse_public_key

        try:
            fields = tables.read_owned(self.host_key_path + '.pub', self.owner_uid, 16384).decode('utf-8').split()
            blob = form.decode_base64(fields[1])
            if blob is None or parse_public_key(blob)[0] != fields[0]:
                raise ValueError('not a host key')
        except (OSError, ValueError, IndexError, Malformed):
            raise Refusal('HOST_KEY') from None
        return fields[0], fields[1], blob

    def is_disabled(self):
        return os.path.lexists(f'{self.etc}/disabled')

    @property
    def frozen_paths(self):
        """Where the switch may be: the second one only while /etc could not be written."""
        return (f'{self.etc}/frozen', f'{self.private}/frozen')

    def is_frozen(self):
        return any(os.path.lexists(path) for path in self.frozen_paths)

    def has_action(self, name):
        return name is not None and os.path.lexists(f'{self.lib}/actions/{name}.json')

    def action(self, name):
        return self._once('action ' + name, lambda: tables.load_action(self.lib, self.owner_uid, name))


def _read_boot_id():
    with open('/proc/sys/kernel/random/boot_id', encoding='ascii') as file:
        return file.read().strip()
