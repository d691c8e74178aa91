import type { Config } from '../config.ts';
import { asPraError } from '../errors.ts';
import type { OtpStatus } from './approver-ports.ts';
import { otpNotes } from './approver/otp-notes.ts';
import type { DoctorPorts } from './doctor-ports.ts';
import { failure, type Finding } from './finding.ts';
import { say } from './say.ts';

/** So few recovery codes that somebody should enrol again. */
const FEW = 3;

/** The approver's key and one-time password; that no agent would sign with the key; what somebody has to acknowledge. */
export const checkApprover = async (
  config: Pick<Config, 'approver'>,
  ports: Pick<DoctorPorts, 'approverKey' | 'oneTimePasswords'>,
): Promise<readonly Finding[]> => {
  try {
    const { statuses, notices } = await ports.oneTimePasswords();
    // Whatever is wrong with the key, or whether there is one.
    const told = otpNotes(notices).map((text): Finding => ({
      level: 'warn',
      text,
      fix: say('otp.notices_fix'),
    }));
    return [...(await checkKey(config, ports, statuses)), ...told];
  } catch (thrown) {
    return failure(asPraError(thrown));
  }
};

const checkKey = async (
  { approver }: Pick<Config, 'approver'>,
  ports: Pick<DoctorPorts, 'approverKey'>,
  statuses: readonly OtpStatus[],
): Promise<readonly Finding[]> => {
  if (approver === undefined)
    return [{ level: 'warn', text: say('doctor.no_approver'), fix: say('doctor.no_approver_fix') }];
  const { principal, key } = approver;
  try {
    const { kind, inAgent } = await ports.approverKey();
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
