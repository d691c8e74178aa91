"""What the target looks at before it offers and before it runs: argv, the files it executes, the facts of its prechecks."""

import os
import re
import stat

from . import answer, form, tables
from .host import ENVIRONMENT
from .refusal import Refusal

ABSENT = '-'


class Resolved:
    """An action made concrete on this host, now."""

    def __init__(self, argv, files, facts):
        self.argv = argv  # strings
        self.files = files  # (sha256:…, path), in order of execution
        self.facts = facts  # (diagnostic, fact, percent-encoded value or '-'), the stable ones, in order

    def argv_digest(self):
        return form.sha256(b''.join(token.encode('utf-8') + b'\0' for token in self.argv))


def resolve(host, action, args):
    """Argv, files and facts; PROGRAM_MISSING, SCRIPT_CHANGED, ARG_NOT_ON_HOST, TABLE_BAD or PRECHECK_FAILED otherwise."""
    argv = resolve_argv(host, action, args)
    return Resolved(argv, hash_files(host, action, argv), run_prechecks(host, action, args))


def resolve_argv(host, action, args):
    kinds = {param['name']: param['type'] for param in action['params']}
    values = {}
    for name, value in args:
        is_name = kinds[name] in tables.NAME_TYPES
        values[name] = tables.look_up_name(host.etc, host.owner_uid, kinds[name], value) if is_name else value
    argv = [tables.fill(token, values) for token in action['argv']]
    if action['script'] is not None:
        argv[0] = script_path(host, action)
    return argv


def script_path(host, action):
    return f'{host.lib}/scripts/{action["script"]["file"]}'


def check_script(host, action):
    """SCRIPT_CHANGED unless the action's script is the owner's and exactly as in the definition."""
    if action['script'] is None:
        return
    try:
        data = tables.read_owned(script_path(host, action), host.owner_uid, 1 << 20)
    except OSError:
        raise Refusal('SCRIPT_CHANGED') from None
    if form.sha256(data) != 'sha256:' + action['script']['sha256']:
        raise Refusal('SCRIPT_CHANGED')


def hash_files(host, action, argv):
    """The files that an action executes, its script as in the definition."""
    check_script(host, action)
    return hash_program(argv[0])


def hash_program(path):
    """[(sha256:…, path)] of a program and, when it is a script, of its interpreter; PROGRAM_MISSING otherwise."""
    digest, head = _hash_file(path)
    files = [(digest, path)]
    interpreter = re.match(rb'#! *(/[!-~]+)', head)
    if interpreter:
        path = interpreter[1].decode('ascii')
        files.append((_hash_file(path)[0], path))
    return files


def _hash_file(path):
    """(sha256:…, first bytes) of a regular file, symbolic links followed as exec does."""
    import hashlib

    digest = hashlib.sha256()
    head = b''
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(handle, 'rb', buffering=0) as file:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise Refusal('PROGRAM_MISSING')
            while True:
                piece = file.read(1 << 18)
                if not piece:
                    return 'sha256:' + digest.hexdigest(), head
                head = head or piece[:256]
                digest.update(piece)
    except OSError:
        raise Refusal('PROGRAM_MISSING') from None


def run_prechecks(host, action, args):
    """The stable facts as an offer writes them; PRECHECK_FAILED when an expectation is not met."""
    values = dict(args)
    lines = []
    for precheck in action['precheck']:
        facts = _facts_of(host, precheck, values)
        if not all(answer.is_fulfilled(expectation, facts) for expectation in precheck['expect']):
            raise Refusal('PRECHECK_FAILED')
        for name in precheck['stable']:
            lines.append((precheck['diagnostic'], name, _write(facts.get(name))))
    return sorted(lines)


def _write(value):
    return ABSENT if value is None else form.encode_percent(answer.write_fact(value))


def _facts_of(host, precheck, values):
    verb = tables.load_verb(host.lib, host.owner_uid, precheck['diagnostic'])
    given = {name: tables.fill(value, values) for name, value in precheck['args'].items()}
    if sorted(given) != sorted(verb.params):
        raise Refusal('TABLE_BAD')
    line = ' '.join([precheck['diagnostic'], *(given[name] for name in verb.params)])
    data = _ask_wrapper(host, line, verb)
    try:
        (section,) = answer.parse_answer(data, verb.definition, verb.sections, verb.limit_bytes)
    except answer.AnswerError:
        return {}
    return answer.read_facts(section, precheck['parse'], precheck['facts'])


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
        # The wrapper stops the program at its limit and a second later for good; this is for the wrapper itself.
        data, _ = process.communicate(timeout=verb.seconds + 5)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        process.communicate()
        return b''
    return data


def _account(name):
    import pwd

    entry = pwd.getpwnam(name)
    return {'user': entry.pw_uid, 'group': entry.pw_gid, 'extra_groups': os.getgrouplist(name, entry.pw_gid)}
