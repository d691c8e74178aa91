/** What people have to hear about one-time passwords until one of them has acknowledged it: no re-enrolment takes it away. */
export const otpNotices = `
CREATE TABLE otp_notices (
  seq       INTEGER PRIMARY KEY AUTOINCREMENT,
  principal TEXT NOT NULL,
  kind      TEXT NOT NULL CHECK (kind IN ('recovery', 'forced', 'unproven')),
  at        INTEGER NOT NULL,
  read_by   TEXT
) STRICT;

INSERT INTO otp_notices (principal, kind, at)
  SELECT principal, 'recovery', used_at FROM otp_recovery JOIN otp_enrolments ON id = enrolment
  WHERE used_at IS NOT NULL ORDER BY used_at;

CREATE TRIGGER otp_notices_keep BEFORE UPDATE ON otp_notices
WHEN OLD.read_by IS NOT NULL OR NEW.read_by IS NULL OR NEW.seq IS NOT OLD.seq OR NEW.principal IS NOT OLD.principal
  OR NEW.kind IS NOT OLD.kind OR NEW.at IS NOT OLD.at
BEGIN SELECT RAISE(ABORT, 'a notice is acknowledged once'); END;
CREATE TRIGGER otp_notices_stay BEFORE DELETE ON otp_notices
BEGIN SELECT RAISE(ABORT, 'notices are kept'); END;
`;
