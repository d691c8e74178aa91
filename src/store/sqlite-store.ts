import { PraError } from '../errors.ts';
import { isBuiltIn } from '../request/built-in.ts';
import { frozenError } from '../request/freezes.ts';
import type { LedgerEntry, LedgerRow } from '../request/ledger-entry.ts';
import { next, type LifecycleEvent } from '../request/lifecycle.ts';
import type { OtpProof } from '../request/otp-proof.ts';
import type { OtpStore } from '../request/otp-store.ts';
import type { Clock, RequestPatch, Store } from '../request/ports.ts';
import type { State, StoredRequest } from '../request/types.ts';
import type { AuditMirror } from './audit-mirror.ts';
import { CommitWatch } from './commit-watch.ts';
import type { Database } from './database.ts';
import { decideBy, executeBy, isOverdue } from './deadlines.ts';
import { FreezeTable } from './freeze-table.ts';
import type { Ledger } from './ledger.ts';
import { OtpTable } from './otp-table.ts';
import { RequestTable } from './request-table.ts';
import { patched } from './request-rows.ts';
import type { SteadyTime } from './steady-time.ts';
import { guarded } from './store-error.ts';
import { verifyLedger, type Verified } from './verify-ledger.ts';

/** Who closes what nobody decided in time. */
const CLOSER = 'mcp-pra/store';

export interface StoreParts {
  readonly database: Database;
  readonly ledger: Ledger;
  readonly mirror: AuditMirror;
  readonly clock: Clock;
  readonly steady: SteadyTime;
  /** From the approval to the dispatch, at most. Milliseconds. */
  readonly executeMs: number;
}

/** The Store of ports.ts on one connection. Everything that SQLite throws comes out as STORE_BROKEN. */
export class SqliteStore implements Store {
  readonly #parts: StoreParts;
  readonly #requests: RequestTable;
  readonly #otp: OtpTable;
  readonly freezes: FreezeTable;
  readonly #watch: CommitWatch;
  /** Commits of this connection, which its own data_version does not show. */
  #commits = 0;
  /** The version at the last read: what a caller of `changed` has seen. */
  #seen: string;

  constructor(parts: StoreParts) {
    this.#parts = parts;
    this.#requests = new RequestTable(parts.database);
    this.#otp = new OtpTable(parts.database);
    this.freezes = new FreezeTable({
      database: parts.database,
      change: (work) => this.#change(work),
      read: (work) => this.#read(work),
      append: (entry) => parts.ledger.append(entry),
      now: () => this.#now(),
    });
    this.#watch = new CommitWatch(`${parts.database.name}-wal`, () => this.#version());
    this.#seen = this.#version();
  }

  create(request: Omit<StoredRequest, 'state' | 'updatedAt'>, entry: LedgerEntry): StoredRequest {
    return this.#change(() => {
      const { seq } = this.#parts.ledger.append(entry);
      return this.#requests.insert({ ...request, state: 'PROPOSED', updatedAt: this.#now() }, seq);
    });
  }

  transition(
    id: string,
    event: LifecycleEvent,
    patch: RequestPatch,
    entry: LedgerEntry,
    otp?: OtpProof,
  ): StoredRequest {
    const outcome = this.#change(() => {
      const request = this.#requests.get(id);
      if (request === undefined) throw new PraError('REQUEST_UNKNOWN');
      const now = this.time();
      if (isOverdue(request, now) && needsTime(event)) {
        // Committed, and only then refused.
        this.#expire(request);
        return undefined;
      }
      if (request.state === 'EXPIRED' && needsTime(event)) return undefined;
      const state = next(request.state, event);
      if (state === undefined) throw new PraError('STATE_CONFLICT', { id, state: request.state, event });
      // Of two who sign at the same moment the second one looks again: no signature is lost.
      if (!keepsSignatures(request, patch)) throw new PraError('SIGNED_MEANWHILE', { id });
      // A signed ticket ends on its host, not by a word here.
      if (ENDS_UNSIGNED.includes(event) && request.signatures.length > 0)
        throw new PraError('SIGNED_MEANWHILE', { id });
      if (STARTS.includes(event) && !isBuiltIn(request.action)) this.#refuseFrozen(request.host);
      const { seq } = this.#append(entry, otp);
      const changed = { ...patched(request, patch), state, updatedAt: this.#now() };
      if (event === 'succeed' && request.action === 'unfreeze') this.freezes.releaseBy(id, request.host, seq);
      const until = executeBy(event, request, now, this.#parts.executeMs) ?? request.executeBy;
      return this.#requests.update(
        { ...changed, decideBy: decideBy(event, request, now), executeBy: until },
        seq,
      );
    });
    if (outcome === undefined) throw new PraError('REQUEST_EXPIRED', { id });
    return outcome;
  }

  time(): number {
    return this.#parts.steady.now();
  }

  expireDue(): number {
    const now = this.time();
    // Mostly there is none: no write lock for that.
    if (guarded(() => this.#requests.due(now)).length === 0) return 0;
    return this.#change(() => {
      const due = this.#requests.due(now);
      for (const request of due) this.#expire(request);
      return due.length;
    });
  }

  append(entry: LedgerEntry, otp?: OtpProof): LedgerRow {
    return this.#change(() => this.#append(entry, otp));
  }

  readonly otp: OtpStore = {
    enrolment: (principal) => this.#read(() => this.#otp.enrolments(principal)[0]),
    enrolments: () => this.#read(() => this.#otp.enrolments()),
    enrol: (enrolment, entry, proof) =>
      this.#change(() => {
        this.#append(entry, proof);
        this.#otp.remove(enrolment.principal);
        this.#otp.insert(enrolment);
      }),
    forget: (principal, entry) =>
      this.#change(() => {
        const was = this.#otp.remove(principal);
        if (was) this.#append(entry, undefined);
        return was;
      }),
    attempt: (principal, subject, way) =>
      this.#change(() => this.#otp.attempt(principal, subject, way, this.time())),
    lockedFor: (principal) => this.#read(() => this.#otp.lockedFor(principal, this.time())),
    unlock: (principal, entry, proof) =>
      this.#change(() => {
        this.#append(entry, proof);
        this.#otp.unlock(principal);
      }),
  };

  get(id: string): StoredRequest | undefined {
    return this.#read(() => this.#requests.get(id));
  }

  find(prefix: string): StoredRequest {
    return this.#read(() => {
      if (!/^[a-z2-7]{4,16}$/u.test(prefix)) throw new PraError('REQUEST_UNKNOWN');
      const [request, another] = this.#requests.beginningWith(prefix);
      if (request === undefined) throw new PraError('REQUEST_UNKNOWN');
      if (another !== undefined) throw new PraError('REQUEST_AMBIGUOUS');
      return request;
    });
  }

  /** Newest first; 100 unless told. */
  list(
    filter: { readonly states?: readonly State[]; readonly limit?: number } = {},
  ): readonly StoredRequest[] {
    return this.#read(() => this.#requests.list(filter.states, filter.limit ?? 100));
  }

  ledgerHead(): string {
    return this.#read(() => this.#parts.ledger.head().hash);
  }

  tail(count: number): readonly LedgerRow[] {
    return this.#read(() => this.#parts.ledger.tail(count));
  }

  verifyLedger(): Verified {
    const { database, ledger, mirror } = this.#parts;
    return this.#read(() => verifyLedger(database, ledger, mirror));
  }

  /** Resolves too when aborted or closed. It may resolve once for nothing: read again and decide. */
  changed(ms: number, signal?: AbortSignal): Promise<void> {
    return this.#watch.wait(this.#seen, ms, signal);
  }

  close(): void {
    this.#watch.close();
    this.#parts.database.close();
  }

  /** In the caller's transaction: what the proof is for happens only if its code was not used before. */
  #append(entry: LedgerEntry, otp: OtpProof | undefined): LedgerRow {
    const alarm = otp === undefined ? undefined : this.#otp.spend(otp, entry, this.#now());
    if (alarm !== undefined) this.#parts.ledger.append(alarm);
    return this.#parts.ledger.append(entry);
  }

  /** Inside the transaction: of a freeze and a dispatch that race, the later one sees the other. */
  #refuseFrozen(host: string): void {
    const freeze = this.freezes.holds(host);
    if (freeze !== undefined) throw frozenError(host, freeze);
  }

  #expire(request: StoredRequest): void {
    const { seq } = this.#parts.ledger.append({
      kind: 'expiry',
      code: 'expire',
      actor: CLOSER,
      host: request.host,
      subject: request.action,
      request: request.id,
      detail: { from: request.state },
    });
    this.#requests.update({ ...request, state: 'EXPIRED', updatedAt: this.#now() }, seq);
  }

  /** One immediate transaction, and after its commit the mirror and those who wait. */
  #change<T>(work: () => T): T {
    const whole = (): T => {
      const done = work();
      this.#parts.steady.keep();
      return done;
    };
    const result = guarded(() => this.#parts.database.transaction(whole).immediate());
    this.#commits += 1;
    this.#parts.mirror.catchUp();
    this.#watch.check();
    return result;
  }

  #read<T>(work: () => T): T {
    return guarded(() => {
      // Before the reading: a commit in between counts as news.
      this.#seen = this.#version();
      return work();
    });
  }

  #version(): string {
    return `${String(this.#parts.database.pragma('data_version', { simple: true }))} ${String(this.#commits)}`;
  }

  #now(): number {
    return this.#parts.clock.now();
  }
}

const keepsSignatures = ({ signatures }: StoredRequest, patch: RequestPatch): boolean =>
  patch.signatures === undefined || signatures.every((one, index) => one === patch.signatures?.[index]);

/** Events that a frozen host's requests do not take. */
const STARTS: readonly LifecycleEvent[] = ['auto_approve', 'cosign', 'approve', 'dispatch'];

/** Events that end what nobody has signed yet. */
const ENDS_UNSIGNED: readonly LifecycleEvent[] = ['deny', 'withdraw'];

/** Events that a request past its time does not take any more. */
const needsTime = (event: LifecycleEvent): boolean =>
  event === 'cosign' ||
  event === 'approve' ||
  event === 'deny' ||
  event === 'auto_approve' ||
  event === 'dispatch';
