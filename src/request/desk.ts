import type { Catalog, Facts, Impact } from '../catalog/types.ts';
import type { PraError } from '../errors.ts';
import type { LeftOut } from './answer-parts.ts';
import type { Board } from './board.ts';
import type { BreakGlass, MissingReview } from './break-glass.ts';
import type { FreezeDesk } from './freeze-desk.ts';
import type { OtpProof } from './otp-proof.ts';
import type { HostWarning } from './host-warnings.ts';
import type { HostEntry } from './ports.ts';
import type { BuiltInWord } from './built-in.ts';
import type { SheetDefinition } from './sheet-definition.ts';
import type { CancelDraft } from './stops.ts';
import type { Suspicion } from './suspicious.ts';
import type { Caller, Offer, Receipt, RequestId, SignedText, State } from './types.ts';

/** How one diagnostic ended on one host. A tool that is not installed is `not_present`: data, not an error. */
export type ReadStatus = 'ok' | 'not_present' | 'refused' | 'unreachable' | 'timeout' | 'failed';

/** The result of a diagnostic on one host (DESIGN §4); field names are those of the MCP output. */
export interface ReadResult {
  readonly host: string;
  readonly diagnostic: string;
  /** SHA-256 of the definition, hex. */
  readonly definition: string;
  readonly status: ReadStatus;
  readonly exit: number | null;
  readonly duration_ms: number;
  readonly collected_at: string;
  readonly clock_offset_ms: number | null;
  readonly facts: Facts;
  /** Host text: neutralised, masked, as much as there is room for. Untrusted. */
  readonly text: string;
  /** Something was cut at the host's limit, or left out here. */
  readonly truncated: boolean;
  /** What is not in this part; null when that was all. `next_cursor` has it. */
  readonly left_out: LeftOut | null;
  /** How many secrets were masked. */
  readonly redactions: number;
  /** What seems to address a model in it; empty: nothing was found. */
  readonly suspicious: readonly Suspicion[];
  /** For `readMore`, in this session. */
  readonly next_cursor: string | null;
  /** What to do next when the status is not ok; our words only. */
  readonly hint: string | null;
  /** Code of the refusal or failure, when there is one. */
  readonly code: string | null;
}

export interface LookReport {
  readonly results: readonly ReadResult[];
  /** How many hosts answered how; in our words. */
  readonly summary: string;
  /** Who differs from the rest, for more than two hosts; at most five lines. Untrusted: values are the hosts'. */
  readonly differences: readonly string[];
}

/** A request as it is shown to models and people. No signature, no ticket. */
export interface RequestView {
  readonly id: RequestId;
  readonly state: State;
  readonly terminal: boolean;
  readonly host: string;
  readonly action: string;
  readonly args: Readonly<Record<string, string>>;
  readonly impact: Impact;
  readonly requester: string;
  readonly reason: string;
  readonly rule: string | null;
  readonly decided_by: string | null;
  /** Who has signed so far, and how many have to; null before the host's offer. */
  readonly signed_by: readonly string[];
  readonly signatures_needed: number | null;
  readonly decision_note: string | null;
  readonly created_at: string;
  readonly decide_by: string;
  /** Seconds left to decide (PENDING) or to execute (APPROVED); null otherwise. */
  readonly seconds_left: number | null;
  /** The argv the target will run, from its signed offer. */
  readonly argv: readonly string[];
  readonly refusal: string | null;
  /** What the host warned of; it stopped nothing. */
  readonly warnings: readonly HostWarning[];
  /** Beside which flagged text it was asked for, in our words; null in a clean session. */
  readonly taint: string | null;
  readonly receipt: Omit<Receipt, 'hostKey'> | null;
  /** Output of the action, capped, neutralised and masked; null when there is none (yet). Untrusted. */
  readonly output: string | null;
  readonly output_truncated: boolean;
  readonly renew_of: RequestId | null;
  /** The ended request that this one takes back. */
  readonly undo_of: RequestId | null;
  /** The next step, in our words. */
  readonly next: string;
}

export interface WaitOptions {
  readonly signal?: AbortSignal;
  /** How long the call may wait for an outcome, at most; the work goes on after it. */
  readonly waitMs?: number;
  /** Output of the action while it runs: neutralised and masked lines. */
  readonly onOutput?: (text: string) => void;
  /** The request while it is waited for, at once and every five seconds; of `get` and `execute` only. */
  readonly onWaiting?: (view: RequestView) => void;
}

export interface LookOptions {
  /** Aborted by AbortSignal.timeout: the hosts that have not answered are `timeout`, the others keep their results. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number) => void;
  /** All of the answers, logs as they are, for a person: nothing is left out. */
  readonly isWhole?: boolean;
}

/** What a model may do. `mcp/` gets exactly this object: it has no method that decides. */
export interface ModelDesk {
  readonly catalog: Catalog;
  hosts(): readonly HostEntry[];
  /** One diagnostic on up to 20 hosts. Refusals of a single host are results; refusals of the call throw PraError. */
  look(
    caller: Caller,
    query: {
      readonly diagnostic: string;
      readonly hosts: readonly string[];
      readonly args: Readonly<Record<string, unknown>>;
    },
    options?: LookOptions,
  ): Promise<LookReport>;
  /** What was left out of one host's answer, the next part of it. Throws CURSOR_GONE. */
  readMore(caller: Caller, cursor: string): Promise<LookReport>;
  /**
   * Fetches and verifies the target's offer and files the request. With `autoApprove`, a LOW request that the host's own
   * policy lets run by itself is approved by that rule and run at once; otherwise it waits for a person.
   */
  propose(
    caller: Caller,
    query: {
      readonly action: string;
      readonly host: string;
      readonly args: Readonly<Record<string, unknown>>;
      readonly reason: string;
      readonly autoApprove: boolean;
      readonly impact?: Impact;
    },
    options?: WaitOptions,
  ): Promise<RequestView>;
  /** The request, waiting up to `waitMs` for its state to change to a final one. */
  get(caller: Caller, id: string, options?: WaitOptions): Promise<RequestView>;
  list(
    caller: Caller,
    filter?: { readonly states?: readonly State[]; readonly limit?: number },
  ): readonly RequestView[];
  /** Takes a request back. Once it is signed, it is REVOKED with the host's receipt only, and REVOKE_UNCONFIRMED until then. */
  withdraw(caller: Caller, id: string, options?: WaitOptions): Promise<RequestView>;
  /** Runs an approved request. Idempotent: a running or ended one is only reported. Throws NOT_APPROVED before that. */
  execute(caller: Caller, id: string, options?: WaitOptions): Promise<RequestView>;
  /** Counts and writes down a call that was refused before it reached a method; returns what to show (RATE_LIMITED instead, maybe). */
  refused(caller: Caller, subject: string, error: PraError): PraError;
}

/** What the approver reads and signs: `ticket` is the exact text. */
export interface ApprovalSheet extends SheetDefinition {
  readonly view: RequestView;
  readonly offer: Offer;
  readonly offerText: SignedText;
  readonly ticket: string;
  /** Namespace the signature must have. */
  readonly namespace: string;
  /** Rules of this machine that raise it now, with their impacts; empty when none does. */
  readonly rules: string;
  /** Set when one person approves alone, by break-glass. */
  readonly breakGlass?: BreakGlass;
  /** Break-glass sessions that nobody has reviewed: on every sheet of HIGH. */
  readonly reviews?: readonly MissingReview[];
}

/** A person's signature, and for HIGH the proof of their one-time password. */
export interface PersonSigned {
  readonly principal: string;
  readonly signature: string;
  readonly otp?: OtpProof | undefined;
}

/** What a person may do besides, from the CLI only. */
export interface PersonDesk extends ModelDesk {
  /** For a screen that stays open. */
  readonly board: Board;
  /** What `signer`, when told, would sign. Throws REQUEST_EXPIRED, STATE_CONFLICT, OFFER_INVALID, SIGNER_TWICE, REQUESTER_SIGNED. */
  sheet(id: string, signer?: string, breakGlass?: BreakGlass): Promise<ApprovalSheet>;
  /** Before a passphrase is typed: whether what was read can still be approved. Throws REQUEST_EXPIRED, STATE_CONFLICT, RULE_REFUSED, RULE_RAISED. */
  recheck(sheet: ApprovalSheet): void;
  /**
   * Records the signature over `sheet.ticket`; does not run anything. Where the host asks for several it stays PENDING until the last one.
   * HIGH needs the proof of the signer's one-time password besides. Throws SIGNATURE_INVALID, SIGNER_TWICE, REQUESTER_SIGNED,
   * SIGNED_MEANWHILE, OTP_MISSING, OTP_USED.
   */
  approve(caller: Caller, sheet: ApprovalSheet, signed: PersonSigned): RequestView;
  /**
   * A partly signed request for an approver on another machine, as a block of text (ticket-bundle.ts). Throws EXPORT_UNSIGNED,
   * REQUEST_EXPIRED, STATE_CONFLICT.
   */
  exportTicket(caller: Caller, id: string): string;
  /**
   * What such an approver reads: the offer verified by this machine's known_hosts, the definition compared with its catalog, the
   * signatures so far verified. Throws BLOCK_BAD, COSIGN_FORGED, HOST_UNKNOWN, OFFER_INVALID, DEFINITION_DIFFERS, RULE_*.
   */
  cosignSheet(block: string, signer?: string): Promise<ApprovalSheet>;
  /**
   * Records the signature over `sheet.ticket` here and gives it as a block for the machine that has the request. Throws
   * SIGNATURE_INVALID, SIGNER_TWICE, REQUESTER_SIGNED.
   */
  cosign(caller: Caller, block: string, sheet: ApprovalSheet, signed: PersonSigned): string;
  /** Adds such a signature to the request it is about, as `approve`. Throws BLOCK_BAD besides, REQUEST_UNKNOWN. */
  importSignature(caller: Caller, block: string): Promise<RequestView>;
  /** Says no, also to what was approved already and has not begun; then as `withdraw`. */
  deny(caller: Caller, id: string, note: string, options?: WaitOptions): Promise<RequestView>;
  /** Whether somebody has signed it: then a ticket exists, which only its host can burn. */
  isSigned(id: string): boolean;
  /** A new request with the same content, linked to an expired one. */
  renew(caller: Caller, id: string): Promise<RequestView>;
  /**
   * Asks a host to lift its freeze (`unfreeze`), or to close a break-glass session as looked at (`review`, with `incident`): a request
   * like an action's, HIGH by itself. Throws what `propose` throws, INCIDENT_BAD.
   */
  ask(
    caller: Caller,
    query: {
      readonly word: BuiltInWord;
      readonly host: string;
      readonly args: Readonly<Record<string, string>>;
      readonly reason: string;
    },
    options?: WaitOptions,
  ): Promise<RequestView>;
  /** Proposes what the definition of an ended run says takes it back. Throws UNDO_NONE, STATE_CONFLICT and what `propose` throws. */
  undo(caller: Caller, id: string, reason: string, options?: WaitOptions): Promise<RequestView>;
  /** What a person signs to stop a run. Throws STATE_CONFLICT, NOT_CANCELLABLE, REASON_BAD. */
  cancelDraft(caller: Caller, id: string, reason: string): CancelDraft;
  /** Has the run stopped; the view says how it ended, or that it goes on. Throws TARGET_REFUSED, SIGNATURE_INVALID. */
  cancel(
    caller: Caller,
    draft: CancelDraft,
    signed: { readonly principal: string; readonly signature: string },
    options?: WaitOptions,
  ): Promise<RequestView>;
  /**
   * Ends a request whose outcome its host does not tell, by a person's word, which is what it then says. Asks the host first. Throws
   * STATE_CONFLICT, REASON_BAD, CLOSE_EARLY while the host could still take the ticket.
   */
  close(caller: Caller, id: string, reason: string, options?: WaitOptions): Promise<RequestView>;
  readonly freezes: FreezeDesk;
  /** Settles UNKNOWN and orphaned DISPATCHING/RUNNING requests by asking their hosts; returns how many were settled. */
  reconcile(options?: { readonly signal?: AbortSignal }): Promise<number>;
}
