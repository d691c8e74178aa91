import type { Impact } from '../catalog/types.ts';

/** `[a-z2-7]{16}`: 80 random bits. */
export type RequestId = string;

/** States of a request (DESIGN §7). Which may follow which is the table in lifecycle.ts. */
export type State =
  | 'PROPOSED'
  | 'AUTO_APPROVED'
  | 'PENDING'
  | 'APPROVED'
  | 'DENIED'
  | 'WITHDRAWN'
  | 'EXPIRED'
  | 'REVOKE_UNCONFIRMED'
  | 'REVOKED'
  | 'STALE'
  | 'DISPATCHING'
  | 'RUNNING'
  | 'REFUSED_BY_TARGET'
  | 'UNKNOWN'
  | 'SUCCEEDED'
  | 'FAILED'
  | 'VERIFY_FAILED'
  | 'INTERRUPTED'
  | 'NEVER_STARTED'
  | 'SENT_NO_RETURN';

/** Why a request ended, or is about to, where its state alone does not say. */
export type Ending =
  | 'undecided' // nobody signed in time
  | 'half_signed' // fewer people than its host asks for signed in time
  | 'unexecuted' // approved, and not dispatched in time
  | 'taken_back' // signed, and a person or the requester said no afterwards
  | 'stayed_off' // its host was to be switched off, and has not answered since
  | 'rebooted' // its host has restarted and has no record of it
  | 'refused' // its host has no record of it and burns nothing, or cannot be asked
  | 'closed'; // a person said so, not its host

/** Who calls: a principal and the program it came through (`alice/cli`, `alice/claude-desktop`). `[A-Za-z0-9@._-]{1,64}` each. */
export interface Caller {
  readonly principal: string;
  readonly client: string;
  readonly channel: 'mcp' | 'cli';
}

/** Name and value pairs in name order, as in `arg` lines. */
export type ArgList = readonly (readonly [name: string, value: string])[];

// ---- the texts of docs/wire-protocol.md §3, parsed. serialise(parse(x)) === x for each.

export interface Draft {
  readonly id: RequestId;
  readonly host: string;
  readonly action: string;
  readonly args: ArgList;
  readonly impact: Impact;
  readonly mode: 'run' | 'drill';
  readonly requester: string;
}

export interface Offer {
  readonly id: RequestId;
  readonly host: string;
  readonly hostKey: string;
  readonly action: string;
  readonly args: ArgList;
  readonly definition: string; // sha256 hex
  readonly impact: Impact;
  readonly mode: 'run' | 'drill';
  readonly requires: {
    readonly count: number;
    readonly namespace: string;
    readonly signer: 'software-key' | 'sk' | 'sk-uv';
  };
  readonly rule: string;
  readonly auto: boolean;
  readonly argvDigest: string; // sha256 hex
  readonly argv: readonly string[];
  readonly files: readonly { readonly sha256: string; readonly path: string }[];
  readonly facts: readonly {
    readonly diagnostic: string;
    readonly fact: string;
    readonly value: string | undefined;
  }[];
  readonly bootId: string;
  readonly boottimeMs: number;
  readonly wallclock: string;
}

export interface Ticket {
  readonly kind: 'action' | 'cancel' | 'freeze' | 'unfreeze' | 'review';
  readonly id: RequestId;
  readonly host: string;
  readonly hostKey: string;
  readonly action: string;
  readonly args: ArgList;
  readonly definition: string; // sha256 hex
  readonly impact: Impact;
  readonly mode: 'run' | 'drill';
  readonly approval: 'normal' | 'break-glass';
  /** The incident of a break-glass approval, `[a-z0-9][a-z0-9-]{0,39}`; undefined for a normal one. */
  readonly incident: string | undefined;
  /** sha256 hex of the offer's text; undefined for a freeze, and only for that. */
  readonly offer: string | undefined;
  readonly plan: { readonly root: string; readonly step: number; readonly of: number } | undefined;
  readonly issued: string;
  readonly expires: string;
  readonly requester: string;
  readonly reason: string;
  readonly ledger: string; // sha256 hex
}

export type ReceiptState =
  | 'RUNNING'
  | 'SUCCEEDED'
  | 'FAILED'
  | 'VERIFY_FAILED'
  | 'INTERRUPTED'
  | 'NEVER_STARTED';

/** A fact right before the run and at the last verification after it; undefined: it could not be read. Text of the host. */
export interface Evidence {
  readonly diagnostic: string;
  readonly fact: string;
  readonly before: string | undefined;
  readonly after: string | undefined;
}

export interface Receipt {
  readonly id: RequestId;
  readonly host: string;
  readonly hostKey: string;
  readonly action: string;
  readonly ticket: string; // sha256 hex
  readonly state: ReceiptState;
  readonly rc: number | undefined;
  readonly claimed: string;
  readonly started: string | undefined;
  readonly finished: string | undefined;
  readonly durationMs: number | undefined;
  readonly output: { readonly sha256: string; readonly bytes: number } | undefined;
  /** What the action's verification said; undefined: it has none, or nobody asked. */
  readonly verified: boolean | undefined;
  readonly evidence: readonly Evidence[];
  readonly durable: boolean;
  readonly bootId: string;
  readonly previous: string | undefined;
}

/** A text and the base64 SSHSIG over it. */
export interface SignedText {
  readonly text: string;
  readonly signature: string;
}

/** One person's signature under a ticket: who, with which key, and where it was made. */
export interface Approval {
  readonly principal: string;
  /** `SHA256:…` of the key. */
  readonly key: string;
  /** `here`, or `cosigned` on another machine. */
  readonly way: 'here' | 'cosigned';
}

/**
 * A request as the store keeps it. Times are milliseconds since the epoch; those of deadlines (`offeredAt`, `decideBy`,
 * `executeBy`, `dispatchedAt`) are the store's own steady time, to be compared with `Store.time()` only: no step of the wall clock moves them.
 */
export interface StoredRequest {
  readonly id: RequestId;
  readonly state: State;
  readonly host: string;
  readonly action: string;
  readonly args: ArgList;
  readonly definition: string;
  /** Effective impact: what the target's offer says. */
  readonly impact: Impact;
  readonly requester: string;
  readonly reason: string;
  readonly createdAt: number;
  /** When the host's offer came: the host counts its age from then. Steady. */
  readonly offeredAt: number;
  /** Until when the next decision can be made; the first of several signatures moves it once. Steady. */
  readonly decideBy: number;
  /** Until when an approved request may be dispatched, or a revocation that the host has not confirmed is of use. Steady. */
  readonly executeBy: number | undefined;
  readonly updatedAt: number;
  readonly offer: SignedText | undefined;
  /** The rule that auto-approved, or that asked for a person. */
  readonly rule: string | undefined;
  readonly decidedBy: string | undefined;
  /** The denier's words, for the model to read. */
  readonly decisionNote: string | undefined;
  readonly ticket: string | undefined;
  readonly signatures: readonly string[];
  /** Who made which of them; none for the auto key's. */
  readonly approvals: readonly Approval[];
  /** Incident of a break-glass approval. */
  readonly incident: string | undefined;
  /** The target's refusal code, e.g. `pra-run STALE`. */
  readonly refusal: string | undefined;
  readonly receipt: SignedText | undefined;
  readonly renewOf: RequestId | undefined;
  /** The process that dispatched it, as `Processes` (ports.ts) names it. */
  readonly dispatcher: string | undefined;
  /** When that was. Steady. */
  readonly dispatchedAt: number | undefined;
  /** Whether the host has ever said that it has claimed it. */
  readonly isClaimed: boolean;
  readonly ending: Ending | undefined;
  /** The ended request that this one takes back. */
  readonly undoOf: RequestId | undefined;
}
