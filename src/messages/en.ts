/**
 * Every sentence that a refusal or failure shows, by code: the layer that decided, the CLI's exit code, what happened
 * and what to do about it. `{x}` is filled by `fill` in errors.ts, which admits only harmless characters.
 * Another language is another file of the same shape.
 */
export const en = {
  // usage and configuration (exit 2)
  USAGE: ['cli', 2, '{what}', 'See mcp-pra --help.'],
  CONFIG_MISSING: ['config', 2, 'There is no configuration at {path}.', 'Run: mcp-pra init'],
  CONFIG_INVALID: [
    'config',
    2,
    'The configuration has {count} error(s); first: {first}',
    'Run: mcp-pra doctor',
  ],
  CONFIG_CHANGED: [
    'config',
    2,
    'Somebody changed {path} in the meantime; nothing was written.',
    'Look at it, then run the command again.',
  ],
  CATALOG_INVALID: ['catalog', 2, 'The catalog does not load: {first}', 'Run: mcp-pra catalog build'],
  NODE_TOO_OLD: ['config', 2, 'This Node.js is too old: {version}.', 'Install Node.js 22.14 or newer.'],
  FILE_MODE: ['config', 2, 'The file {path} can be read by others (mode {mode}).', 'Run: chmod 600 {path}'],
  DIR_MODE: ['config', 2, 'The directory {path} is open to others (mode {mode}).', 'Run: chmod 700 {path}'],
  KEY_MISSING: ['config', 2, 'There is no {account} key at {path}.', 'Run: mcp-pra init'],
  KEY_PASSPHRASE: [
    'config',
    2,
    'The {account} key is encrypted and no passphrase opened it.',
    'Set the passphrase source in the configuration (keys.{account}.passphrase).',
  ],
  KEY_UNENCRYPTED: [
    'approval',
    3,
    'The approver key {path} has no passphrase: whoever has the file could approve.',
    'Give it one: ssh-keygen -p -a 100 -f {path}',
  ],
  KEY_INVALID: [
    'config',
    2,
    'The file {path} is not a private key that can be used here.',
    'Make an ed25519 key: see keys.example/README.md',
  ],
  APPROVER_MISSING: [
    'approval',
    2,
    'No approver is configured on this machine.',
    'Add approver with principal and key to the configuration, then run: mcp-pra init',
  ],
  TERMINAL_REQUIRED: [
    'approval',
    2,
    'Approving needs a terminal: standard input is not one.',
    'Run mcp-pra approve yourself in a terminal; there is no flag around this.',
  ],

  ANSIBLE_MISSING: [
    'cli',
    2,
    'ansible-playbook cannot be started on this machine.',
    'Install ansible-core; until then, as root on each host: /usr/local/lib/mcp-pra/revoke-keys (docs/keys.md).',
  ],
  ANSIBLE_FAILED: [
    'cli',
    2,
    'ansible-playbook ended with {code} before it said anything of a host; nothing was revoked by it.',
    'Read its message above: inventory, limit or login options are wrong.',
  ],
  REVOCATION_FILE: [
    'cli',
    2,
    'The list of hosts that are left cannot be read: {path}.',
    'Look into it, revoke again with --all-hosts, then remove the file.',
  ],

  // refused by a rule on this side (exit 3)
  ROTATION_REFUSED: ['config', 3, '{what}', 'See docs/keys.md, section "Rotate".'],
  HOST_UNKNOWN: ['whitelist', 3, 'That host is not in the configuration.', 'Known hosts: {hosts}'],
  DIAGNOSTIC_UNKNOWN: ['catalog', 3, 'There is no such diagnostic.', 'Known diagnostics: {names}'],
  ACTION_UNKNOWN: ['catalog', 3, 'There is no such action.', 'Known actions: {names}'],
  ARGUMENT_UNKNOWN: ['catalog', 3, '{definition} has no parameter of that name.', 'Parameters: {names}'],
  ARGUMENT_MISSING: ['catalog', 3, '{definition} needs the parameter {name}.', 'It is: {expected}'],
  ARGUMENT_BAD: ['catalog', 3, 'The value of {name} is not allowed.', 'It must be: {expected}'],
  ACTION_DENIED: [
    'policy',
    3,
    'The policy of this machine denies {action}.',
    'See policy.deny_actions in the configuration.',
  ],
  RULE_REFUSED: [
    'policy',
    3,
    'A rule of this machine refuses {action} on {host} now: {rules}.',
    'Wait until the rule does not apply any more, or ask who keeps policy.rules in the configuration.',
  ],
  RULE_RAISED: [
    'policy',
    3,
    'The request {id} was made at {was}; rules of this machine ask for {impact} now: {rules}.',
    'Propose it again now; a person can name the impact: mcp-pra propose --impact {impact}',
  ],
  REASON_BAD: [
    'policy',
    3,
    'A reason is needed: 1 to 400 characters saying why.',
    'Say what is broken and why this action helps.',
  ],
  REQUEST_UNKNOWN: [
    'approval',
    3,
    'There is no request of that id.',
    'List them with list_pra_requests or: mcp-pra pending --all',
  ],
  REQUEST_AMBIGUOUS: [
    'approval',
    2,
    'More than one request begins with that.',
    'Give more characters of the id.',
  ],
  NOT_APPROVED: [
    'approval',
    3,
    'The request {id} is {state}: nothing runs before a person has approved it.',
    'A person runs: mcp-pra approve {id}',
  ],
  STATE_CONFLICT: [
    'approval',
    3,
    'The request {id} is {state}; {event} is not possible from there.',
    'Look at it with: mcp-pra show {id}',
  ],
  REQUEST_EXPIRED: [
    'approval',
    4,
    'The request {id} expired before anybody decided.',
    'A person can run: mcp-pra renew {id}',
  ],
  APPROVAL_PENDING: [
    'approval',
    4,
    'The request {id} waits for a person.',
    'A person runs: mcp-pra approve {id}',
  ],
  AUTO_REFUSED: [
    'policy',
    3,
    'The host does not let this run by itself.',
    'Propose it without auto_approve and let a person approve it.',
  ],
  SIGNATURE_INVALID: [
    'approval',
    3,
    'The signature does not fit the ticket.',
    'Sign with an approver key that the host lists.',
  ],
  SIGNED_MEANWHILE: [
    'approval',
    3,
    'Somebody else signed the request {id} first: all sign one ticket, theirs.',
    'Read that one and sign it: mcp-pra approve {id}',
  ],
  SIGNER_TWICE: [
    'approval',
    3,
    'This person or key has signed the request {id} already; the host asks for different people.',
    'Another approver signs: mcp-pra ticket export {id}',
  ],
  REQUESTER_SIGNED: [
    'approval',
    3,
    'Who asked for {id} does not count among its approvers, where the host asks for several.',
    'Other approvers sign: mcp-pra approve {id}, or mcp-pra ticket export {id}',
  ],
  APPROVAL_BROKEN: [
    'approval',
    3,
    'What is stored of {id} is not what was approved: offer, ticket and signatures do not agree.',
    'Nothing was sent. Look for who changed the database: mcp-pra audit verify',
  ],
  OTP_MISSING: [
    'approval',
    3,
    'HIGH needs a one-time password, and {principal} has none on this machine.',
    'Enrol once, in a terminal: mcp-pra approver enrol',
  ],
  OTP_FORM: [
    'approval',
    3,
    'That is no code: a code has six digits, a recovery code 16 letters and digits.',
    'Type what the authenticator shows, or one of the recovery codes.',
  ],
  OTP_WRONG: [
    'approval',
    3,
    'That code is not valid now; {left} left.',
    'Check the clock of this machine and of the authenticator; else use a recovery code.',
  ],
  OTP_USED: [
    'approval',
    3,
    'That code was used already: each counts once.',
    'Wait for the next one. If the clock of this machine went back, set it right.',
  ],
  OTP_EXHAUSTED: [
    'approval',
    3,
    'Three codes for {id} were not right: it is denied.',
    'Find out who tried; then propose it again.',
  ],
  OTP_LOCKED: [
    'approval',
    3,
    'Five codes of {principal} were not right: codes are refused for {seconds} s more.',
    'A recovery code, or another approver with mcp-pra approver unlock {principal}, ends this at once.',
  ],
  OTP_SEALED: [
    'approval',
    3,
    'The one-time password of {principal} does not open with this passphrase.',
    'If the passphrase was changed since, enrol again: mcp-pra approver enrol',
  ],
  RATE_LIMITED: ['policy', 3, 'Too many calls in a short time.', 'Wait {seconds} s and go on.'],
  TOO_MANY_HOSTS: ['policy', 3, 'At most {max} hosts in one call.', 'Ask for fewer hosts, or a group.'],

  TOOL_UNKNOWN: ['mcp', 3, 'There is no tool of that name.', 'List the tools.'],
  INPUT_BAD: ['mcp', 3, "The input does not fit the tool's schema.", 'Correct the call by the input schema.'],
  REPLY_TOO_LARGE: [
    'mcp',
    3,
    'The answer has more than {bytes} bytes.',
    'Ask for fewer hosts or fewer requests in one call.',
  ],

  // SSH (exit 5, host keys 3)
  HOST_KEY_UNKNOWN: [
    'ssh',
    3,
    'The host key of {host} is not known: {type} {fingerprint}',
    'Compare it on the console, then run: {command}',
  ],
  HOST_KEY_CHANGED: [
    'ssh',
    3,
    'The host key of {host} is NOT the one known: {type} {fingerprint}',
    'If it was reinstalled and you compared it on the console: {command}',
  ],
  HOST_KEY_REVOKED: [
    'ssh',
    3,
    'The host key of {host} is marked @revoked: {type} {fingerprint}',
    'Do not connect; give the host a new key.',
  ],
  KNOWN_HOSTS_BAD: [
    'ssh',
    2,
    'Host keys cannot be checked: {path}: {cause}.',
    'Repair the file (format: sshd(8)); nothing connects before that.',
  ],
  UNREACHABLE: [
    'ssh',
    5,
    '{host} cannot be reached ({cause}).',
    'Check address, network and sshd: mcp-pra doctor --host {host}',
  ],
  AUTH_REFUSED: [
    'ssh',
    5,
    '{host} refuses the key of account {account}.',
    'Provision the host again, or check with: mcp-pra doctor --host {host}',
  ],
  SSH_TOO_OLD: [
    'ssh',
    2,
    'transport openssh needs OpenSSH 8.5 or newer on this machine ({version}).',
    'Install the OpenSSH client, or use transport: ssh2 for this host.',
  ],
  OPENSSH_PLATFORM: [
    'ssh',
    2,
    'transport openssh does not work on {platform}: its ssh cannot share connections.',
    'Use transport: ssh2 for this host.',
  ],
  CERTIFICATE_UNAVAILABLE: [
    'ssh',
    5,
    'There is no certificate for {account} on {host}: {cause}.',
    'Check certificates in the configuration: mcp-pra doctor --host {host}',
  ],
  CERTIFICATE_REFUSED: [
    'ssh',
    3,
    'The certificate for {account} on {host} is not used: {cause}.',
    'Have the issuer give what is asked for: docs/certificates.md',
  ],
  OPENSSH_FOLDER: [
    'ssh',
    2,
    'There is no directory for the sockets of ssh.',
    'Set XDG_RUNTIME_DIR or TMPDIR to a short path of plain characters, writable by you.',
  ],
  DEADLINE: ['ssh', 5, '{host} did not answer within {seconds} s.', 'Try again, or look at the host.'],
  CANCELLED: ['ssh', 130, 'The call was cancelled.', 'The target was told to stop.'],
  OUTPUT_TOO_LARGE: [
    'ssh',
    5,
    '{host} sent more than {bytes} bytes.',
    'This is not an answer of mcp-pra; check the host.',
  ],
  ANSWER_BAD: [
    'ssh',
    5,
    '{host} gave an answer that is not of the protocol ({code}).',
    'Provision the host again; if it stays, look at the host.',
  ],
  DEFINITION_DIFFERS: [
    'catalog',
    3,
    '{host} has another version of {definition} than this catalog.',
    'Provision the host again, or update mcp-pra.',
  ],

  // what the target said (exit 3), code of the target in {code}
  TARGET_REFUSED: ['target', 3, '{host} refused: layer {layer}, rule {code}.', '{advice}'],
  OFFER_INVALID: [
    'ssh',
    3,
    'The offer of {host} does not verify ({code}).',
    'Do not approve; check known_hosts and the host.',
  ],
  RECEIPT_INVALID: [
    'ssh',
    6,
    'The receipt of {host} does not verify ({code}).',
    'Treat the outcome as unknown; look at the host.',
  ],
  OUTCOME_UNKNOWN: [
    'ssh',
    6,
    'The outcome of {id} on {host} is not known yet.',
    'Ask again: mcp-pra show {id}; it is never run twice.',
  ],

  // store
  STORE_BROKEN: ['store', 2, 'The database cannot be used ({cause}).', 'Run: mcp-pra doctor'],
  STORE_NEWER: [
    'store',
    2,
    'The database was written by a newer mcp-pra (schema {version}).',
    'Update mcp-pra on this machine.',
  ],
  LEDGER_BROKEN: [
    'store',
    1,
    'The ledger does not verify at entry {seq}: {cause}.',
    'Keep the files, and compare with the mirror.',
  ],
  INTERNAL: [
    'internal',
    1,
    'An internal error; the log has the details.',
    'Look at the log (stderr of mcp-pra serve).',
  ],
} as const satisfies Record<string, readonly [layer: string, exit: number, say: string, hint: string]>;
