/** Refusals about approvers, their keys and one-time passwords; a part of en.ts, of the same form. */
export const approverErrorsEn = {
  OTP_MISSING: [
    'approval',
    3,
    'HIGH needs a one-time password, and {principal} has none on this machine.',
    'Enrol once, in a terminal: mcp-pra approver enrol',
  ],
  UNLOCK_REFUSED: [
    'approval',
    3,
    'The key of {principal} does not unlock here: it is not enrolled, or it is the locked one itself.',
    'Another approver who is enrolled here unlocks, with a key of their own: mcp-pra approver list',
  ],
  SECURITY_KEY_FAILED: [
    'approval',
    3,
    'The security key made no signature.',
    'Read what ssh-keygen said above; is the key plugged in and was it touched in time?',
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
    'Three codes for {id} were not right: it is not approved with this machine any more.',
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
  OTP_REPLACED: [
    'approval',
    3,
    'The one-time password of {principal} is another one by now; nothing was changed.',
    'Somebody enrolled at the same moment. If that was not you: mcp-pra audit tail',
  ],
  KEY_ENROLLED: [
    'approval',
    3,
    'That key is enrolled on this machine as {principal} already: one key is one person.',
    'Enrol with a key of your own. If only the name changed: mcp-pra approver remove {principal} --force',
  ],
} as const satisfies Record<string, readonly [layer: string, exit: number, say: string, hint: string]>;
