import type { ExitCode } from '../errors.ts';
import type { LookReport, ReadStatus, RequestView } from '../request/desk.ts';
import type { TriageReport } from '../request/triage.ts';
import type { State } from '../request/types.ts';

const EXIT_OF_STATE: Readonly<Record<State, ExitCode>> = {
  SUCCEEDED: 0,
  FAILED: 1,
  VERIFY_FAILED: 1,
  INTERRUPTED: 1,
  DENIED: 3,
  WITHDRAWN: 3,
  REVOKED: 3,
  REVOKE_UNCONFIRMED: 6,
  STALE: 3,
  REFUSED_BY_TARGET: 3,
  NEVER_STARTED: 3,
  PROPOSED: 4,
  PENDING: 4,
  APPROVED: 4,
  AUTO_APPROVED: 4,
  EXPIRED: 4,
  DISPATCHING: 6,
  RUNNING: 6,
  UNKNOWN: 6,
  SENT_NO_RETURN: 6,
};

/** The exit code of a command that wanted the action done (DESIGN §4). */
export const exitOfView = (view: RequestView): ExitCode => EXIT_OF_STATE[view.state];

const EXIT_OF_STATUS: Readonly<Record<ReadStatus, ExitCode>> = {
  ok: 0,
  not_present: 0,
  failed: 1,
  timeout: 1,
  refused: 3,
  unreachable: 5,
};

/** The exit code of `look`: 0 when every host answered, if only that it has no such thing; 1 failed or out of time, 3 refused, 5 unreachable. */
export const exitOfLook = ({ results }: LookReport): ExitCode =>
  exitOfStatuses(results.map(({ status }) => status));

/** A triage that found nothing and one that found something have both been done. */
export const exitOfTriage = ({ hosts }: TriageReport): ExitCode =>
  exitOfStatuses(hosts.flatMap(({ unanswered }) => unanswered.map(({ status }) => status)));

/** The worst of the hosts: a refusal before an unreachable host before a failure. */
const exitOfStatuses = (statuses: readonly ReadStatus[]): ExitCode => {
  const codes = statuses.map((status) => EXIT_OF_STATUS[status]);
  return ([3, 5, 1] as const).find((code) => codes.includes(code)) ?? 0;
};
