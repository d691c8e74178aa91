import type { Ending, State } from '../request/types.ts';

/** Added for a run whose definition says which action takes it back. `{args}` are values of that run. */
export const undoStep =
  'To take it back, {action} {args} can be proposed for the same host (a person: mcp-pra undo {id}).';

/** What is waited for, as a notice of progress: our words and numbers only. */
export const waitingFor = {
  decision: 'waiting for a person, {minutes} min {seconds} s left',
  signatures: 'waiting for signatures, {given} of {needed} are there, {minutes} min {seconds} s left',
  end: 'waiting for {host}: {state}',
} as const;

/** Why a request ended, or is about to, said before its next step. Plain words: they are part of an error too. */
export const endingWords: Readonly<Record<Ending, string>> = {
  undecided: 'Nobody decided in time.',
  half_signed: 'Not all signatures that its host asks for came in time.',
  unexecuted: 'It was approved, but not executed in time.',
  taken_back: 'Its approval was taken back.',
  stayed_off: 'Its host was to be switched off, and has not answered since.',
  rebooted: 'Its host has restarted since the offer and has no record of it.',
  refused: 'Its host has no record of it and burns nothing, or is not asked any more: refusal has the code.',
  closed: 'A person closed it, not its host: decision_note has the reason.',
};

/** Added where only the time was over. */
export const renewStep = 'A person can run: mcp-pra renew {id}.';

/** The next step for each state of a request, for models and people. `{id}` is the request's id. */
export const nextStep: Readonly<Record<State, string>> = {
  PROPOSED: 'It is being filed; ask again in a moment.',
  PENDING:
    'A person has to decide in a terminal: mcp-pra approve {id}. Tell them, then wait with get_pra_action.',
  AUTO_APPROVED: 'Approved by a rule of the host; run it with execute_pra_action.',
  APPROVED: 'Approved by a person; run it with execute_pra_action.',
  DENIED: 'A person said no; read decision_note, do not propose the same again.',
  WITHDRAWN: 'It was withdrawn; nothing will run.',
  EXPIRED: 'Nothing of it can start any more.',
  REVOKE_UNCONFIRMED:
    'The host has not confirmed yet that it can never run; it is being asked. Ask again with get_pra_action.',
  REVOKED: 'The host has confirmed that it never ran and never will.',
  STALE: 'The host changed since the offer; look again, and propose anew if it is still needed.',
  DISPATCHING: 'It is on its way to the host; wait with get_pra_action.',
  RUNNING: 'It is running on the host; wait with get_pra_action.',
  REFUSED_BY_TARGET: 'The host refused it; the code in refusal says why. Nothing ran.',
  UNKNOWN:
    'The connection ended before an outcome; it is being settled and is never run twice. Ask again with get_pra_action.',
  SUCCEEDED: 'Done; the receipt is signed by the host. Check the effect with a diagnostic.',
  FAILED: 'It ran and failed; read the output, then look again before proposing anything.',
  VERIFY_FAILED:
    'It ran, but what must be true afterwards is not; the receipt has the facts. Look at the host.',
  INTERRUPTED:
    'It started and nobody saw its end (reboot, kill or cancel); the receipt says whether its effect is there. Look at the host.',
  NEVER_STARTED: 'It never started and never will; propose anew if it is still needed.',
  SENT_NO_RETURN:
    'It was sent, and how it ended is not known; look at the host. It is never run twice, and what the host still says counts.',
};
