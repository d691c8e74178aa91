/** What to do about a refusal of the target, by its code (docs/wire-protocol.md). A code not listed gets `other`. */
export const targetAdvice: Readonly<Record<string, string>> = {
  LOGIN: 'The forced command is not in place; provision the host again.',
  DISABLED: 'Access was switched off on the host; a person with root there can lift it.',
  FROZEN: 'New actions are frozen on the host; ask whoever froze it, or lift it: mcp-pra unfreeze.',
  NOT_FROZEN: 'The host is not frozen; there is nothing to lift.',
  SWITCH_READ_ONLY:
    'The freeze stands in a folder of the host that cannot be written now; a person with root there makes it writable. Propose the lifting anew then.',
  LINE_FORM: 'This client sent a malformed line; update mcp-pra on this machine.',
  VERB_UNLISTED: 'The host does not have this diagnostic; provision it again.',
  WORD_UNLISTED: 'The host does not have this action; provision it again.',
  TABLE_BAD: 'A table on the host is damaged; provision it again.',
  POLICY_BAD: 'policy.json on the host is invalid; correct it and provision again.',
  VALUE_COUNT: 'Client and host disagree on parameters; provision the host again.',
  VALUE_BAD: 'The host does not accept that value.',
  NAME_UNKNOWN: 'The host has no such name; names are configured for each host.',
  RATE_LIMITED: 'Too many requests; wait a minute.',
  RATE_UNAVAILABLE: 'The rate state of the host is broken; tell its operator.',
  HOST_MISMATCH: 'The host calls itself by another name; compare its policy.json with the configuration.',
  HOST_KEY_MISMATCH: 'The ticket names another host key; propose anew.',
  ARG_NOT_ON_HOST: 'The policy of the host does not allow that value; see values in its policy.json.',
  ARG_BAD: 'The host does not accept that value.',
  ACTION_DENIED: 'The policy of the host denies this action.',
  DEFINITION_STALE: 'Catalog and host differ; provision the host again and propose anew.',
  SCRIPT_CHANGED: 'A script on the host is not the one approved; find out who changed it.',
  OFFER_SIGNATURE: 'The offer was not made by this host; propose anew.',
  OFFER_MISMATCH: 'Ticket and offer differ; propose anew.',
  OFFER_BOOT: 'The host rebooted since the offer; look again and propose anew.',
  OFFER_EXPIRED: 'The offer is too old; propose anew.',
  IMPACT_TOO_LOW: 'The host rates this action higher; propose anew.',
  NAMESPACE_WRONG: 'The signature is of another kind than the impact needs.',
  SIGNERS_FILE: 'allowed_signers on the host is invalid; provision it again.',
  SIGNER_UNKNOWN: 'The host does not list this approver; add the key to its allowed_signers.',
  SIGNER_REVOKED: 'This approver key is revoked on the host.',
  SIGNATURE_BAD: 'The signature does not verify.',
  SECURITY_KEY_REQUIRED: 'The host wants a security key for this impact.',
  PRESENCE_MISSING: 'The security key was not touched.',
  VERIFICATION_MISSING: 'The security key did not verify its user.',
  AUTO_NOT_ALLOWED: 'The host does not let this run by itself; a person has to approve it.',
  AUTO_LIMITED: 'The budget for automatic runs is used up; a person has to approve it.',
  REQUESTER_SIGNED: 'Somebody other than the requester has to approve.',
  SIGNER_TWICE: 'The same person or key signed twice.',
  QUORUM: 'More approvers have to sign.',
  REPLAYED: 'This ticket was used already; it did not run again.',
  ID_CONFLICT: 'The id is taken by another ticket; treat this as an alarm.',
  STALE: 'The host changed since the offer; look again and propose anew.',
  PRECHECK_FAILED: 'A precondition of the action is not met on the host; look with the diagnostic it names.',
  BUSY: 'Another action is running on the host; wait for it.',
  NO_SPACE: 'The host cannot record the claim: its state directory is full.',
  ID_UNKNOWN: 'The host has no such request.',
  NOT_CANCELLABLE: 'This action must not be stopped half-way; wait for its end.',
  KIND_UNSUPPORTED: 'The ticket is of another kind than the word it was sent with; propose anew.',
  APPROVAL_UNSUPPORTED: 'The policy of the host knows no break-glass; get the signatures it asks for.',
  BREAK_GLASS_NOT_ALLOWED:
    'The policy of the host does not let this person break glass for this action; get the signatures it asks for.',
  BREAK_GLASS_REVIEW:
    'An earlier break-glass session has ended without a review, or is about another incident; somebody has to review it first.',
  NOTHING_TO_REVIEW: 'No break-glass session of that incident waits for a review on the host.',
  REVIEWER_OPENED:
    'Somebody who neither opened the break-glass session nor approved anything in it has to review it.',
  STATE_BAD:
    'What the host has written down of this (a claim, the break-glass sessions) cannot be read; a person with root there has to look at it.',
  other: 'See docs/wire-protocol.md for the code.',
};

/** What a warning of the target means, by its code; one that is not listed is OTHER. */
export const targetWarnings = {
  SOFTWARE_KEY:
    'The policy of the host takes a software key for this impact: one stolen key with its passphrase is enough there.',
  CLOCK_SKEW:
    'The clocks of this machine and of the host differ by more than two minutes. Nothing is refused for that.',
  NOT_DURABLE:
    'The host could not write down on its disk that it took this; it is in memory only, and a reboot forgets it. Look at its disk.',
  OTHER: 'The host gave a warning that this program does not know; update mcp-pra on this machine.',
} as const satisfies Readonly<Record<string, string>>;
