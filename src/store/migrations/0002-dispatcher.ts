/** Which process dispatched a request: another one takes over at once when that one is gone. */
export const dispatcher = `
ALTER TABLE requests ADD COLUMN dispatcher TEXT;
`;
