"""Judge request lines with a real wrapper, called as sshd calls it; for bytes that Node cannot put into an environment.

Standard input: {"prefix": DIR, "requests": [{"line": base64, "verbs": {name: text}, "names": {"kind/name": text}}]}
Standard output: [{"exit": n, "stdout": base64, "stderr": text}], in the same order.
"""

import base64
import json
import shutil
import subprocess
import sys
from pathlib import Path


def replace_files(folder, files):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for path, text in files.items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_text(text, encoding='utf-8')


def judge(prefix, request):
    replace_files(prefix / 'lib/verbs', request['verbs'])
    replace_files(prefix / 'etc/names', request['names'])
    (prefix / 'run/reader/rate').unlink(missing_ok=True)
    wrapper = str(prefix / 'bin/mcp-wrapper')
    done = subprocess.run(
        [wrapper, '-c', wrapper],
        env={b'SSH_ORIGINAL_COMMAND': base64.b64decode(request['line'])},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    return {
        'exit': done.returncode,
        'stdout': base64.b64encode(done.stdout).decode('ascii'),
        'stderr': done.stderr.decode('latin-1'),
    }


work = json.load(sys.stdin)
json.dump([judge(Path(work['prefix']), request) for request in work['requests']], sys.stdout)
