"""Who called: what goes back to them, and what the audit record says of the call."""

import os
import time

from . import form

OUTPUT_PIECE = 8192
BUILT_IN = ('cancel', 'freeze', 'review', 'unfreeze')
RESERVED = ('prepare', 'status', 'result', 'fence', 'version', *BUILT_IN)


class CallerGone(Exception):
    """Nobody reads our answer any more."""


class Answer:
    """Standard output: the line `mcp-pra 1`, then one JSON object a line."""

    def __init__(self):
        self.is_begun = False

    def event(self, event, **fields):
        import json

        line = json.dumps({'event': event, **fields}, ensure_ascii=True, separators=(',', ':')) + '\n'
        data = (line if self.is_begun else 'mcp-pra 1\n' + line).encode('ascii')
        self.is_begun = True
        try:
            while data:
                data = data[os.write(1, data) :]
        except OSError:
            raise CallerGone from None

    def claimed(self, claims, claim):
        """Says so, and whether a power cut could make this host forget it."""
        is_durable = claims.is_durable(claim)
        if not is_durable:
            self.event('warning', code='NOT_DURABLE')
        self.event('claimed', id=claim['id'], durable=is_durable)

    def output(self, path, offset):
        """Sends what a file holds beyond an offset; the new offset."""
        import base64

        if path is None:
            return offset
        with open(path, 'rb') as file:
            file.seek(offset)
            while True:
                piece = file.read(OUTPUT_PIECE)
                if not piece:
                    return offset
                self.event('output', data=base64.b64encode(piece).decode('ascii'), offset=offset)
                offset += len(piece)


class Request:
    """What the audit record says of this call."""

    def __init__(self):
        self.began = time.monotonic()
        self.is_recorded = False
        self.word = None
        self.id = None
        self.action = None
        self.principals = ()
        self.incident = None
        self.error = None

    def note(self, text):
        self.id = text['id']
        self.action = text.get('action')

    def permit(self, permit):
        self.note(permit.ticket)
        self.principals = permit.principals
        self.incident = form.incident_of(permit.ticket)

    def record(self, host, code=None):
        """Once. Names of actions only when they are installed: a log is no place for words that a caller makes up."""
        from . import audit

        if self.is_recorded:
            return
        self.is_recorded = True
        ms = int((time.monotonic() - self.began) * 1000)
        word = self.word if self.word in RESERVED or host.has_action(self.word) else None
        action = self.action if host.has_action(self.action) else None
        verdict = 'refused' if code else 'ok'
        said = {'word': word, 'code': code, 'error': self.error, 'id': self.id, 'action': action, 'principal': self.principals}
        audit.send(host.log, verdict, **said, incident=self.incident, ms=ms)


class Receipts:
    """An answer without the output of the action."""

    def __init__(self, answer):
        self.event = answer.event

    def output(self, path, offset):
        return offset
