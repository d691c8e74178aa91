/**
 * Sentences and labels of the commands that rotate and revoke keys: a part of what cli-en.ts is, filled in the same way. Another language is
 * another file of the same shape.
 */
export const keysEn = {
  // rotation of keys
  'rotation.no_file':
    'There is no {path}: the keys that hosts list are in provision-vars.yml. Run mcp-pra init, which makes it, and take mcp_pra_reader_keys, mcp_pra_runner_keys and the line of mcp-pra-auto out of provision-vars.yml',
  'rotation.bad_file':
    '{path} must hold the lists mcp_pra_reader_keys, mcp_pra_runner_keys and mcp_pra_auto_keys and nothing else, with times as strings in quotes',
  'rotation.key_line':
    'transport-keys.yml or a .pub file has a line that is no public key (type base64 comment)',
  'rotation.no_pub': '{file} is missing. Make it: ssh-keygen -y -f KEY, written to KEY.pub',
  'rotation.not_configured': 'keys.{channel} is not in the configuration: there is nothing to rotate',
  'rotation.in_agent':
    'The {channel} key is held by an agent, where this program cannot put another one. Rotate it by hand, or use certificates',
  'rotation.not_listed':
    'The key {fingerprint} of keys.{channel} is not in {path}, so the hosts list another one: put its .pub line there and provision first',
  'rotation.uncovered':
    'These hosts of mcp-pra.yaml are not in this run or do not list the key, and would not know the new one: {hosts}. Run it for all of them (provision first where the key is missing), or name those to leave out in mcp_pra_rotate_skip',
  'rotation.unknown_host':
    'These hosts are not in mcp-pra.yaml: {hosts}. Set mcp_pra_host where the inventory has another name',
  'rotation.not_begun': 'No rotation of {channel} has begun',
  'rotation.not_switched': 'The {channel} key is not switched yet: nothing may be finished',
  'rotation.not_proven':
    'The new {channel} key does not log in to {hosts}. Nothing was changed here. Run rotate-keys.yml again, which goes on, or name with --skip each host that may be left without it',
  'rotation.switched':
    'This machine uses the new {channel} key already, and hosts may have forgotten the old one: run the rotation again, which finishes it',
  'rotation.no_login': 'The auto key logs in nowhere: there is no login to prove',
  'rotation.phase': '{channel}: {phase}, old {old}, new {new}',
  'rotation.idle': '{channel}: no rotation under way, key {old}',
  'rotation.accepted': '{host}: accepted',
  'rotation.refused': '{host}: refused',
  'rotation.unknown': '{host}: not known ({code})',
  'rotation.host_idle': '{host}: {key}',
  'rotation.host_pending': '{host}: rotation under way, old {old}, new {new}; both are trusted',
  'rotation.host_open':
    'Requests for {host} have not ended, and their papers name its key: {ids}. Let them end (mcp-pra show) or withdraw them, then go on',
  'rotation.host_untrusted': '{key} is not trusted for {host}',
  'rotation.approver_new': 'The new key gets a passphrase of its own. ssh-keygen asks for it, twice:',
  'rotation.approver_passphrase': 'Passphrase of the {which} key ({fingerprint}): ',
  'rotation.approver_begun':
    'Both keys have signed {path}. It holds no secret: give it to whoever runs rotate-keys.yml --tags approvers (docs/keys.md)',
  'rotation.approver_switched':
    'This machine approves with the new key already, and hosts may have revoked the old one: finish that rotation first',
  'rotation.changed': 'changed {path}',
  'rotation.unchanged': 'nothing to change',
  'progress.prove': 'logging in to {count} host(s)',

  // keys
  'revoke.nothing':
    'Say what to revoke: --key FILE.pub, --fingerprint SHA256:…, --approver NAME, or --serial N with --ca SHA256:…',
  'revoke.fingerprint_form': 'A fingerprint is SHA256: and 43 characters, as ssh-keygen -l prints it.',
  'revoke.serial_form': 'A serial number is a number from 1 to 9223372036854775807.',
  'revoke.serial_ca': '--serial and --ca go together: a serial number is one of a certain CA.',
  'revoke.key_file': 'Every line of {path} has to be a public key, as in a .pub file; nothing was revoked.',
  'revoke.key_private': 'The file {path} is a private key: name its public half, the .pub file beside it.',
  'revoke.key_certificate':
    'The file {path} is a certificate: revoke it with --serial and --ca (ssh-keygen -L -f shows both), or its key with --fingerprint.',
  'revoke.where': 'Say where: --all-hosts, or --host NAME for each.',
  'revoke.retry_alone': '--retry goes on with what an earlier command left; it takes no other order.',
  'revoke.within': 'It is a number of seconds from 10 to 3600.',
  'revoke.no_inventory': 'There is no inventory at {path}. Name yours with --inventory FILE.',
  'revoke.approver': 'approver {name}',
  'revoke.serial': 'serial {serial} of {ca}',
  'revoke.begin': 'Revoking {what}',
  'revoke.host': '{host}: revoked after {seconds} s; {detail}',
  'revoke.unproven_here': 'not in the configuration of this machine, so only the host itself says so',
  'revoke.key_refused': 'sshd accepted the key before and refuses it now',
  'revoke.key_unseen':
    'sshd refuses the key, but was not seen to accept it from here before: only the host itself says that it is revoked',
  'revoke.key_accepted': 'SSHD STILL ACCEPTS THE KEY',
  'revoke.key_unasked': 'sshd could not be asked about it: only the host itself says that it is revoked',
  'revoke.key_failed': 'sshd could not be asked about the key',
  'revoke.before_dead': 'connections from before are dead',
  'revoke.before_alive': 'A CONNECTION FROM BEFORE IS STILL OPEN',
  'revoke.before_none': '{count} process(es) of open connections ended',
  'revoke.account_works': '{account} key works',
  'revoke.account_revoked': '{account} key, or its CA, is the revoked one',
  'revoke.account_closed': '{account} channel is closed by the kill switch',
  'revoke.account_untried': '{account} login could not be tried {what}',
  'revoke.account_fails': '{account} KEY DOES NOT WORK',
  'revoke.host_failed': '{host}: NOT REVOKED: {error}',
  'revoke.host_unreachable': '{host}: NOT REVOKED: it cannot be reached',
  'revoke.host_missing': '{host}: NOT REVOKED: the inventory has no host of that name',
  'revoke.only_checked': 'Ansible was told to change nothing (check mode)',
  'revoke.no_check':
    'After -- there is {word}, which changes nothing. To see what would change, run playbooks/revoke.yml with it (docs/keys.md).',
  'revoke.unheard': 'Ansible ended with {code} before it said anything of this host',
  'revoke.again': 'Not reached: {hosts}. Trying again in {seconds} s.',
  'revoke.unlisted':
    'No host listed it. Its fingerprint is on the revocation lists now; check that it is the right one.',
  'revoke.approver_unlisted': 'No host listed {name}: check the spelling. Nothing was taken out.',
  'revoke.no_key_left': '{host}: no {account} key is left; rotate or provision to give it a new one',
  'revoke.no_person_left': '{host}: no approver is left',
  'revoke.sum': '{done} of {all} host(s) done, {proven} of them proven from here, in {seconds} s.',
  'revoke.left': '{count} host(s) are left, written to {path}. Go on with: mcp-pra keys revoke --retry',
  'revoke.left_unknown':
    'It ended before Ansible said which hosts there are: all of them are left, written to {path}. Go on with: mcp-pra keys revoke --retry',
  'revoke.retry_none': 'No revocation is left to be done.',
  'revoke.files':
    'It is still named in {path}: take it out, so that provisioning does not list it again (the hosts refuse it either way).',
  'ledger.not_written': 'The ledger could not be written; keep this output.',
  'keys.title': 'Keys of this machine',
  'keys.head': 'account|fingerprint|expires|file',
  'keys.unreadable': '(no public half)',
  'keys.unknown_expiry': '?',
  'keys.never': 'never',
  'keys.host_title': 'Keys that open the accounts, as each host says',
  'keys.host_head': 'host|account|fingerprint|expires|here',
  'keys.host_none': '{host}: keeps no list; provision it again',
  'keys.host_failed': '{host}: {error}',
  'keys.here': 'yes',
  'keys.not_here': '',
  'progress.keys': 'asking {what}',
  'progress.revoke': 'revoking, {done} host(s) done',
} as const;
