/**
 * Deadlines in steady time, and what several signatures need. Deadlines of requests that were open go on as they were: steady time
 * begins as the wall clock was.
 */
export const steadyTimeAndSignatures = `
-- Steady time of a boot of this machine is base + milliseconds since boot; last is the latest that a change saw.
CREATE TABLE boots (
  id   TEXT PRIMARY KEY,
  base INTEGER NOT NULL,
  last INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

ALTER TABLE requests ADD COLUMN offered_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE requests ADD COLUMN approvals TEXT NOT NULL DEFAULT '[]' CHECK (json_type(approvals) = 'array');
ALTER TABLE requests ADD COLUMN incident TEXT;
ALTER TABLE requests ADD COLUMN undo_of TEXT REFERENCES requests (id);

DROP TRIGGER requests_identity;
CREATE TRIGGER requests_identity BEFORE UPDATE ON requests
WHEN NEW.id IS NOT OLD.id OR NEW.host IS NOT OLD.host OR NEW.action IS NOT OLD.action
  OR NEW.requester IS NOT OLD.requester OR NEW.reason IS NOT OLD.reason
  OR NEW.created_at IS NOT OLD.created_at OR NEW.offered_at IS NOT OLD.offered_at
  OR NEW.renew_of IS NOT OLD.renew_of OR NEW.undo_of IS NOT OLD.undo_of
BEGIN SELECT RAISE(ABORT, 'the identity of a request does not change'); END;

-- The first of several signatures gives 15 minutes for the others; nothing else moves this deadline.
CREATE TRIGGER requests_decide_by BEFORE UPDATE ON requests
WHEN NEW.decide_by IS NOT OLD.decide_by
  AND NOT (OLD.state = 'PENDING' AND NEW.state = 'PENDING' AND OLD.signatures = '[]' AND NEW.signatures <> '[]'
    AND NEW.decide_by <= OLD.decide_by + 900000)
BEGIN SELECT RAISE(ABORT, 'the time to decide does not change'); END;

-- Signatures are of one ticket, and they only grow.
CREATE TRIGGER requests_ticket_once BEFORE UPDATE ON requests
WHEN OLD.ticket IS NOT NULL AND (NEW.ticket IS NOT OLD.ticket
  OR json_array_length(NEW.signatures) < json_array_length(OLD.signatures))
BEGIN SELECT RAISE(ABORT, 'a signed ticket does not change'); END;

CREATE TRIGGER requests_revoked BEFORE UPDATE ON requests
WHEN NEW.state = 'REVOKED' AND NEW.receipt_text IS NULL
BEGIN SELECT RAISE(ABORT, 'revoked only with a receipt of the host'); END;

DROP TRIGGER requests_sent;
CREATE TRIGGER requests_sent BEFORE UPDATE ON requests
WHEN OLD.state NOT IN ('PROPOSED', 'PENDING', 'AUTO_APPROVED', 'APPROVED')
  AND (NEW.args IS NOT OLD.args OR NEW.definition IS NOT OLD.definition OR NEW.impact IS NOT OLD.impact
    OR NEW.offer_text IS NOT OLD.offer_text OR NEW.offer_signature IS NOT OLD.offer_signature
    OR NEW.ticket IS NOT OLD.ticket OR NEW.signatures IS NOT OLD.signatures
    OR NEW.approvals IS NOT OLD.approvals OR NEW.incident IS NOT OLD.incident
    OR NEW.execute_by IS NOT OLD.execute_by)
BEGIN SELECT RAISE(ABORT, 'what was sent does not change'); END;
`;
