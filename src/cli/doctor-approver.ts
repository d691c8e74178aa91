import type { Config } from '../config.ts';
import { asPraError } from '../errors.ts';
import type { OtpStatus } from './approver-ports.ts';
import { recoveryNotes } from './approver/recovery-notes.ts';
import type { DoctorPorts } from './doctor-ports.ts';
import { failure, type Finding } from './finding.ts';
import { say } from './say.ts';

/** So few recovery codes that somebody should enrol again. */
const FEW = 3;

/** The approver's key and one-time password; that no agent would sign with the key; that recovery codes were used. */
export const checkApprover = async (
  { approver }: Pick<Config, 'approver'>,
  ports: Pick<DoctorPorts, 'approverKey' | 'otpStatuses'>,
  now: number,
): Promise<readonly Finding[]> => {
  if (approver === undefined)
    return [{ level: 'warn', text: say('doctor.no_approver'), fix: say('doctor.no_approver_fix') }];
  const { principal, key } = approver;
  try {
    const { kind, inAgent } = await ports.approverKey();
    const statuses = await ports.otpStatuses();
    const text = say(kind === 'passphrase' ? 'doctor.approver' : 'doctor.approver_touch', { principal });
    return [
      inAgent
        ? {
            level: 'fail',
            text: say('doctor.approver_agent', { principal }),
            fix: say('doctor.approver_agent_fix', { path: key }),
          }
        : { level: 'ok', text },
      otpFinding(principal, statuses),
      ...recoveryNotes(statuses, now).map((note): Finding => ({ level: 'warn', text: note })),
    ];
  } catch (thrown) {
    return failure(asPraError(thrown));
  }
};

const otpFinding = (principal: string, statuses: readonly OtpStatus[]): Finding => {
  const own = statuses.find((one) => one.principal === principal);
  if (own === undefined)
    return { level: 'warn', text: say('doctor.no_otp', { principal }), fix: 'mcp-pra approver enrol' };
  const left = own.recovery_codes_left;
  if (own.locked_seconds > 0)
    return {
      level: 'warn',
      text: say('doctor.otp_locked', { principal, seconds: own.locked_seconds }),
      fix: `mcp-pra approver unlock ${principal}`,
    };
  if (left < FEW)
    return { level: 'warn', text: say('doctor.otp_few', { principal, left }), fix: 'mcp-pra approver enrol' };
  return { level: 'ok', text: say('doctor.otp', { principal, left }) };
};
