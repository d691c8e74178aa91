/** Sentences of the commands that stop, lift and take back; a part of cli-en.ts, of the same form. */
export const stopEn = {
  'doctor.freeze_unreached': '{host}: a signed freeze has not reached it yet',
  'doctor.frozen': '{host}: frozen since {since}, by {by}: it takes no new actions',
  'doctor.unreviewed':
    '{host}: the break-glass session {incident}, opened by {principal} at {opened}, waits for a review; no other can begin before it',
  'doctor.unreviewed_here':
    '{host}: does not answer; by what was sent from here the break-glass session {incident} of {principal} waits for a review',
  'doctor.glass_unreadable':
    '{host}: its record of break-glass sessions cannot be read; it opens none, and takes no review',
  'doctor.glass_unreadable_fix':
    'look at /var/lib/mcp-pra/break-glass.json there as root, and find out who damaged it before you remove it',
  'glass.title': 'BREAK-GLASS for {incident}: one person approves alone',
  'glass.what':
    'The policy of {host} decides whether you may. It opens a session of 60 minutes there; ledger and host say so loudly, and afterwards somebody has to review it.',
  'glass.why': 'Why it cannot wait for the others: ',
  'glass.missing':
    'REVIEW MISSING: {incident} on {host}, opened by {principal}. Run: mcp-pra review {incident} --host {host}',
  'freeze.which': 'Say where: --host NAME, once for each, or --all',
  'freeze.reason_missing': 'Say why with --reason: who is refused by the freeze reads it',
  'freeze.here': 'Frozen on this machine: {hosts}. Nothing is approved for them or sent to them from here.',
  'freeze.here_all': 'Frozen on this machine: every host. Nothing is approved or sent from here.',
  'freeze.local_only':
    'The hosts were not told: other machines can still act on them. To tell them: mcp-pra freeze without --local',
  'freeze.signing':
    'Now the hosts: {count} order(s) to sign as {principal}. One passphrase signs them all; a security key wants a touch for each.',
  'stop.what': 'What you sign does',
  'stop.same': 'The others are the same, but for id, host and host-key: {hosts}',
  'freeze.effects':
    'The host takes no new actions until somebody lifts that. What runs there goes on to its end; reading, receipts and taking back go on.',
  'freeze.undo': 'mcp-pra unfreeze, which is HIGH.',
  'freeze.sending': 'telling the hosts',
  'freeze.none': 'Nothing is frozen on this machine.',
  'freeze.every': 'every host',
  'freeze.line': 'FROZEN {host} since {since}, by {by}',
  'freeze.released': 'but for {hosts}',
  'freeze.orders': 'What the hosts say',
  'freeze.confirmed': '{host}: frozen, signed by the host (order of {principal})',
  'freeze.volatile':
    '{host}: frozen, signed by the host, UNTIL ITS NEXT BOOT: its disk cannot be written (order of {principal})',
  'freeze.waiting': '{host}: NOT REACHED ({code}); the signed order of {principal} is kept',
  'freeze.refused': '{host}: REFUSED, {code} (order of {principal})',
  'freeze.withdrawn': '{host}: withdrawn ({code})',
  'freeze.retry': 'A running server tries again every half minute, and so does: mcp-pra freeze --retry',
  'unfreeze.reason_missing': 'Say why it may go on with --reason',
  'unfreeze.not_frozen': '{host} is not frozen. If this machine is: mcp-pra unfreeze --host {host} --local',
  'unfreeze.asked': 'Asked {host} to lift its freeze. Who may signs it with: mcp-pra approve {id}',
  'unfreeze.unsigned':
    'This configuration has no approver. Within five minutes, on this machine and with one that has: mcp-pra approve {id}. Or ask for it on the machine of an approver.',
  'unfreeze.missed': '{host}: NOT ASKED ({code}); it was tried twice',
  'unfreeze.again': 'What was frozen there stays so. To ask again:',
  'unfreeze.again_command': '  mcp-pra unfreeze --reason TEXT --host {hosts}',
  'unfreeze.local':
    'Lifts the freeze of {hosts} on this machine only. Orders that have not reached their host are not sent any more; a host that is frozen stays so.',
  'unfreeze.type': 'Type {word} to lift it: ',
  'unfreeze.not': 'Not lifted.',
  'unfreeze.local_done': 'Lifted on this machine: {hosts}.',
  'review.reason': 'Review of what ran for {incident}.',
  'close.asking': 'asking {host} once more',
  'undo.reason': 'Takes back the run {id}.',
  'cancel.what': 'Stop {action} {args} on {host}, now and in the middle.',
  'cancel.effects':
    'The program and all that it started get TERM, and two seconds later KILL. How far it came is not known: the run ends as INTERRUPTED.',
  'cancel.undo': 'Nothing is taken back of what it did by then. Of the action the catalog says: {undo}',
  'cancel.waiting': 'waiting for {host} to say how the run ended',
} as const;
