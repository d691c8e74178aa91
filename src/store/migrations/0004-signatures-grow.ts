/** Signatures only grow, whoever writes: what stood there stays there, byte for byte, and so does who made it. */
export const signaturesGrow = `
CREATE TRIGGER requests_signatures_grow BEFORE UPDATE ON requests
WHEN substr(NEW.signatures, 1, length(OLD.signatures) - 1) IS NOT substr(OLD.signatures, 1, length(OLD.signatures) - 1)
  OR substr(NEW.approvals, 1, length(OLD.approvals) - 1) IS NOT substr(OLD.approvals, 1, length(OLD.approvals) - 1)
BEGIN SELECT RAISE(ABORT, 'signatures only grow'); END;
`;
