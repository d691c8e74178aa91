import type { LabHost } from '../lab/lab.ts';

// Layers taken away, one at a time, on a host that is there for it. An attack must then get through, or meet the next layer:
// a row that is refused either way proves nothing.

/** A change of text that must find what it changes: an edit that no longer fits the program is a red test, not a quiet one. */
type Change = (text: string) => string;
type Edit = readonly [from: string, to: string];

export interface Degradation {
  /** What is off, for the reader of a test run. */
  readonly what: string;
  /** Files and what becomes of them; restored byte for byte afterwards. A missing file is created, and removed again. */
  readonly files?: Readonly<Record<string, Change>>;
  /** For what is not the content of a file: shell, as root, and what undoes it. */
  readonly scripts?: readonly [apply: string, undo: string];
  /** sshd has to read its configuration again. */
  readonly sshd?: true;
}

const without =
  (...edits: readonly Edit[]): Change =>
  (text) =>
    edits.reduce((now, [from, to]) => {
      if (now.split(from).length < 2) throw new Error(`nothing to take away: ${from}`);
      return now.replaceAll(from, () => to);
    }, text);

const instead =
  (text: string): Change =>
  () =>
    text;

const WRAPPER = '/usr/local/bin/mcp-wrapper';
const EXEC = '/usr/local/bin/pra-exec';
const DROPIN = '/etc/ssh/sshd_config.d/00-mcp-pra.conf';
const KEYS = '/etc/mcp-pra/authorized_keys';
const RESTART_RSYSLOG = 'systemctl reset-failed rsyslog; systemctl restart rsyslog';
const SUDOERS = '/etc/sudoers.d/mcp-pra';
const MODULES = '/usr/local/lib/mcp-pra/pra_run';

/** A wrapper as people write them, in place of ours. Each works in a folder where a canary can be made without a slash. */
const naive = (what: string, body: string, interpreter = '/bin/bash'): Degradation => ({
  what: `a wrapper that ${what}`,
  files: { [WRAPPER]: instead(`#!${interpreter}\n${body}`) },
});

const SHELL_HEAD = `cd /var/tmp
line=$SSH_ORIGINAL_COMMAND
asked() { echo "asked $#: $*"; }
uptime() { cat /proc/uptime; }
unit_status() { asked "$@"; }
unit_journal() { asked "$@"; }
`;

/** One of our own checks taken out of one of our own programs. */
const patched = (what: string, path: string, ...edits: readonly Edit[]): Degradation => ({
  what,
  files: { [path]: without(...edits) },
});

/** pra-run without one refusal. */
const unrefused = (code: string, module: string): Degradation =>
  patched(`pra-run does not refuse ${code}`, `${MODULES}/${module}.py`, [
    `raise Refusal('${code}')\n`,
    'pass\n',
  ]);

/** sshd rules that only say where the keys are: what the Match block adds is gone. */
const BARE_RULES = `Match User mcp-reader,pra-runner
    AuthorizedKeysFile /etc/mcp-pra/authorized_keys/%u
    TrustedUserCAKeys /etc/mcp-pra/user_ca_keys
    AuthorizedPrincipalsFile /etc/mcp-pra/principals/%u
    AllowTcpForwarding yes
    AllowStreamLocalForwarding yes
    AllowAgentForwarding yes
    X11Forwarding yes
    PermitTunnel yes
    PermitUserRC yes
    GatewayPorts clientspecified
    PermitTTY yes
Match all
`;
const bareKeys: Change = (text) => text.replaceAll(/^restrict,\S*(?: \S+)*? (?=ssh-|sk-|ecdsa-)/gmu, '');
const barePrincipals: Change = (text) => text.replaceAll(/^restrict,\S* /gmu, '');
const noRules: Degradation['files'] = {
  [DROPIN]: instead(BARE_RULES),
  [`${KEYS}/mcp-reader`]: bareKeys,
  [`${KEYS}/pra-runner`]: bareKeys,
  '/etc/mcp-pra/principals/mcp-reader': barePrincipals,
  '/etc/mcp-pra/principals/pra-runner': barePrincipals,
};
/** A program that sshd wants before it forwards X11. */
const XAUTH: Degradation['files'] = { '/usr/bin/xauth': instead('#!/bin/sh\nexit 0\n') };
const shells = (apply: string): readonly [string, string] => [
  `usermod -s ${apply} mcp-reader; usermod -s ${apply} pra-runner`,
  `usermod -s ${WRAPPER} mcp-reader; usermod -s ${EXEC} pra-runner`,
];

export const DEGRADATIONS = {
  'naive: eval': naive(
    'looks for a listed verb and leaves the rest to the shell',
    `${SHELL_HEAD}case $line in *uptime*|*unit_status*|*unit_journal*) eval "$line" ;; *) echo no; exit 126 ;; esac\n`,
  ),
  'naive: grep': naive(
    'greps for a whole line and evaluates it',
    `${SHELL_HEAD}printf '%s\\n' "$line" | grep -Eq '^(uptime|memory)$' && eval "$line"\n`,
  ),
  'naive: bash arithmetic': naive(
    'compares a number in bash',
    `${SHELL_HEAD}set -f; set -- $line; [[ $3 -gt 0 ]] && asked "$@"\n`,
  ),
  'naive: glob': naive(
    'splits the line with globbing on',
    'cd /\nset -- $SSH_ORIGINAL_COMMAND\necho "asked $#: $*"\n',
  ),
  'naive: options': naive(
    'passes values on, without -- and without a look at them',
    `cd /var/tmp; set -f; set -- $SSH_ORIGINAL_COMMAND; verb=$1; shift
case $verb in
  unit_status) exec systemctl status --no-pager "$@" 2>&1 ;;
  unit_journal) exec journalctl --no-pager "$@" 2>&1 ;;
  listening_ports) exec ss -ltn "$@" 2>&1 ;;
  uptime) exec cat "$@" 2>&1 ;;
esac
`,
  ),
  'naive: programs': naive(
    'lists programs instead of argument vectors',
    `cd /var/tmp; set -f; set -- $SSH_ORIGINAL_COMMAND
case $1 in date|sort|ip|dmesg|ss|systemctl|journalctl|git-upload-pack|scp|rsync|env) exec "$@" 2>&1 ;; esac
exit 126
`,
  ),
  'naive: exec': naive('runs what it was asked', 'exec $SSH_ORIGINAL_COMMAND 2>&1\n'),
  'naive: path': naive(
    'makes paths of what it was asked',
    `set -f; set -- $SSH_ORIGINAL_COMMAND
case $1 in
  unit_status) exec cat "/etc/systemd/system/$2" 2>&1 ;;
  *) exec "/usr/local/lib/mcp-pra/verbs/$1" 2>&1 ;;
esac
`,
  ),
  'naive: log': naive(
    'logs what it was asked',
    `set -f
printf 'verdict=refused line=%s\\n' "$SSH_ORIGINAL_COMMAND"
logger -s -t naive $SSH_ORIGINAL_COMMAND
exit 126
`,
  ),
  'naive: log first': naive(
    'writes its log before anything else, and gives up without it',
    'logger --socket-errors=on -u /dev/log -t naive asked || exit 70\necho mcp-pra 1\n',
    '/bin/sh',
  ),
  'naive: python': naive(
    'matches with $, normalises, and lets int() and split() decide',
    `import os, re, subprocess, unicodedata
os.chdir('/var/tmp')
line = os.environ['SSH_ORIGINAL_COMMAND']
if not re.match(r'^(uptime|unit_status|unit_journal)', unicodedata.normalize('NFKC', line)):
    raise SystemExit(126)
words = line.split()
print('asked', [int(word) if word.isdigit() else word for word in words], flush=True)
if re.match(r'^[a-z_]+$', line):
    print('matched', repr(line), flush=True)
subprocess.run(unicodedata.normalize('NFKC', line).replace('unit_status', 'echo'), shell=True)
`,
    '/usr/bin/python3',
  ),
  'wrapper: line form': patched(
    'mcp-wrapper does not look at the form of the line',
    WRAPPER,
    ['[ "${#SSH_ORIGINAL_COMMAND}" -le 512 ] || refuse 64 LINE_FORM', ':'],
    [
      `'' | *[!\\ -~]* | ' '* | *' ' | *'  '* | -* | *' -'* | */*) refuse 64 LINE_FORM ;;`,
      `'') refuse 64 LINE_FORM ;;`,
    ],
    ['is_name "${SSH_ORIGINAL_COMMAND%% *}" || refuse 64 LINE_FORM', ':'],
  ),
  'wrapper: values': patched('mcp-wrapper does not judge values', WRAPPER, [
    'is_value "$type" "${row#*"$TAB"}" "$value" || refuse 64 VALUE_BAD',
    ':',
  ]),
  'wrapper: count': patched('mcp-wrapper does not count values', WRAPPER, [
    '[ $# -eq "$count" ] || refuse 64 VALUE_COUNT',
    ':',
  ]),
  'wrapper: rate': patched('mcp-wrapper counts no requests', WRAPPER, [
    '[ -n "${SSH_CONNECTION-}" ] || return 0',
    'return 0',
  ]),
  'wrapper: rate file': patched('mcp-wrapper trusts its rate file', WRAPPER, [
    `|| [ -L "$rate" ] || { [ -e "$rate" ] && [ ! -f "$rate" ]; }`,
    '',
  ]),
  'wrapper: switch': patched('mcp-wrapper does not look at the switch', WRAPPER, [
    '[ ! -e "$ETC/disabled" ] && [ ! -L "$ETC/disabled" ] || refuse 75 DISABLED',
    ':',
  ]),
  'wrapper: owner': patched('mcp-wrapper trusts tables of anyone', WRAPPER, [
    'sudo) [ ! -O "$1" ] && [ ! -w "$1" ] ;;',
    'sudo) : ;;',
  ]),
  'wrapper: links': patched('mcp-wrapper follows links to tables', WRAPPER, [
    'is_owned "$table" && [ ! -L "$table" ]',
    ':',
  ]),
  'wrapper: names': patched(
    'mcp-wrapper takes whatever a name’s file says',
    WRAPPER,
    ['[ -f "$entry" ] && [ ! -L "$entry" ] && is_owned "$entry" && is_owned "${entry%/*}"', ':'],
    [`case $place in '' | -* | *[!\\ -~]*) refuse 64 NAME_UNKNOWN ;; esac`, ':'],
    ['{ IFS= read -r place && ! IFS= read -r more && [ -z "$more" ]; }', '{ IFS= read -r place; }'],
  ),
  'wrapper: time limit': patched('mcp-wrapper has no time limit', WRAPPER, [
    'timeout -k 1 "$seconds" "$@"',
    'timeout -k 1 3600 "$@"',
  ]),
  'wrapper: output stop': patched('mcp-wrapper has no output stop', WRAPPER, [
    'count="$bytes" iflag=fullblock,count_bytes',
    'iflag=fullblock',
  ]),
  'wrapper: log in the background': patched(
    'mcp-wrapper waits for its log',
    WRAPPER,
    ['</dev/null >/dev/null 2>&1 3<&- 9>&- &\n}', '</dev/null >/dev/null 2>&1 3<&- 9>&-\n}'],
    ['/usr/bin/timeout -k 1 1 /usr/bin/logger', '/usr/bin/logger'],
  ),
  'wrapper: caller': patched('mcp-wrapper does not notice that its caller is gone', WRAPPER, [
    'kill -TERM $$',
    ':',
  ]),
  'wrapper: no_new_privs': patched('mcp-wrapper leaves set-user-id programs their privileges', WRAPPER, [
    '--no-new-privs',
    '',
  ]),
  'wrapper: environment': {
    what: 'sshd takes any variable, and mcp-wrapper passes its environment on',
    files: {
      [WRAPPER]: without(['/usr/bin/env -i', '/usr/bin/env']),
      [DROPIN]: without(['    PermitTTY no', '    PermitTTY no\n    AcceptEnv *']),
    },
    sshd: true,
  },
  'sshd: environment': {
    what: 'sshd takes any variable',
    files: { [DROPIN]: without(['    PermitTTY no', '    PermitTTY no\n    AcceptEnv *']) },
    sshd: true,
  },
  'sshd: Match': {
    what: 'the Match block only says where the keys are',
    files: { [DROPIN]: instead(BARE_RULES), ...XAUTH },
    scripts: ['chmod 0755 /usr/bin/xauth', ':'],
    sshd: true,
  },
  'sshd: Match and key options': {
    what: 'neither Match block nor key options',
    files: { ...noRules, ...XAUTH },
    scripts: ['chmod 0755 /usr/bin/xauth', ':'],
    sshd: true,
  },
  'sshd: open door': {
    what: 'neither Match block nor key options, and a plain shell',
    files: noRules,
    scripts: shells('/bin/sh'),
    sshd: true,
  },
  'sshd: sessions': {
    what: 'any number of sessions on a connection',
    files: { [DROPIN]: without(['    MaxSessions 10', '    MaxSessions 100']) },
    sshd: true,
  },
  'sshd: names of hosts': {
    what: 'sshd looks up the names of its clients',
    files: { [DROPIN]: (text) => `UseDNS yes\n${text}` },
    sshd: true,
  },
  'sshd: revoked keys': {
    what: 'sshd knows no revoked keys',
    files: { [DROPIN]: without(['    RevokedKeys /etc/mcp-pra/revoked_keys\n', '']) },
    sshd: true,
  },
  'certificates: for everybody': {
    what: 'the authority is trusted for every account, root too',
    files: {
      [DROPIN]: (text) =>
        `TrustedUserCAKeys /etc/mcp-pra/user_ca_keys\nPermitRootLogin prohibit-password\n${text}`,
    },
    sshd: true,
  },
  'revocation: connections': {
    what: 'a revocation that ends no connections',
    files: {
      '/usr/local/lib/mcp-pra/revoke-keys': instead(`#!/bin/sh
cd /etc/mcp-pra
for account in mcp-reader pra-runner; do
  while read -r line; do
    printf '%s\\n' "$line" >/run/one
    ssh-keygen -lf /run/one | grep -qF "$2" || printf '%s\\n' "$line"
  done <authorized_keys/$account >/run/kept
  cat /run/kept >authorized_keys/$account
done
`),
    },
  },
  'logs: by tag': {
    what: 'records go where their tag says',
    files: {
      '/etc/rsyslog.d/10-mcp-pra.conf': instead(
        `module(load="imjournal" StateFile="mcp-pra-imjournal.state" IgnorePreviousMessages="on" Ratelimit.Interval="0" UsePid="system")
${['mcp-wrapper', 'pra-exec', 'pra-run'].map((name) => `if $inputname == 'imjournal' and $programname == '${name}' then { action(type="omfile" file="/var/log/${name}.log") stop }\n`).join('')}if $inputname == 'imjournal' then stop
if $inputname == 'imuxsock' and ($programname == 'mcp-wrapper' or $programname == 'pra-exec' or $programname == 'pra-run') then stop
`,
      ),
    },
    scripts: [RESTART_RSYSLOG, RESTART_RSYSLOG],
  },
  'keys: of both accounts in both files': {
    what: 'each account takes the keys of both',
    scripts: [
      `cd ${KEYS}; cp -a mcp-reader /root/mcp-reader.keys; cp -a pra-runner /root/pra-runner.keys; cat /root/pra-runner.keys >>mcp-reader; sed 's/mcp-wrapper/pra-exec/' /root/mcp-reader.keys >>pra-runner`,
      `cd ${KEYS}; cp -a /root/mcp-reader.keys mcp-reader; cp -a /root/pra-runner.keys pra-runner`,
    ],
  },
  'keys: of the accounts for everybody': {
    what: 'the administrator and root take the keys of the accounts as well',
    files: { [DROPIN]: (text) => `PermitRootLogin prohibit-password\n${text}` },
    scripts: [
      `rm -rf /root/everybody; mkdir /root/everybody; install -d -m 0700 /root/.ssh
for home in /home/admin /root; do
  name=/root/everybody/\${home##*/}; [ ! -e $home/.ssh/authorized_keys ] || cp -a $home/.ssh/authorized_keys $name
  sed 's/^restrict,command="[^"]*"[^ ]* /command="echo uid=everybody" /' ${KEYS}/mcp-reader ${KEYS}/pra-runner >>$home/.ssh/authorized_keys
done`,
      'for home in /home/admin /root; do name=/root/everybody/${home##*/}; if [ -e $name ]; then cat $name >$home/.ssh/authorized_keys; else rm -f $home/.ssh/authorized_keys; fi; done',
    ],
    sshd: true,
  },
  'keys: of the administrator for the accounts': {
    what: 'the accounts take the administrator’s keys as well',
    scripts: [
      `cd ${KEYS}; cp -a mcp-reader /root/mcp-reader.keys; cp -a pra-runner /root/pra-runner.keys; for one in mcp-reader pra-runner; do cat /home/admin/.ssh/authorized_keys >>$one; done`,
      `cd ${KEYS}; cp -a /root/mcp-reader.keys mcp-reader; cp -a /root/pra-runner.keys pra-runner`,
    ],
  },
  'account: home': {
    what: 'the homes belong to the accounts',
    scripts: [
      'for one in mcp-reader pra-runner; do chown $one /var/empty/$one; done',
      'for one in mcp-reader pra-runner; do rm -rf /var/empty/$one; install -d -o root -g root -m 0755 /var/empty/$one; done',
    ],
  },
  'account: ageing': {
    what: 'the accounts age like those of people',
    scripts: [
      'cp -a /etc/shadow /root/shadow.kept; for one in mcp-reader pra-runner; do chage -M 90 -I 7 $one; done',
      'cat /root/shadow.kept >/etc/shadow',
    ],
  },
  'account: folders': {
    what: 'the folders of the product are open to all',
    scripts: [
      'find /etc/mcp-pra /usr/local/lib/mcp-pra /var/lib/mcp-pra /run/mcp-pra /usr/local/bin -maxdepth 3 -printf "%m %p\\n" >/root/modes; chmod 0777 /usr/local/bin /usr/local/bin/*; chmod -R a+rwX /etc/mcp-pra /usr/local/lib/mcp-pra /var/lib/mcp-pra /run/mcp-pra',
      'while read -r mode path; do [ ! -e "$path" ] || chmod "$mode" "$path"; done </root/modes',
    ],
  },
  'pra-exec: one word': patched(
    'pra-exec passes any word on',
    EXEC,
    ['is_name "$SSH_ORIGINAL_COMMAND" || refuse 64 LINE_FORM', ':'],
    ['is_listed "$SSH_ORIGINAL_COMMAND" || refuse 126 WORD_UNLISTED', ':'],
  ),
  'pra-exec: naive': {
    what: 'a pra-exec that leaves the words to the shell',
    files: {
      [EXEC]: instead(
        '#!/bin/sh\ncd /var/tmp\neval "sudo -n /usr/local/bin/pra-run $SSH_ORIGINAL_COMMAND"\n',
      ),
    },
  },
  'pra-exec: switch': patched('pra-exec does not look at the switch', EXEC, [
    '[ ! -e "$ETC/disabled" ] && [ ! -L "$ETC/disabled" ] || refuse 75 DISABLED',
    ':',
  ]),
  'sudo: any argument': {
    what: 'sudoers lists pra-run without arguments, which means with any',
    files: {
      [SUDOERS]: (text) =>
        `${text}pra-runner ALL=(root) NOPASSWD: /usr/local/bin/pra-run, /usr/local/bin/pra-run *\n`,
    },
  },
  'sudo: names of hosts': {
    what: 'sudo looks up the full name of its host',
    files: { [SUDOERS]: (text) => `${text}Defaults fqdn\n` },
  },
  'sudo: everything': {
    what: 'sudoers allows everything',
    files: {
      [SUDOERS]: (text) =>
        `${text}Defaults:pra-runner !env_reset,closefrom_override,user_command_timeouts,runcwd=*,runchroot=*\npra-runner ALL=(ALL:ALL) NOPASSWD:SETENV: ALL\nmcp-reader ALL=(ALL:ALL) NOPASSWD: ALL\n`,
    },
  },
  'sudo: everybody but root': {
    what: 'sudoers says ALL, !root, as CVE-2019-14287 needs it',
    files: { [SUDOERS]: (text) => `${text}pra-runner ALL=(ALL,!root) NOPASSWD: /usr/bin/id\n` },
  },
  'pra-run: signature': patched('pra-run believes signatures', `${MODULES}/keys.py`, [
    `raise Refusal('SIGNATURE_BAD')`,
    'pass',
  ]),
  'pra-run: unknown signer': patched('pra-run takes a signature of anyone', `${MODULES}/keys.py`, [
    'signer = next((one for one in self.signers if one.key == signature.key and signature.namespace in one.namespaces), None)',
    'return self.signers[0]',
  ]),
  'pra-run: namespace': patched('pra-run takes a signature for anything', `${MODULES}/verify.py`, [
    `raise Refusal('NAMESPACE_WRONG')`,
    'pass',
  ]),
  'pra-run: namespace and signer': {
    what: 'pra-run takes a signature of a listed key for anything',
    files: {
      [`${MODULES}/verify.py`]: without([`raise Refusal('NAMESPACE_WRONG')`, 'pass']),
      [`${MODULES}/keys.py`]: without([' and signature.namespace in one.namespaces', '']),
    },
  },
  'pra-run: revoked signer': unrefused('SIGNER_REVOKED', 'keys'),
  'pra-run: offer': unrefused('OFFER_MISMATCH', 'verify'),
  'pra-run: offer signature': unrefused('OFFER_SIGNATURE', 'keys'),
  'pra-run: boot': unrefused('OFFER_BOOT', 'verify'),
  'pra-run: age': unrefused('OFFER_EXPIRED', 'verify'),
  'pra-run: impact': unrefused('IMPACT_TOO_LOW', 'verify'),
  'pra-run: host': unrefused('HOST_MISMATCH', 'verify'),
  'pra-run: word': unrefused('WORD_MISMATCH', 'verify'),
  'pra-run: definition': unrefused('DEFINITION_STALE', 'verify'),
  'pra-run: script': unrefused('SCRIPT_CHANGED', 'precheck'),
  'pra-run: values of this host': unrefused('ARG_NOT_ON_HOST', 'verify'),
  'pra-run: types': unrefused('ARG_BAD', 'verify'),
  'pra-run: auto list': unrefused('AUTO_NOT_ALLOWED', 'verify'),
  'pra-run: kind': patched(
    'pra-run takes any kind, mode, approval and plan',
    `${MODULES}/verify.py`,
    ...['KIND', 'MODE', 'APPROVAL', 'PLAN'].map((rule): Edit => [
      `raise Refusal('${rule}_UNSUPPORTED')`,
      'pass',
    ]),
  ),
  'pra-run: signer twice': unrefused('SIGNER_TWICE', 'verify'),
  'pra-run: quorum': unrefused('QUORUM', 'verify'),
  'pra-run: signers file': patched(
    'pra-run takes any list of signers',
    `${MODULES}/keys.py`,
    [
      `    if len({signer.key for signer in signers}) < len(signers):
        raise Refusal('SIGNERS_FILE')
`,
      '',
    ],
    [
      `            raise Refusal('SIGNERS_FILE')
    return signers
`,
      `            pass
    return signers
`,
    ],
  ),
  'pra-run: requester': unrefused('REQUESTER_SIGNED', 'verify'),
  'pra-run: replay': patched('pra-run forgets what it claimed', `${MODULES}/claiming.py`, [
    "    if earlier is not None and earlier['ticket_hash'] != permit.ticket_hash:",
    '    return None\n    if False:',
  ]),
  'pra-run: ids': patched('pra-run tells everyone the state of an id', `${MODULES}/words.py`, [
    "if claim is None or claim['ticket_hash'] != asked['ticket']:",
    'if claim is None:',
  ]),
  'pra-run: room': patched(
    'pra-run keeps its claims in one place and no room for them',
    `${MODULES}/claims.py`,
    ['self.shelves = (self.durable, self.volatile)', 'self.shelves = (self.durable,)'],
    ["            os.unlink(self.host.state + '/ballast')\n", '            return False\n'],
  ),
  'pra-run: unit of its own': patched(
    'pra-run starts actions among the caller’s processes',
    `${MODULES}/detach.py`,
    ['if has_systemd(host) and _has_succeeded(ask_systemd, seconds):', 'if False:'],
  ),
  'pra-run: cancellable': unrefused('NOT_CANCELLABLE', 'verify'),
  'pra-run: break-glass list': unrefused('BREAK_GLASS_NOT_ALLOWED', 'verify'),
  'pra-run: break-glass review': unrefused('BREAK_GLASS_REVIEW', 'break_glass'),
  'pra-run: switches': unrefused('DISABLED', 'claiming'),
  'pra-run: frozen': unrefused('FROZEN', 'claiming'),
} as const satisfies Record<string, Degradation>;

export type DegradationName = keyof typeof DEGRADATIONS;

/** Not a reload: a restart is over when it says so. The count of starts in a short time is not what is tested here. */
const RESTART = 'systemctl reset-failed ssh.service; systemctl restart ssh.service';

const KEPT = '/root/intact';

const must = async (
  host: LabHost,
  script: string,
  argv: readonly string[] = [],
  input = '',
): Promise<string> => {
  const said = await host.run(['/bin/sh', '-euc', script, 'sh', ...argv], { input });
  if (said.code !== 0) throw new Error(`${script}\n${said.stderr}`);
  return said.stdout;
};

/** Takes a layer away. A host has at most one degradation at a time. */
export const degrade = async (host: LabHost, name: DegradationName): Promise<void> => {
  const { files = {}, scripts, sshd }: Degradation = DEGRADATIONS[name];
  await must(host, `rm -rf ${KEPT}; mkdir -m 0700 ${KEPT}`);
  for (const [path, change] of Object.entries(files)) {
    const before = await must(host, 'if [ -e "$1" ]; then cp -a --parents "$1" "$2"; cat "$1"; fi', [
      path,
      KEPT,
    ]);
    // In place, so that owner and mode stay.
    await must(host, 'cat >"$1"', [path], change(before));
  }
  if (scripts !== undefined) await must(host, scripts[0]);
  if (sshd) await must(host, RESTART);
};

/** Puts it back. */
export const restore = async (host: LabHost, name: DegradationName): Promise<void> => {
  const { files = {}, scripts, sshd }: Degradation = DEGRADATIONS[name];
  for (const path of Object.keys(files))
    await must(host, 'if [ -e "$2$1" ]; then cat "$2$1" >"$1"; else rm -f "$1"; fi', [path, KEPT]);
  if (scripts !== undefined) await must(host, scripts[1]);
  if (sshd) await must(host, RESTART);
};
