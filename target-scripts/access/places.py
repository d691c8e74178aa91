"""Where things are on this host, and whose; written in when the programs are installed."""

ETC = '@ETC@'
RUN = '@RUN@'
HOST_KEY = '@HOST_KEY@'
LOG = '@LOG@'
OWNER_UID = int('@OWNER_UID@')
READER = '@READER_USER@'
RUNNER = 'pra-runner'
# `sudo` on a host; on an embedded target there is no other account, and no systemd.
LAUNCHER = '@LAUNCHER@'
