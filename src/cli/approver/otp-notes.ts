import type { OtpNotice } from '../../request/otp-store.ts';
import { say } from '../say.ts';

/** A line for each thing that somebody has to have heard: on every HIGH screen, in doctor and in the list, until it is acknowledged. */
export const otpNotes = (notices: readonly OtpNotice[]): readonly string[] =>
  notices.map(({ principal, kind, at }) =>
    say(`otp.notice_${kind}`, { principal, at: new Date(at).toISOString() }),
  );
