/**
 * The stop button on this machine: freezes, who was released from them, and the signed orders for the hosts. A frozen host's requests
 * are not dispatched, whoever writes the change; lifting a freeze and looking at a break-glass session are.
 */
export const freezes = `
CREATE TABLE freezes (
  id         TEXT PRIMARY KEY CHECK (length(id) = 16 AND id NOT GLOB '*[^a-z2-7]*'),
  host       TEXT NOT NULL, -- '*' is every host
  since      INTEGER NOT NULL,
  by         TEXT NOT NULL,
  reason     TEXT NOT NULL,
  ledger_seq INTEGER NOT NULL REFERENCES ledger (seq)
) STRICT;

-- A freeze has ended when its own host (or '*') is released.
CREATE TABLE freeze_releases (
  freeze     TEXT NOT NULL REFERENCES freezes (id),
  host       TEXT NOT NULL,
  ledger_seq INTEGER NOT NULL REFERENCES ledger (seq),
  PRIMARY KEY (freeze, host)
) STRICT, WITHOUT ROWID;

CREATE TABLE freeze_orders (
  id         TEXT PRIMARY KEY CHECK (length(id) = 16 AND id NOT GLOB '*[^a-z2-7]*'),
  host       TEXT NOT NULL,
  ticket     TEXT NOT NULL,
  signature  TEXT NOT NULL,
  principal  TEXT NOT NULL,
  state      TEXT NOT NULL CHECK (state IN ('WAITING', 'CONFIRMED', 'REFUSED', 'WITHDRAWN')),
  code       TEXT,
  receipt_text      TEXT,
  receipt_signature TEXT,
  updated_at INTEGER NOT NULL,
  CHECK ((receipt_text IS NULL) = (receipt_signature IS NULL)),
  CHECK (state <> 'CONFIRMED' OR receipt_text IS NOT NULL)
) STRICT;

CREATE TRIGGER freezes_keep BEFORE UPDATE ON freezes
BEGIN SELECT RAISE(ABORT, 'a freeze does not change'); END;
CREATE TRIGGER freezes_stay BEFORE DELETE ON freezes
BEGIN SELECT RAISE(ABORT, 'freezes are kept'); END;
CREATE TRIGGER freeze_releases_keep BEFORE UPDATE ON freeze_releases
BEGIN SELECT RAISE(ABORT, 'a release does not change'); END;
CREATE TRIGGER freeze_releases_stay BEFORE DELETE ON freeze_releases
BEGIN SELECT RAISE(ABORT, 'releases are kept'); END;
CREATE TRIGGER freeze_orders_follow BEFORE UPDATE ON freeze_orders
WHEN OLD.state <> 'WAITING' OR NEW.id IS NOT OLD.id OR NEW.host IS NOT OLD.host OR NEW.ticket IS NOT OLD.ticket
  OR NEW.signature IS NOT OLD.signature OR NEW.principal IS NOT OLD.principal
BEGIN SELECT RAISE(ABORT, 'a signed order does not change'); END;
CREATE TRIGGER freeze_orders_stay BEFORE DELETE ON freeze_orders
BEGIN SELECT RAISE(ABORT, 'orders are kept'); END;

CREATE TRIGGER requests_frozen BEFORE UPDATE ON requests
WHEN NEW.state = 'DISPATCHING' AND OLD.state <> 'DISPATCHING' AND NEW.action NOT IN ('unfreeze', 'review')
  AND EXISTS (SELECT 1 FROM freezes WHERE freezes.host IN (NEW.host, '*') AND NOT EXISTS (
    SELECT 1 FROM freeze_releases WHERE freeze_releases.freeze = freezes.id AND freeze_releases.host IN (NEW.host, '*')))
BEGIN SELECT RAISE(ABORT, 'the host is frozen on this machine'); END;
`;
