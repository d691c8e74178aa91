/** Refusals about stopping, lifting and taking back; a part of en.ts, of the same form. */
export const stopErrorsEn = {
  FROZEN: [
    'policy',
    3,
    '{host} is frozen on this machine since {since}, by {by}: nothing is approved for it or sent to it.',
    'Ask who froze it whether it is over; then a person runs: mcp-pra unfreeze --host {host}',
  ],
  APPROVER_OTHER_KEY: [
    'approval',
    3,
    'The key of {principal} here is not the one that is enrolled on this machine.',
    'Sign with the enrolled one, or enrol this one with a code or recovery code: mcp-pra approver enrol',
  ],
  SECURITY_KEY_REQUIRED: [
    'approval',
    3,
    'The policy of {host} takes signatures of security keys only for {id} ({signer}), and this one is a software key.',
    'Sign with an sk-ssh-ed25519 or sk-ecdsa key that the host lists, or let somebody who has one sign: mcp-pra approve {id}, or mcp-pra ticket export {id}',
  ],
  PRESENCE_MISSING: [
    'approval',
    3,
    'The security key signed {id} without being touched.',
    'Sign again, with a key that was not made with ssh-keygen -O no-touch-required.',
  ],
  VERIFICATION_MISSING: [
    'approval',
    3,
    'The policy of {host} wants {id} signed by a security key that has verified its person (sk-uv), by PIN or finger.',
    'Sign with a key that was made with ssh-keygen -O verify-required, and that the host lists.',
  ],
  HOST_KEY_NONE: [
    'ssh',
    3,
    'No host key of {host} is known, so nothing can be signed for it.',
    'Compare its key on the console, then run: mcp-pra hosts trust {host}',
  ],
  NOT_CANCELLABLE: [
    'policy',
    3,
    '{action} cannot be stopped in the middle: its definition says so.',
    'Wait for its end; mcp-pra freeze --host {host} stops whatever would follow.',
  ],
  CLOSE_EARLY: [
    'approval',
    3,
    'The host of {id} was not heard, and could still begin with it for {seconds} s.',
    'Then run once more: mcp-pra close {id}',
  ],
  UNDO_NONE: [
    'catalog',
    3,
    '{action} declares no action that takes it back.',
    'Read what its definition says about going back: mcp-pra actions',
  ],
  NOT_SIGNED: [
    'approval',
    3,
    'Nobody has signed the request {id}: there is no approval to take back.',
    'To refuse it, run: mcp-pra deny {id}',
  ],
  BREAK_GLASS_REVIEW: [
    'approval',
    3,
    'The break-glass session {incident} on {host} waits for a review: no other begins, and that one is over.',
    'Somebody reads what ran under it and signs that: mcp-pra review {incident} --host {host}',
  ],
  INCIDENT_BAD: [
    'approval',
    2,
    'An incident is named by 1 to 40 small letters, digits and -, the first no -.',
    'Use the number of its ticket, for instance inc-4711.',
  ],
} as const satisfies Record<string, readonly [layer: string, exit: number, say: string, hint: string]>;
