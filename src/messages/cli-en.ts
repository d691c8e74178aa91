/**
 * Every sentence and label that the CLI shows besides refusals (en.ts) and next steps (next-en.ts). `{x}` is filled by
 * `say` in src/cli/say.ts. Another language is another file of the same shape.
 */
export const cliEn = {
  // errors
  'error.rule': 'rule: {layer} {code}',
  'error.hint': 'next: {hint}',

  // progress
  'progress.wait': '… {what} ({seconds} s)',
  'progress.look': 'asking {total} host(s), {done} answered',
  'progress.offer': 'asking {host} what it would do',
  'progress.run': 'waiting for {host}',
  'progress.doctor': 'checking {what}',
  'progress.trust': 'asking {host} for its host key',

  // hosts and catalog
  'hosts.none': 'No hosts are configured. Add one to hosts: in {path}',
  'hosts.egress_name':
    '{name} is {address}, a name: systemd allows addresses only. Add IPAddressAllow= with its address, and port 53 of your resolver.',
  'hosts.trusted': '{host}: trusted {type} {fingerprint} in {path}',
  'hosts.replaced': '{count} older key(s) of this host were taken out of that file.',
  'catalog.params': 'parameters',
  'catalog.none': 'none',
  'catalog.built': 'Wrote {count} tables to {dir}. Review them: they are what the hosts will allow.',
  'catalog.same': 'No difference: the site folders add nothing to {base}.',
  'catalog.shipped': 'the shipped catalog',
  'catalog.not_ours': 'The folder {dir} has files and no DIGESTS: it was not made by catalog build.',
  'catalog.no_base': 'There is no DIGESTS in {dir}: it was not made by catalog build.',

  // inventory
  'inventory.collision':
    'Group {from} and {other} would both be {group} in Ansible, so that a playbook would act on the hosts of both. Rename one of them.',
  'inventory.path':
    'A path in the configuration has a quote, a backslash, a dollar sign or a brace: ssh or Ansible would read it as something else. Rename the file.',

  // hosts import
  'import.one_source': 'Say where the hosts come from: one of --inventory, --list and --ssh.',
  'import.no_program':
    '{program} is not installed on this machine. For Ansible, --list takes what ansible-inventory printed elsewhere.',
  'import.program': '{program} failed; what it said is above.',
  'import.no_file': 'The file of --list cannot be read.',
  'import.no_listing': 'That is not what ansible-inventory --list prints (JSON with _meta).',
  'import.only_unknown': 'The source has no host and no group {name}.',
  'import.ssh_name': 'A name for ssh has letters, digits, . _ - and : only.',
  'import.would_add': 'Would be written to {path}',
  'import.added': 'Written to {path}',
  'import.new': 'add',
  'import.changed': 'change',
  'import.was': '{name} was {was}',
  'import.jump': 'jump {name}',
  'import.jump_is':
    '{user} at {address}, port {port}, key {key} (if it has a passphrase, add jumps.{name}.passphrase)',
  'import.group': 'group {group}',
  'import.through': ' through {jump}',
  'import.kept': 'There already, with other values; --replace takes the new ones',
  'import.differs': '{was} here, {now} there',
  'import.same': 'The same already: {hosts}',
  'import.refused': 'Refused',
  'import.skipped': 'Left out',
  'import.groups_left_out': 'Groups left out',
  'import.name':
    'a name that tickets cannot carry: small letters, digits, . and -, at most 63 characters, the first no . or -. In an inventory, give it one in mcp_pra_host',
  'import.own_name':
    'its mcp_pra_host {name} is a name that tickets cannot carry: small letters, digits, . and -, at most 63 characters',
  'import.twice': 'another host would be called {name} too',
  'import.is_group': 'a group of the configuration has that name',
  'import.address': 'its address is no IP address and no DNS name',
  'import.port': 'its port is not between 1 and 65535',
  'import.variables':
    'its ansible_host, ansible_port or another variable of the connection is not a plain value',
  'import.connection': 'Ansible does not reach it over SSH (ansible_connection)',
  'import.arguments': 'its ansible_ssh_*args have a quote that does not end',
  'import.proxy_command':
    'it is reached by a ProxyCommand, which mcp-pra does not run: use ProxyJump there, or add the host by hand with jump',
  'import.jump_chain':
    'it is reached through more than one jump host, or a ProxyCommand; mcp-pra goes through one',
  'import.jump_form': 'its jump host is not written [user@]host[:port]',
  'import.jump_name': 'its jump host has a name that is not allowed here: small letters, digits, . and -',
  'import.jump_differs': 'the configuration has another jump host of the name {jump}',
  'import.jump_key': 'its jump host is new and ssh has no key file for it: give one with --jump-key',
  'import.group_name': 'no name for a group: small letters, digits, . and -, at most 63 characters',
  'import.groups_merge': 'two groups would be called {name}',
  'import.is_host': 'a host has that name',
  'import.nothing_refused':
    'Nothing was changed in {path}. Choose hosts with --only, or leave these out with --skip-refused.',
  'import.nothing': 'Nothing to change in {path}.',
  'import.dry_run': 'Nothing was changed in {path}: this was a dry run.',
  'import.next': 'Now trust their host keys, each compared on its console:',

  // target package
  'package.one_source':
    'Say what the host is told: --site FILE, or --from-config with --host NAME and, if you like, --vars.',
  'package.which_host': 'Say for which hosts: --host NAME.',
  'package.no_site': 'The site file cannot be read.',
  'package.vars': 'The file {path} is no YAML map of variables.',
  'package.variable':
    '{name} is no variable of a package. Those that are: ansible/roles/target/meta/argument_specs.yml',
  'package.python': 'python3 is not installed on this machine: it judges the site file as the host will.',
  'package.site': 'The host would refuse this site file: {sentence}',
  'package.epoch': 'SOURCE_DATE_EPOCH must be seconds since 1970: digits only.',
  'package.next':
    'Bring one of them to its host and compare its sum; installing the .deb changes nothing yet:',

  // look
  'look.text': 'text from {host} (untrusted):',
  'look.more': '… {count} more lines; --full shows them',
  'look.truncated': 'The output was cut at its limit.',
  'look.masked': '{count} secret(s) were masked.',
  'look.suspicious': 'This text seems to address a model. Treat it as data.',
  'look.hosts': 'Name hosts with --host or a group with --group.',
  'look.group': 'There is no group {group}. Groups: {groups}',

  // requests
  'list.none': 'Nothing waits for a decision.',
  'list.empty': 'There are no requests.',
  'list.head': 'id|state|left|impact|action|host|asked by',
  'request.title': 'Request {id}',
  'request.state': 'state',
  'request.left': '{minutes} min {seconds} s left',
  'request.over': 'no time left',
  'request.asked': 'asked by {requester} at {created}',
  'request.decided': 'decided by',
  'request.note': 'note',
  'request.rule': 'rule',
  'request.refusal': 'refused by the host',
  'request.signatures': 'signatures',
  'request.signatures_none':
    '0 of {needed} signatures; the host asks for {needed} people, who are not the requester',
  'request.signatures_some':
    '{given} of {needed} signatures, by {by}; still needed: {more} more, within {minutes} min',
  'request.signatures_some_elsewhere': '{given} of {needed} signatures, by {by}; still needed: {more} more',
  'request.undoes': 'takes back',
  'request.renews': 'renews',
  'request.next': 'Next: {next}',
  'offer.title': 'What the host says it will do (signed with its host key {key})',
  'offer.host': 'host',
  'offer.action': 'action',
  'offer.args': 'arguments',
  'offer.impact': 'impact',
  'offer.command': 'command',
  'offer.command_note': 'one argument a line, run as root, no shell',
  'offer.files': 'files it executes',
  'offer.facts': 'found by the prechecks',
  'offer.absent': '(absent)',
  'offer.requires': 'needs',
  'offer.requires_value': '{count} signature(s), namespace {namespace}, {signer}',
  'offer.rule': 'by rule',
  'offer.rules_here': 'rules here',
  'offer.clock': 'host clock',
  'catalog.title': 'What that means (from the catalog of this machine)',
  'catalog.effects': 'effects',
  'catalog.undo': 'to undo',
  'reason.title': "The requester's words ({requester}); nobody has checked them",
  'ticket.title': 'The ticket: exactly what you sign',
  'output.title': 'Output of the action (untrusted)',
  'output.truncated': 'The output shown is cut; the host has all of it.',
  'receipt.title': 'Receipt (signed by the host, signature verified)',
  'receipt.state': 'state',
  'receipt.rc': 'exit code',
  'receipt.times': 'ran',
  'receipt.duration': '{started} to {finished}, {seconds} s',
  'receipt.output': 'output',
  'receipt.bytes': '{bytes} bytes',
  'receipt.verified': 'verified',
  'receipt.verified_yes': 'yes: the effect is there',
  'receipt.verified_no': 'no: what should be true afterwards was not',
  'receipt.evidence': 'facts, before → after',
  'receipt.unknown': '(unknown)',
  'receipt.ticket': 'ticket',
  'receipt.previous': 'previous',
  'receipt.not_durable': 'The host could not record the claim durably; it is in memory only.',

  // approving
  'recap.title': 'In short',
  'approve.ask': 'Approve this on {host}? (d: deny it) [y/N] ',
  'approve.ask_host': 'HIGH impact: type the name of the host to approve (d: deny it): ',
  'approve.not': 'Not approved. The request stays as it is; to refuse it: mcp-pra deny {id}',
  'approve.passphrase': 'Passphrase of the approver key of {principal}: ',
  'approve.wrong': 'That passphrase does not open the key.',
  'approve.touch': 'Now the security key: ssh-keygen or the agent asks for PIN and touch.',
  'approve.done': 'Approved by {principal}.',
  'approve.cosigned':
    'Signed by {principal}. {line}. Nothing runs before that. The others: mcp-pra approve {id} here, or from their own machine: mcp-pra ticket export {id}',
  'cosign.not':
    'Not signed. Nothing was written; to deny it, on the machine that has the request: mcp-pra deny {id}',
  'cosign.where':
    'This request waits on another machine. Its first signature is of {issued} by the clock there, and it takes others for 15 minutes from then.',
  'cosign.done': 'Signed by {principal}. Send this back; there: mcp-pra ticket import FILE',
  'cosign.wrote': 'Signed by {principal}. Send {path} back; there: mcp-pra ticket import FILE',
  'ticket.exported': 'Wrote {path}. {line}. An approver with another machine runs there: mcp-pra cosign FILE',
  'ticket.imported': 'Took the signature of {principal}. {line}.',
  'ticket.complete': 'Took the signature of {principal}: {id} is approved.',
  'ticket.file_there': 'There is a file {path} already, and it is not written over',
  'ticket.file_bad': '{path} cannot be read, or is larger than 256 KiB',
  'ticket.file_unwritable': '{path} cannot be written',
  'approve.no_run': 'Not run. To run it: mcp-pra execute {id}',
  'approve.running': 'Running on {host}. Ctrl-C stops watching, not the action.',
  'run.left': 'Stopped watching. The action goes on; to see it: mcp-pra show {id}',

  // one-time passwords
  'otp.ask': 'Code of {principal} (six digits), or a recovery code: ',
  'otp.passphrase': 'Passphrase of the one-time password of {principal}: ',
  'otp.denied_note': 'Denied by itself: three codes of the approver were not right.',
  'otp.recovery_used': 'NOTE: {principal} used a recovery code at {used}; {left} left. Was it them?',
  'otp.replace':
    'There is a one-time password already. A code or a recovery code of that one is needed to replace it.',
  'otp.recovery_only': 'It does not open with this passphrase: give a recovery code of it.',
  'otp.secret':
    'Scan this with an authenticator app, or type in for {principal} (time-based, 6 digits):\n{groups}',
  'otp.confirm': 'The code that it shows now: ',
  'otp.confirm_wrong': 'That is not its code. Does the clock of this machine agree with the phone?',
  'otp.recovery_title':
    'Recovery codes: each approves once in place of a code. Write them on paper; they are shown only now.',
  'otp.recovery_done': 'Written down? [Enter] ',
  'otp.choose': 'A passphrase for the one-time password, typed at each HIGH approval: ',
  'otp.choose_again': 'The same once more: ',
  'otp.choose_differs': 'They differ.',
  'otp.too_short': 'At least {characters} characters.',
  'approver.enrolled': '{principal} is enrolled: HIGH is approved with the key and a code.',
  'approver.key': 'Key: {type} {fingerprint}',
  'approver.steps':
    'Targets know only the key. This line belongs into mcp_pra_allowed_signers (provision-vars.yml); then provision them:',
  'approver.try': 'Try it without approving anything: mcp-pra approver drill',
  'approver.none': 'No approver is configured or enrolled on this machine.',
  'approver.head': 'approver|key|otp since|recovery|locked|fingerprint',
  'approver.not_enrolled': 'no OTP',
  'approver.locked': '{seconds} s',
  'approver.type_name': 'Type {principal} to forget that one-time password: ',
  'approver.kept': 'Nothing was removed.',
  'approver.not_yours':
    'The passphrase of another approver is not yours: use --force, which goes into the ledger',
  'approver.removed': 'The one-time password of {principal} and its recovery codes are forgotten here.',
  'approver.removed_targets':
    'The targets still know the key. To take it away from them: mcp-pra keys revoke --approver {principal} --all-hosts',
  'approver.unlocked': 'Codes of {principal} are taken again.',
  'drill.key': 'Key: {type} {fingerprint} signs, and ssh-keygen verifies it.',
  'drill.code': 'Code: right, and used up.',
  'drill.recovery_ask': 'Now one recovery code. It is used up by this.',
  'drill.recovery': 'Recovery code: right, and used up.',
  'drill.done': 'All of it works. Nothing was approved.',
  'deny.done': 'Denied {id}.',
  'revoke.done': 'Revoked: {host} signed that {id} never ran and never will.',
  'revoke.unconfirmed':
    'Taken back here, but {host} has not confirmed it. It is being asked; see: mcp-pra show {id}',
  'revoke.late': 'Too late: {host} says {state} of {id}. See: mcp-pra show {id}',
  'deny.why': 'Deny {action} on {host}. Why? (Enter: no reason) ',
  'watch.terminal': 'watch needs a terminal on both ends (programs use: mcp-pra watch --json)',
  'watch.title': 'What waits for a person',
  'watch.count': '{count} waiting',
  'watch.none': 'Nothing waits for a decision. What comes in appears here and rings the bell.',
  'watch.head': 'left|impact|action|host|asked by',
  'watch.words': "The requester's words; nobody has checked them",
  'watch.keys': 'a approve   d deny   s show   j k choose   q quit',
  'watch.keys_short': 'a d s  j k  q',
  'watch.more': '{count} more',
  'watch.gone': '{action} on {host} does not wait any more: {state}.',
  'watch.choose': 'Choose a request first.',
  'watch.back': 'Any key goes back to the list. ',
  'watch.notice': '{impact} {action} on {host} waits for a person',
  'withdraw.done': 'Withdrawn {id}.',
  'propose.filed': 'Filed as {id}.',

  // ledger
  'audit.good': 'The ledger verifies: {entries} entries, head {head}',
  'audit.empty': 'The ledger is empty.',

  // doctor
  'doctor.sum': '{ok} ok, {warn} warning(s), {fail} failure(s)',
  'doctor.fix': 'fix: {fix}',
  'doctor.node': 'Node.js {version}',
  'doctor.config': 'configuration {path}, {hosts} host(s)',
  'doctor.no_hosts': 'no hosts are configured',
  'doctor.no_hosts_fix': 'add hosts: to {path}',
  'doctor.catalog': 'catalog: {count} definitions',
  'doctor.database': 'database {path}: ledger of {entries} entries verifies',
  'doctor.key': '{account} key',
  'doctor.transport': 'transport {transport}: {hosts}',
  'doctor.ssh': 'the ssh of this machine is {version}',
  'doctor.ssh_kex': 'this ssh has no post-quantum key exchange',
  'doctor.ssh_kex_fix': 'install OpenSSH 8.9 or newer; until then recordings of today may be read one day',
  'doctor.certificate': 'a certificate can be issued: {principal}, {seconds} s left, authority {authority}',
  'doctor.no_auto': 'no auto key: nothing runs without a person',
  'doctor.approver': 'approver key of {principal} is encrypted',
  'doctor.approver_touch': 'approver key of {principal} is a security key',
  'doctor.approver_agent':
    'an agent holds the approver key of {principal}: any program of yours could approve with it',
  'doctor.approver_agent_fix': 'ssh-add -d {path}',
  'doctor.otp': '{principal} has a one-time password, and {left} recovery codes',
  'doctor.no_otp': '{principal} has no one-time password: HIGH cannot be approved here',
  'doctor.otp_few': '{principal} has {left} recovery codes left',
  'doctor.otp_locked': 'codes of {principal} are refused for {seconds} s after wrong ones',
  'doctor.no_approver': 'no approver on this machine: requests have to be approved on another one',
  'doctor.no_approver_fix': 'add approver (principal, key) to the configuration, then run mcp-pra init',
  'doctor.host_key': '{host}: host key known ({keys})',
  'doctor.no_host_key': '{host}: no host key in {path}',
  'doctor.no_host_key_fix':
    'read it on the console with ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub, then: mcp-pra hosts trust {host} --fingerprint SHA256:…',
  'doctor.reader': '{host}: reader channel answers',
  'doctor.runner': '{host}: runner channel answers',
  'doctor.name': '{host}: the host calls itself {name}',
  'doctor.name_fix': 'set mcp_pra_host to {host} and provision it again',
  'doctor.digests': '{host}: {count} definitions are the same on both sides',
  'doctor.digest_missing': '{host}: has no {definition}',
  'doctor.digest_differs': '{host}: has another version of {definition}',
  'doctor.digest_fix': 'provision it again: ansible-playbook {playbook}',
  'doctor.digest_extra': '{host}: has {definition}, which this catalog does not',
  'doctor.digest_extra_fix': 'provision it again, or add the site folder to catalog.dirs',
  'doctor.clock': '{host}: clock differs by {seconds} s',
  'doctor.clock_fix': 'nothing is refused for that; check time synchronisation',

  'doctor.keys_listed': '{host}: keys expire: {list}',
  'doctor.key_until': '{account} {fingerprint} {date}',
  'doctor.key_never': 'never',
  'doctor.key_expires':
    '{host}: the {account} key {fingerprint} expires in {days} days, at {date}: plan its rotation',
  'doctor.key_expires_soon':
    '{host}: the {account} key {fingerprint} expires in {days} days, at {date}: rotate it this week',
  'doctor.key_expires_now':
    '{host}: the {account} key {fingerprint} expires in {days} day(s), at {date}: rotate it today, afterwards it opens nothing',
  'doctor.key_expired': '{host}: the {account} key {fingerprint} expired at {date}; the host refuses it',
  'doctor.key_expires_fix': 'ansible-playbook {rotate} --tags {tag}',
  'doctor.no_key_list': '{host}: does not say when its keys expire',
  'doctor.no_key_list_fix': 'provision it again, and give the keys an expiry (ansible/README.md)',
  'doctor.keys_unreadable': '{host}: {count} line(s) of its list of keys are not of the form',

  // init
  'init.exists':
    'There is a configuration at {path}: add hosts in it, or overwrite it with --force. Keys are kept either way.',
  'init.keygen':
    'ssh-keygen is missing or failed. Install the OpenSSH client; on Debian: apt install openssh-client',
  'init.host_form': 'A host is written name=address or name=address:port.',
  'init.principal_form': 'A principal is 1 to 64 letters, digits and @ . _ -',
  'init.made': 'made',
  'init.kept': 'kept',
  'init.transport':
    'Transport keys are not encrypted, so that the server can start without you: their files are 0600, and they can run nothing above LOW.',
  'init.approver_intro':
    'Now your approver key. ssh-keygen asks for its passphrase: you type it at each approval, and nothing stores it.',
  'init.approver_later':
    'There is no approver key yet. Make it in a terminal, then run mcp-pra init once more:',
  'init.keys_lack':
    'The file {path} was kept and does not have these keys of this machine. Put each in place of the one that is gone, then provision:',
  'init.vars_lack': 'The file {vars} was kept and lacks what follows. Add it:',
  'init.steps': 'What is left to do',
  'init.step_hosts': 'Add your hosts to {config} and to {inventory}',
  'init.step_policy': 'Say in {vars} what each host allows (mcp_pra_policy)',
  'init.step_provision': 'Make the hosts targets:',
  'init.step_trust':
    'Trust each host key. Compare it on the console of the host, with: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub',
  'init.step_doctor': 'Check everything:',
  'init.step_desktop': 'Add this to the configuration of Claude Desktop (Settings, Developer, Edit Config):',
} as const;
