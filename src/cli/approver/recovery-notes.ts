import type { OtpStatus } from '../approver-ports.ts';
import { say } from '../say.ts';

/** How long everybody is told that a recovery code was used. */
const TOLD_MS = 7 * 86_400_000;

/** A line for each approver who used a recovery code within the last seven days: on every HIGH screen and in doctor. */
export const recoveryNotes = (statuses: readonly OtpStatus[], now: number): readonly string[] =>
  statuses.flatMap(({ principal, recovery_code_used_at: used, recovery_codes_left: left }) =>
    used === null || Date.parse(used) < now - TOLD_MS
      ? []
      : [say('otp.recovery_used', { principal, used, left })],
  );
