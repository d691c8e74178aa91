import type { State } from '../request/types.ts';

/** Added for a run whose definition says which action takes it back. `{args}` are values of that run. */
export const undoStep =
  'To take it back, {action} {args} can be proposed for the same host (a person: mcp-pra undo {id}).';

/** What is waited for, as a notice of progress: our words and numbers only. */
export const waitingFor = {
  decision: 'waiting for a person, {minutes} min {seconds} s left',
  signatures: 'waiting for signatures, {given} of {needed} are there, {minutes} min {seconds} s left',
  end: 'waiting for {host}: {state}',
} as const;

/** The next step for each state of a request, for models and people. `{id}` is the request's id. */
export const nextStep: Readonly<Record<State, string>> = {
  PROPOSED: 'It is being filed; ask again in a moment.',
  PENDING:
    'A person has to decide in a terminal: mcp-pra approve {id}. Tell them, then wait with get_pra_action.',
  AUTO_APPROVED: 'Approved by a rule of the host; run it with execute_pra_action.',
  APPROVED: 'Approved by a person; run it with execute_pra_action.',
  DENIED: 'A person said no; read decision_note, do not propose the same again.',
  WITHDRAWN: 'It was withdrawn; nothing will run.',
  EXPIRED: 'Nobody decided in time; a person can run: mcp-pra renew {id}.',
  REVOKE_UNCONFIRMED:
    'The approval was taken back, but the host has not confirmed it yet; it is being asked. Ask again with get_pra_action.',
  REVOKED: 'The approval was taken back; nothing will run.',
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
  SENT_NO_RETURN: 'It was sent and the host did not come back; look at the host.',
};
