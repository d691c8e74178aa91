/**
 * Why a request ended where its state alone does not say, whether its host has claimed it, when it was dispatched, and how long its host
 * has been silent. When the offers of old requests came is in the ledger: to the millisecond, by the wall clock, as their deadlines were.
 */
export const endings = `
ALTER TABLE requests ADD COLUMN ending TEXT CHECK (ending IN
  ('undecided', 'half_signed', 'unexecuted', 'taken_back', 'stayed_off', 'rebooted', 'refused', 'closed'));
ALTER TABLE requests ADD COLUMN claimed INTEGER NOT NULL DEFAULT 0 CHECK (claimed IN (0, 1));
ALTER TABLE requests ADD COLUMN dispatched_at INTEGER;

-- For this one statement, which tells of old rows what their ledger rows say.
DROP TRIGGER requests_follow_the_table;
DROP TRIGGER requests_change_row;
DROP TRIGGER requests_identity;
UPDATE requests SET
  offered_at = CASE WHEN offered_at > 0 THEN offered_at ELSE coalesce(
    (SELECT CAST(round((julianday(at) - 2440587.5) * 86400000) AS INTEGER) FROM ledger
      WHERE ledger.request = requests.id AND kind = 'proposal' AND code = 'PROPOSED'), created_at) END,
  claimed = EXISTS (SELECT 1 FROM ledger WHERE ledger.request = requests.id AND code = 'accept'),
  ending = CASE
    WHEN state = 'EXPIRED' THEN coalesce(
      (SELECT CASE detail ->> 'from'
          WHEN 'REVOKE_UNCONFIRMED' THEN 'taken_back'
          WHEN 'APPROVED' THEN 'unexecuted'
          WHEN 'AUTO_APPROVED' THEN 'unexecuted'
          ELSE iif(signatures = '[]', 'undecided', 'half_signed') END
        FROM ledger WHERE ledger.request = requests.id AND kind = 'expiry'), 'taken_back')
    WHEN state IN ('REVOKE_UNCONFIRMED', 'REVOKED') THEN 'taken_back'
    WHEN state = 'SENT_NO_RETURN' THEN iif(refusal IS NULL, 'stayed_off', 'rebooted')
    END;

-- Terminal states have no edge, so this also makes their rows immutable.
CREATE TRIGGER requests_follow_the_table BEFORE UPDATE ON requests
WHEN NOT EXISTS (SELECT 1 FROM lifecycle_edges WHERE from_state = OLD.state AND to_state = NEW.state)
BEGIN SELECT RAISE(ABORT, 'the lifecycle has no such transition'); END;

CREATE TRIGGER requests_change_row BEFORE UPDATE ON requests
WHEN NEW.ledger_seq <= OLD.ledger_seq
  OR NOT EXISTS (SELECT 1 FROM ledger WHERE seq = NEW.ledger_seq AND request = NEW.id)
BEGIN SELECT RAISE(ABORT, 'no ledger row, no change'); END;

CREATE TRIGGER requests_identity BEFORE UPDATE ON requests
WHEN NEW.id IS NOT OLD.id OR NEW.host IS NOT OLD.host OR NEW.action IS NOT OLD.action
  OR NEW.requester IS NOT OLD.requester OR NEW.reason IS NOT OLD.reason
  OR NEW.created_at IS NOT OLD.created_at OR NEW.offered_at IS NOT OLD.offered_at
  OR NEW.renew_of IS NOT OLD.renew_of OR NEW.undo_of IS NOT OLD.undo_of
BEGIN SELECT RAISE(ABORT, 'the identity of a request does not change'); END;

CREATE TRIGGER requests_say_why BEFORE UPDATE ON requests
WHEN NEW.state IN ('EXPIRED', 'REVOKE_UNCONFIRMED', 'REVOKED', 'SENT_NO_RETURN') AND NEW.ending IS NULL
BEGIN SELECT RAISE(ABORT, 'whatever ends so says why'); END;

DROP TRIGGER requests_revoked;
CREATE TRIGGER requests_revoked BEFORE UPDATE ON requests
WHEN NEW.state IN ('REVOKED', 'NEVER_STARTED') AND NEW.receipt_text IS NULL
BEGIN SELECT RAISE(ABORT, 'that it never ran only its host can say'); END;

-- Questions that a host has not answered: for how long, and the last of them by steady time and by time awake. Milliseconds.
CREATE TABLE silences (
  request TEXT PRIMARY KEY REFERENCES requests (id),
  lasted  INTEGER NOT NULL,
  asked   INTEGER NOT NULL,
  awake   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
`;
