import type { OtpStatus } from '../cli/approver-ports.ts';
import type { Store } from '../request/ports.ts';

/** What is known of every approver here. */
export const otpStatuses = ({ otp }: Pick<Store, 'otp'>): readonly OtpStatus[] =>
  otp.enrolments().map(({ principal, key, keyType, enrolledAt, recovery }) => {
    return {
      principal,
      key_type: keyType,
      fingerprint: key,
      enrolled_at: new Date(enrolledAt).toISOString(),
      recovery_codes_left: recovery.filter(({ usedAt }) => usedAt === undefined).length,
      locked_seconds: Math.ceil(otp.lockedFor(principal) / 1_000),
    };
  });
