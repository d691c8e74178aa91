import type { Catalog } from '../catalog/types.ts';
import { PraError } from '../errors.ts';
import { breakGlassRow, checkBreakGlass, missingReviews, type BreakGlass } from './break-glass.ts';
import { openCosigning } from './cosigning.ts';
import type { ApprovalSheet, ModelDesk, PersonDesk, RequestView, WaitOptions } from './desk.ts';
import { definitionFor, isBuiltIn } from './built-in.ts';
import { expiredError, hasLapsed, isRenewable } from './ending.ts';
import { FreezeDesk } from './freeze-desk.ts';
import { HostClocks } from './host-clocks.ts';
import { noteWarning, warningsAbout } from './host-warnings.ts';
import { rowAbout } from './desk-rows.ts';
import { look, readMore } from './look.ts';
import { AnswerMemory } from './answer-memory.ts';
import { namesOf } from './context-rules.ts';
import { impactOf, otpDetail, requireOtpProof, type OtpProof } from './otp-proof.ts';
import { Policy, type OperatorPolicy } from './policy.ts';
import type { AutoSigner, Channel, Clock, HostEntry, Processes, RequestPatch, Store } from './ports.ts';
import { propose, type Proposal } from './proposals.ts';
import { openBoard } from './board.ts';
import { addSignature, neededFor, refuseSigner, requireIntact, ticketAbout, type Signed } from './quorum.ts';
import { openCallGuard } from './call-guard.ts';
import { RunnerClient } from './runner-client.ts';
import { RunOutcomes } from './run-outcomes.ts';
import { Runs } from './runs.ts';
import { SessionTaint, taintOf } from './session-taint.ts';
import { findSuspicious } from './suspicious.ts';
import type { SessionSource } from './session-source.ts';
import { sheetDefinition } from './sheet-definition.ts';
import { openStops, undoProposal } from './stops.ts';
import { EXECUTE_MS, namespaceOf, ticketFor } from './ticket-for.ts';
import type { Caller, Offer, SignedText, StoredRequest } from './types.ts';
import { viewOf, type Moment } from './view.ts';
import { tellWhile, waitForDecision } from './waiting.ts';

export interface DeskParts {
  readonly catalog: Catalog;
  readonly hosts: readonly HostEntry[];
  readonly operator: OperatorPolicy;
  readonly limits: {
    readonly callsPerMinute: number;
    readonly hostsPerCall: number;
    readonly resultTokens: number;
  };
  readonly channel: Channel;
  readonly store: Store;
  readonly clock: Clock;
  readonly processes: Processes;
  readonly autoSigner: AutoSigner;
  /** From the approval to the dispatch; EXECUTE_MS unless told. Milliseconds; the store must have been told the same. */
  readonly executeMs?: number;
  /** Where this process's session comes from; `unknown` unless told, which every rule about networks matches. */
  readonly source?: SessionSource;
  /** For the log: what must not reach a caller. */
  readonly onError: (error: unknown) => void;
}

/** The desk of a person, and what else the process needs of it. */
export interface OpenDesk {
  readonly person: PersonDesk;
  /** The same desk without any method that decides: all that `mcp/` gets. */
  readonly model: ModelDesk;
  readonly policy: Policy;
  readonly runner: RunnerClient;
  /** Resolves when no call is under way and no run is being followed. To be called when the channel is closed. */
  idle(): Promise<void>;
}

/** How long the closing waits for calls to write down their end. */
const LAST_ROWS_MS = 2_000;

/** Puts the pipeline together (DESIGN §4). Every refusal of a call gets its ledger row here. */
export const openDesk = (parts: DeskParts): OpenDesk => {
  const { catalog, store, clock, processes, channel } = parts;
  const policy = new Policy(parts.hosts, parts.operator, parts.source);
  const { onError } = parts;
  const runner = new RunnerClient(channel, policy, (about, code) => {
    try {
      noteWarning(store, about, code);
    } catch (error) {
      onError(error);
    }
  });
  const outcomes = new RunOutcomes({ catalog, runner, store, onError });
  const runs = new Runs({ catalog, runner, outcomes, store, clock, processes, onError });
  const clocks = new HostClocks(channel, policy, clock);
  const { autoSigner } = parts;
  const { callsPerMinute } = parts.limits;
  const guard = openCallGuard({ catalog, store, clock, callsPerMinute, onError });
  const { guarded, guardedNow, refused } = guard;
  const maxHosts = parts.limits.hostsPerCall;
  const taint = new SessionTaint(clock);
  const hostParts = { catalog, policy, channel, store, clock, clocks, taint, onError };
  const lookParts = {
    ...hostParts,
    maxHosts,
    resultTokens: parts.limits.resultTokens,
    memory: new AnswerMemory(),
  };
  const executeMs = parts.executeMs ?? EXECUTE_MS;
  const proposalParts = { catalog, policy, runner, store, clock, autoSigner, onError, executeMs, taint };
  const hostNames = parts.hosts.map(({ name }) => name);
  const freezes = new FreezeDesk({ hosts: hostNames, policy, runner, channel, store, clock, onError });

  const current = (id: string): StoredRequest => {
    store.expireDue();
    return store.find(id);
  };
  const moment = (): Moment => ({ wall: clock.now(), steady: store.time() });
  const viewed = (request: StoredRequest): RequestView => {
    const output = runs.output(request.id);
    // What a program said is host text in the session like any other.
    if (output !== undefined) taint.note(request.host, request.action, findSuspicious(output.text));
    return viewOf(request, moment(), {
      output,
      undo: undoProposal(catalog, request),
      warnings: warningsAbout(store, request.id),
      taint: taintOf(store, request.id),
    });
  };
  const view = (id: string): RequestView => viewed(store.find(id));

  /** The configuration or the hour may be another than at the proposal: what is forbidden now is not run any more. Names the rules. */
  const requireAllowed = (request: StoredRequest): string => {
    if (!isBuiltIn(request.action)) freezes.requireOpen(request.host);
    const action = catalog.actions.get(request.action);
    if (action !== undefined) policy.impactOf(action);
    return namesOf(policy.recheck(request, clock.now()).raisedBy);
  };

  const execute = (caller: Caller, id: string, options: WaitOptions = {}): Promise<RequestView> =>
    guarded(caller, 'execute', async () => {
      const request = current(id);
      refuseUnapproved(request);
      if (request.state === 'APPROVED' || request.state === 'AUTO_APPROVED') {
        requireAllowed(request);
        // The database may be another than the one in which it was approved.
        requireIntact(request, await verifiedOffer(request));
        runs.start(caller, request);
        // Somebody else was faster: with the run, or with taking it back.
        refuseUnapproved(store.find(request.id));
      }
      return waiting(request.id, options, () => outcome(request.id, options));
    });

  const waiting = <T>(id: string, options: WaitOptions, work: () => Promise<T>): Promise<T> =>
    tellWhile(options, () => view(id), work);

  const outcome = async (id: string, options: WaitOptions): Promise<RequestView> => {
    await runs.settle(id, options);
    await runs.recall(id, options.signal);
    const seen = view(id);
    if (seen.action === 'unfreeze') freezes.tidy();
    return seen;
  };

  const proposeAnd = async (
    caller: Caller,
    proposal: Proposal,
    options: WaitOptions,
  ): Promise<RequestView> => {
    const filed = await propose(proposalParts, caller, proposal, options.signal);
    if (filed.state !== 'AUTO_APPROVED') return view(filed.id);
    runs.start(caller, filed);
    return outcome(filed.id, options);
  };

  /** What nobody has signed just ends; a signed ticket ends on its host. */
  const takeBack = async (
    caller: Caller,
    id: string,
    event: 'deny' | 'withdraw',
    patch: RequestPatch,
    options: WaitOptions,
  ): Promise<RequestView> => {
    const request = current(id);
    const row = rowAbout(request, caller, 'decision', event);
    if (request.state === 'REVOKE_UNCONFIRMED') {
      // That is under way: its host is asked once more.
      await runs.settle(request.id, options);
      return view(request.id);
    }
    try {
      if (request.signatures.length === 0) store.transition(request.id, event, patch, row);
      else await runs.takeBack(request, patch, row, options);
    } catch (error) {
      // Somebody signed between our look and our word.
      if (!(error instanceof PraError && error.code === 'SIGNED_MEANWHILE')) throw error;
      await runs.takeBack(current(id), patch, row, options);
    }
    return view(request.id);
  };

  const model: ModelDesk = {
    catalog,
    hosts: () => parts.hosts,
    look: (caller, query, options) =>
      guarded(caller, query.diagnostic, () => look(lookParts, caller, query, options)),
    readMore: (caller, cursor) =>
      guarded(caller, 'read_more', () => Promise.resolve(readMore(lookParts, caller, cursor))),
    propose: (caller, query, options = {}) =>
      guarded(caller, query.action, () => proposeAnd(caller, query, options)),
    get: (caller, id, options = {}) =>
      guarded(caller, 'get', async () => {
        const request = current(id);
        const until = performance.now() + (options.waitMs ?? 0);
        return waiting(request.id, options, async () => {
          await waitForDecision(store, request, options.signal, until);
          return outcome(request.id, { ...options, waitMs: Math.max(0, until - performance.now()) });
        });
      }),
    list: (caller, filter) =>
      guardedNow(caller, 'list', () => {
        store.expireDue();
        return store.list(filter).map(viewed);
      }),
    withdraw: (caller, id, options = {}) =>
      guarded(caller, 'withdraw', () => takeBack(caller, id, 'withdraw', {}, options)),
    refused: guard.refusedCall,
    execute,
  };

  const verifiedOffer = async (request: StoredRequest): Promise<Offer> => {
    if (request.offer === undefined) throw new PraError('APPROVAL_BROKEN', { id: request.id });
    return runner.verifyOffer(request.host, request.offer);
  };

  const makeSheet = async (id: string, signer?: string, glass?: BreakGlass): Promise<ApprovalSheet> => {
    const request = current(id);
    if (hasLapsed(request)) throw expiredError(request);
    if (request.state !== 'PENDING' || request.offer === undefined) {
      throw new PraError('STATE_CONFLICT', { id: request.id, state: request.state, event: 'approve' });
    }
    return sheetOf(request, request.offer, signer, glass);
  };

  const sheetOf = async (
    request: StoredRequest,
    offerText: SignedText,
    signer?: string,
    glass?: BreakGlass,
  ): Promise<ApprovalSheet> => {
    const rules = requireAllowed(request);
    const offer = await runner.verifyOffer(request.host, offerText);
    const action = definitionFor(catalog, request, offer.definition);
    const ledger = store.ledgerHead();
    const isHigh = offer.impact === 'HIGH' || glass !== undefined;
    const reviews = isHigh ? await missingReviews({ store, runner }, request.host) : [];
    const breakGlass = glass === undefined ? undefined : checkBreakGlass(request, glass, reviews);
    const fresh = { now: clock.now(), incident: breakGlass?.incident };
    // Who signs after the first one signs the same text.
    const ticket =
      request.ticket ??
      ticketFor({ ...fresh, request, offer, offerText, reason: request.reason, ledger, executeMs });
    const about = ticketAbout(request, offer, ticket);
    if (about === undefined) throw new PraError('APPROVAL_BROKEN', { id: request.id });
    if (signer !== undefined) refuseSigner(request, neededFor(offer, about), { principal: signer });
    return {
      view: viewed(request),
      offer,
      offerText,
      ticket,
      namespace: namespaceOf(offer.impact),
      rules,
      ...sheetDefinition(action, offer.args),
      reviews,
      ...(breakGlass === undefined ? {} : { breakGlass }),
    };
  };

  const refusing = async <T>(work: Promise<T>): Promise<T> => {
    try {
      return await work;
    } catch (thrown) {
      throw refused(READER, 'sheet', thrown);
    }
  };

  /** The request of a sheet that was read, as long as it can be approved. Throws REQUEST_EXPIRED, STATE_CONFLICT, RULE_*. */
  const stillOpen = (read: ApprovalSheet): StoredRequest => {
    const request = current(read.view.id);
    if (hasLapsed(request)) throw expiredError(request);
    if (request.state !== 'PENDING' || request.offer?.text !== read.offerText.text)
      throw new PraError('STATE_CONFLICT', { id: request.id, state: request.state, event: 'approve' });
    requireAllowed(request);
    return request;
  };

  const approve = (caller: Caller, read: ApprovalSheet, signed: Signed, otp?: OtpProof): RequestView => {
    const request = stillOpen(read);
    const { event, patch, approval } = addSignature(request, read.offer, read.ticket, signed);
    const glass = read.breakGlass;
    const row = rowAbout(request, caller, 'decision', event);
    const { principal, key, way } = approval;
    // Who signed on another machine was asked there.
    if (way === 'here')
      requireOtpProof({ impact: impactOf(request, read), principal, subject: request.id, otp });
    const needed = read.offer.requires.count;
    const counted = needed > 1 ? { way, signatures: patch.approvals?.length ?? 0, needed } : {};
    try {
      const detail = { approver: principal, key, ...otpDetail(otp), ...counted };
      const loud = breakGlassRow({ ...row, detail }, glass);
      store.transition(request.id, event, { ...patch, incident: glass?.incident }, loud, otp);
    } catch (error) {
      const isBeside = error instanceof PraError && error.code === 'SIGNED_MEANWHILE';
      // Somebody else's signature under the same ticket came in between: this one is added to it.
      if (isBeside && store.find(request.id).ticket === read.ticket)
        return approve(caller, read, signed, otp);
      throw error;
    }
    return view(request.id);
  };

  const cosigning = openCosigning({ store, current, sheetOf, requireAllowed, approve });

  const stops = openStops({
    catalog,
    store,
    clock,
    runs,
    guarded,
    guardedNow,
    current,
    outcome,
    view,
    propose: proposeAnd,
  });
  const person: PersonDesk = {
    ...model,
    board: openBoard(store, clock),
    recheck: (read) => {
      try {
        stillOpen(read);
      } catch (thrown) {
        throw refused(READER, 'sheet', thrown);
      }
    },
    sheet: (id, signer, glass) => refusing(makeSheet(id, signer, glass)),
    exportTicket: (caller, id) => guardedNow(caller, 'export', () => cosigning.exportTicket(caller, id)),
    cosignSheet: (block, signer) => refusing(cosigning.cosignSheet(block, signer)),
    cosign: (caller, block, read, signed) =>
      guardedNow(caller, 'cosign', () => cosigning.cosign(caller, block, read, signed)),
    importSignature: (caller, block) =>
      guarded(caller, 'import', () => cosigning.importSignature(caller, block)),
    approve: (caller, read, { otp, ...signed }) =>
      guardedNow(caller, 'approve', () => approve(caller, read, { ...signed, way: 'here' }, otp)),
    deny: (caller, id, note, options = {}) =>
      guarded(caller, 'deny', () => {
        const decisionNote = note.slice(0, 400).toWellFormed();
        return takeBack(caller, id, 'deny', { decisionNote }, options);
      }),
    isSigned: (id) => current(id).signatures.length > 0,
    renew: (caller, id) =>
      guarded(caller, 'renew', async () => {
        await runs.settle(current(id).id, {});
        const old = current(id);
        if (!isRenewable(old))
          throw new PraError('STATE_CONFLICT', { id: old.id, state: old.state, event: 'renew' });
        const { host, action, reason, impact } = old;
        const args = Object.fromEntries(old.args);
        return proposeAnd(
          caller,
          {
            host,
            action,
            reason,
            impact,
            args,
            autoApprove: false,
            renewOf: old.id,
            isBuiltIn: isBuiltIn(action),
          },
          {},
        );
      }),
    ...stops,
    freezes,
    reconcile: async (options = {}) => {
      store.expireDue();
      const [settled] = await Promise.all([runs.reconcile(options.signal), freezes.send(options.signal)]);
      return settled;
    },
  };

  const idle = async (): Promise<void> => {
    // So that a call which ends because of the closing still gets its row.
    await guard.idle(LAST_ROWS_MS);
    await runs.idle();
  };
  return { person, model, policy, runner, idle };
};

const refuseUnapproved = (request: StoredRequest): void => {
  if (hasLapsed(request)) throw expiredError(request);
  const waits = ['PROPOSED', 'PENDING', 'DENIED', 'WITHDRAWN', 'REVOKE_UNCONFIRMED', 'REVOKED'];
  if (waits.includes(request.state))
    throw new PraError('NOT_APPROVED', { id: request.id, state: request.state });
};

/** Who reads a sheet is not known before it is signed. */
const READER: Caller = { principal: 'mcp-pra', client: 'sheet', channel: 'cli' };
