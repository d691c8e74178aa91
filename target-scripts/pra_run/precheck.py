"""What the target looks at before it offers and before it runs: argv, the files it executes, the facts of its prechecks."""

import os
import re
import stat

from . import answer, evidence, form, tables
from .diagnostics import Answers
from .refusal import Refusal


class Resolved:
    """An action made concrete on this host, now."""

    def __init__(self, argv, files, facts, answers):
        self.argv = argv  # strings
        self.files = files  # (sha256:…, path), in order of execution
        self.facts = facts  # (diagnostic, fact, percent-encoded value or '-'), the stable ones, in order
        self.answers = answers  # of the prechecks, so that nothing is asked twice

    def argv_digest(self):
        return form.sha256(b''.join(token.encode('utf-8') + b'\0' for token in self.argv))


def resolve(host, action, args):
    """Argv, files and facts; PROGRAM_MISSING, SCRIPT_CHANGED, ARG_NOT_ON_HOST, TABLE_BAD or PRECHECK_FAILED otherwise."""
    argv = resolve_argv(host, action, args)
    answers = Answers(host, dict(args))
    for check in action['verify']:  # what could not be verified afterwards is not begun
        answers.require(check)
    return Resolved(argv, hash_files(host, action, argv), run_prechecks(answers, action), answers)


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


def run_prechecks(answers, action):
    """The stable facts as an offer writes them; PRECHECK_FAILED when an expectation is not met."""
    lines = []
    for precheck in action['precheck']:
        facts = answers.facts(precheck)
        if not all(answer.is_fulfilled(expectation, facts) for expectation in precheck['expect']):
            raise Refusal('PRECHECK_FAILED')
        lines.extend((precheck['diagnostic'], name, evidence.write(facts.get(name))) for name in precheck['stable'])
    return sorted(lines)


def are_unchanged(action, offered, now):
    """Whether the stable facts are as they were offered; an integer may have moved by its tolerance."""
    tolerances = {(check['diagnostic'], name): most for check in action['precheck'] for name, most in check['tolerance'].items()}
    return [fact[:2] for fact in offered] == [fact[:2] for fact in now] and all(
        before == after or _is_near(before, after, tolerances.get((diagnostic, name), 0))
        for (diagnostic, name, before), (_, _, after) in zip(offered, now)
    )


def _is_near(before, after, most):
    """Of whole numbers as facts are written; a fact that came or went is near nothing."""
    return all(re.fullmatch('0|-?[1-9][0-9]{0,15}', value) for value in (before, after)) and abs(int(before) - int(after)) <= most
