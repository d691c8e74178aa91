"""Unpacks on the host what the role sent on standard input, into a new folder of root's; prints the folder.

JSON: `pack` is a gzipped tar of package.json and target-scripts in base64, `site` becomes site.json. Fed to python3 by tasks/send.yml.
"""

import base64
import io
import json
import os
import sys
import tarfile
import tempfile

os.umask(0o022)
sent = json.load(sys.stdin)
with tarfile.open(fileobj=io.BytesIO(base64.b64decode(sent['pack'])), mode='r:gz') as pack:
    members = [member for member in pack.getmembers() if member.isreg() or member.isdir()]
    for member in members:
        # The pack is ours; these two say so to tar and to whoever reads it.
        if member.name.startswith('/') or '..' in member.name.split('/'):
            sys.exit('the pack names a path outside of it')
        member.uid = member.gid = 0
        member.uname = member.gname = 'root'
        member.mode &= 0o755
    folder = tempfile.mkdtemp(prefix='mcp-pra-', dir='/run')
    pack.extractall(folder, members)
with open(f'{folder}/site.json', 'w', encoding='utf-8') as site:
    json.dump(sent['site'], site)
print(folder)
