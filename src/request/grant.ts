import { randomUUID } from 'node:crypto';

/** What may be said to a host once, and nothing else. */
export interface GrantSpec {
  readonly account: 'reader' | 'runner';
  readonly host: string;
  /** SSH_ORIGINAL_COMMAND: a request line or a single word. */
  readonly line: string;
  /** Standard input of the forced command. The reader channel sends `hold` and keeps it open (docs/wire-protocol.md §2). */
  readonly input: 'hold' | Buffer;
  /** Deadline of the whole exec and cap of everything received. */
  readonly seconds: number;
  readonly bytes: number;
}

const made = new WeakSet<Grant>();
const used = new WeakSet<Grant>();

/** Proof that policy (and, where needed, an approval) allowed one exec. Only policy.ts calls `makeGrant`; a test keeps it so. */
export interface Grant extends GrantSpec {
  readonly id: string;
}

export const makeGrant = (spec: GrantSpec): Grant => {
  const grant: Grant = Object.freeze({ ...spec, id: randomUUID() });
  made.add(grant);
  return grant;
};

/** Called by the channel: true once for each real grant. */
export const spendGrant = (grant: Grant): boolean => {
  if (!made.has(grant) || used.has(grant)) return false;
  used.add(grant);
  return true;
};
