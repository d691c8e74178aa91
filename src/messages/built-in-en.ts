/** What the approver reads of the words that targets carry out themselves. Another language is another file of the same shape. */
export const builtInEn = {
  unfreeze: {
    title: 'Lift the freeze of a host',
    summary: 'Lets new actions run on the host again.',
    effects:
      'The host takes new actions again from now on, and this machine sends it some again. Nothing is run by it.',
    undo: 'Freeze it again: mcp-pra freeze --host with the name of the host.',
  },
  review: {
    title: 'Review a break-glass session',
    summary: 'Closes the session of an incident: somebody has looked at what ran under it.',
    effects:
      'The session is closed as looked at, by you. From then on a new incident can be worked on with break-glass on this host.',
    undo: 'There is nothing to undo: a review stays in the ledger and on the host.',
  },
} as const;
