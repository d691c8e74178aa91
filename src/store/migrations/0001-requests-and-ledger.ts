/**
 * Requests, the ledger and the bookkeeping of its mirror. What the code promises, the schema enforces once more: states
 * follow the lifecycle table, a change needs its own new ledger row, the ledger only grows and only along its chain.
 */
export const requestsAndLedger = `
CREATE TABLE ledger (
  seq      INTEGER PRIMARY KEY,
  at       TEXT NOT NULL,
  kind     TEXT NOT NULL,
  code     TEXT NOT NULL,
  actor    TEXT NOT NULL,
  host     TEXT,
  subject  TEXT,
  request  TEXT,
  detail   TEXT CHECK (detail IS NULL OR json_type(detail) = 'object'),
  previous TEXT NOT NULL,
  hash     TEXT NOT NULL CHECK (length(hash) = 64 AND hash NOT GLOB '*[^0-9a-f]*')
) STRICT;

CREATE TRIGGER ledger_continues BEFORE INSERT ON ledger
WHEN NEW.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM ledger)
  OR NEW.previous IS NOT coalesce((SELECT hash FROM ledger ORDER BY seq DESC LIMIT 1),
     '0000000000000000000000000000000000000000000000000000000000000000')
BEGIN SELECT RAISE(ABORT, 'the ledger only continues'); END;

CREATE TRIGGER ledger_keeps BEFORE UPDATE ON ledger
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;

CREATE TRIGGER ledger_stays BEFORE DELETE ON ledger
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;

CREATE TABLE lifecycle_edges (
  from_state TEXT NOT NULL,
  event      TEXT NOT NULL,
  to_state   TEXT NOT NULL,
  PRIMARY KEY (from_state, event)
) STRICT, WITHOUT ROWID;

CREATE TABLE requests (
  id              TEXT PRIMARY KEY CHECK (length(id) = 16 AND id NOT GLOB '*[^a-z2-7]*'),
  state           TEXT NOT NULL,
  host            TEXT NOT NULL,
  action          TEXT NOT NULL,
  args            TEXT NOT NULL CHECK (json_type(args) = 'array'),
  definition      TEXT NOT NULL,
  impact          TEXT NOT NULL CHECK (impact IN ('LOW', 'MEDIUM', 'HIGH')),
  requester       TEXT NOT NULL,
  reason          TEXT NOT NULL,
  created_at      INTEGER NOT NULL,
  decide_by       INTEGER NOT NULL,
  execute_by      INTEGER,
  updated_at      INTEGER NOT NULL,
  offer_text      TEXT,
  offer_signature TEXT,
  rule            TEXT,
  decided_by      TEXT,
  decision_note   TEXT,
  ticket          TEXT,
  signatures      TEXT NOT NULL CHECK (json_type(signatures) = 'array'),
  refusal         TEXT,
  receipt_text      TEXT,
  receipt_signature TEXT,
  renew_of        TEXT REFERENCES requests (id),
  -- the ledger row of the last change: no row, no change
  ledger_seq      INTEGER NOT NULL UNIQUE REFERENCES ledger (seq),
  CHECK ((offer_text IS NULL) = (offer_signature IS NULL)),
  CHECK ((receipt_text IS NULL) = (receipt_signature IS NULL))
) STRICT;

CREATE INDEX requests_by_state ON requests (state, created_at);
CREATE INDEX requests_by_age ON requests (created_at);

CREATE TRIGGER requests_begin BEFORE INSERT ON requests WHEN NEW.state <> 'PROPOSED'
BEGIN SELECT RAISE(ABORT, 'a request begins as PROPOSED'); END;

CREATE TRIGGER requests_row BEFORE INSERT ON requests
WHEN NOT EXISTS (SELECT 1 FROM ledger WHERE seq = NEW.ledger_seq AND request = NEW.id)
BEGIN SELECT RAISE(ABORT, 'no ledger row, no change'); END;

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
  OR NEW.created_at IS NOT OLD.created_at OR NEW.decide_by IS NOT OLD.decide_by
  OR NEW.renew_of IS NOT OLD.renew_of
BEGIN SELECT RAISE(ABORT, 'the identity of a request does not change'); END;

-- What was sent to the target stays as it was sent.
CREATE TRIGGER requests_sent BEFORE UPDATE ON requests
WHEN OLD.state NOT IN ('PROPOSED', 'PENDING', 'AUTO_APPROVED', 'APPROVED')
  AND (NEW.args IS NOT OLD.args OR NEW.definition IS NOT OLD.definition OR NEW.impact IS NOT OLD.impact
    OR NEW.offer_text IS NOT OLD.offer_text OR NEW.offer_signature IS NOT OLD.offer_signature
    OR NEW.ticket IS NOT OLD.ticket OR NEW.signatures IS NOT OLD.signatures
    OR NEW.execute_by IS NOT OLD.execute_by)
BEGIN SELECT RAISE(ABORT, 'what was sent does not change'); END;

CREATE TRIGGER requests_stay BEFORE DELETE ON requests
BEGIN SELECT RAISE(ABORT, 'requests are kept'); END;

-- How far the mirror files are written: the last row, and the size of each file at that point.
CREATE TABLE mirror (
  id  INTEGER PRIMARY KEY CHECK (id = 1),
  seq INTEGER NOT NULL
) STRICT;
INSERT INTO mirror (id, seq) VALUES (1, 0);

CREATE TABLE mirror_files (
  day   TEXT PRIMARY KEY,
  bytes INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
`;
