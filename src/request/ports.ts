import type { FreezeStore } from './freezes.ts';
import type { Grant } from './grant.ts';
import type { LedgerEntry, LedgerRow } from './ledger-entry.ts';
import type { LifecycleEvent } from './lifecycle.ts';
import type { OtpProof } from './otp-proof.ts';
import type { OtpStore } from './otp-store.ts';
import type { State, StoredRequest } from './types.ts';

/** Clocks of this machine; injected so that tests can move them. */
export interface Clock {
  /** The wall clock: milliseconds since the epoch. Anybody may step it. */
  now(): number;
  /** Time since boot, suspends included, which nobody can step; absent where the system has none to offer. */
  boot?(): BootTime | undefined;
  /** Time since boot without the suspends, in milliseconds; absent: nobody tells a suspend from other time. */
  awake?(): number;
}

export interface BootTime {
  /** Another one for each boot: the kernel's name for it and, after a space, what tells a restarted container from before. */
  readonly id: string;
  readonly ms: number;
}

/** Processes of this machine, by names that stay theirs: another process may ask whether the one that dispatched is gone. */
export interface Processes {
  /** The name of this process; undefined where the system does not say. */
  readonly own: string | undefined;
  /** Whether a process lives; `unknown` of one that cannot be judged from here. */
  look(name: string): 'alive' | 'gone' | 'unknown';
}

/** What came back from one forced command. `exit` is undefined when the connection ended before an exit status. */
export interface ChannelResult {
  readonly stdout: Buffer;
  readonly stderr: Buffer;
  readonly exit: number | undefined;
  readonly durationMs: number;
}

/**
 * One exec on a pooled connection. Throws PraError: HOST_KEY_*, UNREACHABLE, AUTH_REFUSED, DEADLINE, CANCELLED, OUTPUT_TOO_LARGE.
 * A grant can be used once.
 */
export interface Channel {
  run(grant: Grant, options?: ChannelOptions): Promise<ChannelResult>;
  /** Host keys (SSH wire blobs) that known_hosts holds for the host, revoked ones left out. */
  hostKeys(host: string): Promise<readonly Buffer[]>;
  close(): Promise<void>;
}

export interface ChannelOptions {
  readonly signal?: AbortSignal;
  /** Standard output as it comes (runner channel). */
  readonly onStdout?: (chunk: Buffer) => void;
}

/** A host that the configuration allows. */
export interface HostEntry {
  readonly name: string;
  readonly tags: readonly string[];
  readonly groups: readonly string[];
}

/** Signs with the auto key (namespace `mcp-pra-auto`); `undefined` when none is configured. Returns the base64 SSHSIG blob. */
export type AutoSigner = ((message: Buffer) => Promise<string>) | undefined;

/** Fields that may change with a transition. */
export type RequestPatch = Partial<
  Pick<
    StoredRequest,
    | 'impact'
    | 'offer'
    | 'rule'
    | 'decidedBy'
    | 'decisionNote'
    | 'ticket'
    | 'signatures'
    | 'refusal'
    | 'receipt'
    | 'definition'
    | 'args'
    | 'approvals'
    | 'dispatcher'
    | 'incident'
    | 'ending'
  >
>;

/**
 * Requests and the ledger, one SQLite database shared by the server and the CLI. Synchronous: each method is one
 * immediate transaction that writes its ledger row too, or nothing.
 */
export interface Store {
  readonly freezes: FreezeStore;
  /** Inserts in state PROPOSED. Throws STORE_BROKEN. */
  create(request: Omit<StoredRequest, 'state' | 'updatedAt'>, entry: LedgerEntry): StoredRequest;
  get(id: string): StoredRequest | undefined;
  /** By unique prefix of at least 4 characters; throws REQUEST_UNKNOWN or REQUEST_AMBIGUOUS. */
  find(prefix: string): StoredRequest;
  list(filter?: { readonly states?: readonly State[]; readonly limit?: number }): readonly StoredRequest[];
  /**
   * Applies an event by the lifecycle table. Throws STATE_CONFLICT when the table has no such edge from the state that
   * the row has inside the transaction: of two racing callers exactly one wins. Throws SIGNED_MEANWHILE when the patch would
   * lose a signature that the row has by then, and for a denial or withdrawal of what is signed. With a one-time password's proof its step is compared and set in the same transaction:
   * OTP_USED when somebody was faster, and nothing happened. Throws FROZEN for what would
   * start something on a host that is frozen here; a successful `unfreeze` releases the host in the same transaction.
   */
  transition(
    id: string,
    event: LifecycleEvent,
    patch: RequestPatch,
    entry: LedgerEntry,
    otp?: OtpProof,
  ): StoredRequest;
  /**
   * Steady milliseconds, for deadlines: goes on with the time since boot, whatever happens to the wall clock, and never back.
   * Two boots of this machine are joined by the wall clock.
   */
  time(): number;
  /**
   * A host was asked about a request and did not answer. Returns for how long it has been silent by now, in milliseconds: each question
   * stands for the time since the one before it in which this machine was awake, at most a minute. Any process's questions count.
   */
  noteSilence(id: string): number;
  /** The host of a request has answered. */
  endSilence(id: string): void;
  /** Ends everything whose time is over, or begins to: a signed ticket that its host could still take is to be burnt. Returns how many. */
  expireDue(): number;
  /** A ledger row that belongs to no state change (a read call, a refusal); with a proof, burns it too, or throws OTP_USED. */
  append(entry: LedgerEntry, otp?: OtpProof): LedgerRow;
  /** Enrolments of one-time passwords and their limiter. */
  readonly otp: OtpStore;
  /** SHA-256 (hex) of the last ledger row; 64 zeros when empty. */
  ledgerHead(): string;
  tail(count: number): readonly LedgerRow[];
  /** The ledger's rows with this code about one request, oldest first. */
  rowsAbout(request: string, code: string): readonly LedgerRow[];
  /** Walks the whole chain (and the mirror files); throws LEDGER_BROKEN naming the first bad entry. */
  verifyLedger(): { readonly entries: number; readonly head: string };
  /** Resolves when another process or this one commits a change, or after `ms`. */
  changed(ms: number, signal?: AbortSignal): Promise<void>;
  close(): void;
}
