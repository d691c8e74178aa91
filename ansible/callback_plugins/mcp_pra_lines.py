"""Output for `mcp-pra keys revoke`: one JSON object a line for each host and task, as it happens; first the hosts of the play."""

import json
import sys

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: mcp_pra_lines
type: stdout
short_description: One JSON object a line
description: Says of each host and task what came of it, for a program that reads along.
"""

MAX = 20000
NAMES = 'Name the hosts'


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = 'stdout'
    CALLBACK_NAME = 'mcp_pra_lines'

    def say(self, result, state):
        found = result._result
        if result._task.get_name() == NAMES:
            # Pairs: the name in the inventory, and mcp_pra_host or nothing. Whole, however many there are.
            if isinstance(found.get('msg'), list):
                self.write({'hosts': found['msg']})
            return
        line = {
            'host': result._host.get_name(),
            'task': result._task.get_name(),
            'state': state,
            'rc': found.get('rc'),
            'stdout': str(found.get('stdout', ''))[:MAX],
            'stderr': str(found.get('stderr', ''))[:MAX],
            'msg': str(found.get('msg', ''))[:MAX],
        }
        self.write(line)

    def write(self, line):
        sys.stdout.write(json.dumps(line) + '\n')
        sys.stdout.flush()

    def v2_runner_on_ok(self, result):
        self.say(result, 'ok')

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self.say(result, 'failed')

    def v2_runner_on_unreachable(self, result):
        self.say(result, 'unreachable')
