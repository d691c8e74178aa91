/** One-time passwords: who has one, its recovery codes, and the attempts that were counted. */
export const otp = `
CREATE TABLE otp_enrolments (
  principal     TEXT PRIMARY KEY,
  id            TEXT NOT NULL UNIQUE,
  key           TEXT NOT NULL,
  key_type      TEXT NOT NULL,
  sealed        TEXT NOT NULL,
  last_step     INTEGER NOT NULL,
  enrolled_at   INTEGER NOT NULL,
  recovery_salt TEXT NOT NULL
) STRICT;

-- A step counts once: whoever comes second finds it used.
CREATE TRIGGER otp_steps_go_on BEFORE UPDATE ON otp_enrolments
WHEN NEW.last_step <= OLD.last_step OR NEW.principal IS NOT OLD.principal OR NEW.id IS NOT OLD.id
  OR NEW.key IS NOT OLD.key OR NEW.sealed IS NOT OLD.sealed OR NEW.recovery_salt IS NOT OLD.recovery_salt
BEGIN SELECT RAISE(ABORT, 'steps of a one-time password only go on'); END;

CREATE TABLE otp_recovery (
  enrolment TEXT NOT NULL REFERENCES otp_enrolments (id) ON DELETE CASCADE,
  position  INTEGER NOT NULL,
  hash      TEXT NOT NULL,
  used_at   INTEGER,
  PRIMARY KEY (enrolment, position)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER otp_recovery_once BEFORE UPDATE ON otp_recovery
WHEN OLD.used_at IS NOT NULL OR NEW.used_at IS NULL OR NEW.hash IS NOT OLD.hash
BEGIN SELECT RAISE(ABORT, 'a recovery code is used once'); END;

-- Tries that were not right, and those that nobody has judged yet. Times are steady. counts: 0 once a lock was ended early.
CREATE TABLE otp_attempts (
  seq       INTEGER PRIMARY KEY AUTOINCREMENT,
  principal TEXT NOT NULL,
  subject   TEXT NOT NULL,
  way       TEXT NOT NULL CHECK (way IN ('code', 'recovery')),
  at        INTEGER NOT NULL,
  counts    INTEGER NOT NULL DEFAULT 1
) STRICT;

CREATE TABLE otp_locks (
  principal TEXT PRIMARY KEY,
  until     INTEGER NOT NULL,
  attempt   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
`;
