"""Diagnostics as this host asks them of itself: through mcp-wrapper, as the account and in the words of the reader channel."""

import os

from . import answer, tables
from .host import ENVIRONMENT
from .refusal import Refusal

WRAPPER_SECONDS = 5  # for the wrapper itself, which stops the program at its limit and a second later for good
MOST_SECONDS = 20 + WRAPPER_SECONDS  # of one question: the catalog allows a diagnostic 20 s


class Answers:
    """What diagnostics say now. The same question is asked once; a new look needs new Answers."""

    def __init__(self, host, values):
        self.host = host
        self.values = values  # of the action's parameters, for the placeholders in a check's args
        self._sections = {}

    def facts(self, check):
        """The facts of a check by name; those that could not be read are absent. TABLE_BAD when it does not fit its verb file."""
        section = self._section(check)
        return {} if section is None else answer.read_facts(section, check['parse'], check['facts'])

    def require(self, check):
        """TABLE_BAD unless the check could be asked."""
        self._question(check)

    def _question(self, check):
        verb = tables.load_verb(self.host.lib, self.host.owner_uid, check['diagnostic'])
        given = {name: tables.fill(value, self.values) for name, value in check['args'].items()}
        if sorted(given) != sorted(verb.params):
            raise Refusal('TABLE_BAD')
        return verb, ' '.join([check['diagnostic'], *(given[name] for name in verb.params)])

    def _section(self, check):
        verb, line = self._question(check)
        if line not in self._sections:
            self._sections[line] = _parse(_ask_wrapper(self.host, line, verb), verb)
        return self._sections[line]


def _parse(data, verb):
    try:
        (section,) = answer.parse_answer(data, verb.definition, verb.sections, verb.limit_bytes)
    except answer.AnswerError:
        return None
    return section


def _ask_wrapper(host, line, verb):
    """Standard output of mcp-wrapper, called as sshd calls it, as the account that sshd would run it as."""
    import subprocess

    wrapper = f'{host.bin}/mcp-wrapper'
    account = {} if host.is_embedded else _account(host.reader_user)
    process = subprocess.Popen(
        [wrapper, '-c', wrapper],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**ENVIRONMENT, 'SSH_ORIGINAL_COMMAND': line},
        cwd='/',
        start_new_session=True,
        umask=0o077,
        **account,
    )
    try:
        data, _ = process.communicate(timeout=verb.seconds + WRAPPER_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        process.communicate()
        return b''
    return data


def _account(name):
    import pwd

    entry = pwd.getpwnam(name)
    return {'user': entry.pw_uid, 'group': entry.pw_gid, 'extra_groups': os.getgrouplist(name, entry.pw_gid)}
