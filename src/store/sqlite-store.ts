import { PraError } from '../errors.ts';
import { isBuiltIn } from '../request/built-in.ts';
import { expiredError, hasLapsed } from '../request/ending.ts';
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
import { decideBy, executeBy, isOverdue, lapse, lapseEnding } from './deadlines.ts';
import { FreezeTable } from './freeze-table.ts';
import type { Ledger } from './ledger.ts';
import { OtpTable } from './otp-table.ts';
import { RequestTable } from './request-table.ts';
import { patched } from './request-rows.ts';
import { SilenceTable } from './silence-table.ts';
import type { SteadyTime } from './steady-time.ts';
import { guarded } from './store-error.ts';
import { verifyLedger, type Verified } from './verify-ledger.ts';

/** Who ends what was not decided or executed in time. */
const CLOSER = 'mcp-pra/store';

export interface StoreParts {
  readonly database: Database;
  readonly ledger: Ledger;
  readonly mirror: AuditMirror;
  readonly clock: Clock;
  readonly steady: SteadyTime;
  /** From the approval to the dispatch, at most. Milliseconds. */
  readonly executeMs: number;
  /** A committed row that somebody has to look at. */
  readonly onAlarm: (row: LedgerRow) => void;
}

/** The Store of ports.ts on one connection. Everything that SQLite throws comes out as STORE_BROKEN. */
export class SqliteStore implements Store {
  readonly #parts: StoreParts;
  readonly #requests: RequestTable;
  readonly #otp: OtpTable;
  readonly #silences: SilenceTable;
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
    this.#silences = new SilenceTable(parts.database);
    this.freezes = new FreezeTable({
      database: parts.database,
      change: (work) => this.#change(work),
      read: (work) => this.#read(work),
      append: (entry, otp) => this.#append(entry, otp),
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
        return expiredError(this.#lapse(request, now));
      }
      if (hasLapsed(request) && needsTime(event)) return expiredError(request);
      const state = next(request.state, event);
      if (state === undefined) throw new PraError('STATE_CONFLICT', { id, state: request.state, event });
      // Of two who sign at the same moment the second one looks again: no signature is lost.
      if (!keepsSignatures(request, patch)) throw new PraError('SIGNED_MEANWHILE', { id });
      // A signed ticket ends on its host, not by a word here.
      if (ENDS_UNSIGNED.includes(event) && request.signatures.length > 0)
        throw new PraError('SIGNED_MEANWHILE', { id });
      if (STARTS.includes(event) && !isBuiltIn(request.action)) this.#refuseFrozen(request.host);
      const { seq } = this.#append(entry, otp);
      const changed = {
        ...patched(request, patch),
        ...traces(event, request, now),
        state,
        updatedAt: this.#now(),
      };
      if (event === 'succeed' && request.action === 'unfreeze') this.freezes.releaseBy(id, request.host, seq);
      const until = executeBy(event, changed, now, this.#parts.executeMs) ?? request.executeBy;
      return this.#requests.update(
        { ...changed, decideBy: decideBy(event, request, now), executeBy: until },
        seq,
      );
    });
    if (outcome instanceof PraError) throw outcome;
    return outcome;
  }

  time(): number {
    return this.#parts.steady.now();
  }

  noteSilence(id: string): number {
    const { clock } = this.#parts;
    return this.#change(() => {
      const now = this.time();
      return this.#silences.note(id, now, Math.round(clock.awake?.() ?? now));
    });
  }

  endSilence(id: string): void {
    // Mostly there is none: no write lock for that.
    if (guarded(() => this.#silences.has(id))) this.#change(() => this.#silences.end(id));
  }

  expireDue(): number {
    const now = this.time();
    // Mostly there is none: no write lock for that.
    if (guarded(() => this.#requests.due(now)).length === 0) return 0;
    return this.#change(() => {
      const due = this.#requests.due(now);
      for (const request of due) this.#lapse(request, now);
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
        const { principal, key } = enrolment;
        const owner = this.#otp.ownerOf(key);
        if (owner !== undefined && owner !== principal)
          throw new PraError('KEY_ENROLLED', { principal: owner });
        if (this.#otp.enrolments(principal)[0]?.id !== proof?.enrolment)
          throw new PraError('OTP_REPLACED', { principal });
        const isUnproven = this.#otp
          .notices()
          .some((notice) => notice.principal === principal && notice.kind === 'forced');
        this.#append(isUnproven ? alarmOf(entry) : entry, proof);
        if (isUnproven) this.#otp.notice(principal, 'unproven', this.#now());
        this.#otp.remove(principal);
        this.#otp.insert(enrolment);
      }),
    forget: (principal, entry, proof) =>
      this.#change(() => {
        if (this.#otp.enrolments(principal).length === 0) return false;
        this.#append(proof === undefined ? alarmOf(entry) : entry, proof);
        if (proof === undefined) this.#otp.notice(principal, 'forced', this.#now());
        return this.#otp.remove(principal);
      }),
    attempt: (principal, subject, way) =>
      this.#change(() => this.#otp.attempt(principal, subject, way, this.time())),
    acquit: (attempt) => this.#change(() => this.#otp.acquit(attempt)),
    lockedFor: (principal) => this.#read(() => this.#otp.lockedFor(principal, this.time())),
    unlock: (principal, entry, proof) =>
      this.#change(() => {
        this.#append(entry, proof);
        this.#otp.unlock(principal);
      }),
    notices: () => this.#read(() => this.#otp.notices()),
    acknowledge: (seq, entry, proof) =>
      this.#change(() => {
        this.#append(entry, proof);
        this.#otp.acknowledge(seq, proof.principal);
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

  rowsAbout(request: string, code: string): readonly LedgerRow[] {
    return this.#read(() => this.#parts.ledger.about(request, code));
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

  #lapse(request: StoredRequest, now: number): StoredRequest {
    const event = lapse(request, now);
    const { seq } = this.#parts.ledger.append({
      kind: 'expiry',
      code: event,
      actor: CLOSER,
      host: request.host,
      subject: request.action,
      request: request.id,
      detail: { from: request.state, ending: lapseEnding(request) },
    });
    const until = executeBy(event, request, now, this.#parts.executeMs) ?? request.executeBy;
    const ended = { ...request, ending: lapseEnding(request), executeBy: until, updatedAt: this.#now() };
    return this.#requests.update(
      { ...ended, state: event === 'expire' ? 'EXPIRED' : 'REVOKE_UNCONFIRMED' },
      seq,
    );
  }

  /** One immediate transaction, and after its commit the mirror and those who wait. */
  #change<T>(work: () => T): T {
    const whole = (): T => {
      const done = work();
      this.#parts.steady.keep();
      return done;
    };
    const { database, ledger } = this.#parts;
    // Of a transaction that was rolled back.
    ledger.takeAlarms();
    const result = guarded(() => database.transaction(whole).immediate());
    this.#commits += 1;
    this.#parts.mirror.catchUp();
    this.#watch.check();
    for (const row of ledger.takeAlarms()) this.#parts.onAlarm(row);
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

/** The same row for whoever looks for alarms. */
const alarmOf = (entry: LedgerEntry): LedgerEntry => ({
  ...entry,
  kind: 'alarm',
  detail: { ...entry.detail, severity: 'HIGH' },
});

/** What an event leaves behind besides its patch. */
const traces = (event: LifecycleEvent, request: StoredRequest, now: number): Partial<StoredRequest> => {
  switch (event) {
    case 'dispatch':
      return { dispatchedAt: now };
    case 'accept':
      return { isClaimed: true };
    case 'unconfirm':
      return { ending: 'taken_back' };
    case 'expire':
      return { ending: lapseEnding(request) };
    case 'close':
      return { ending: 'closed' };
    default:
      return {};
  }
};

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
