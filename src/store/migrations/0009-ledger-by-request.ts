/** What the ledger says about one request is read each time that request is shown. */
export const ledgerByRequest = `
CREATE INDEX ledger_by_request ON ledger (request, code) WHERE request IS NOT NULL;
`;
