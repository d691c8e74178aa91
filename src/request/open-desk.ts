import { sha256 } from '../catalog/digest.ts';
import type { Catalog } from '../catalog/types.ts';
import { asPraError, PraError } from '../errors.ts';
import type { ApprovalSheet, ModelDesk, PersonDesk, RequestView, WaitOptions } from './desk.ts';
import { isTerminal } from './lifecycle.ts';
import { HostClocks } from './host-clocks.ts';
import { look } from './look.ts';
import { fingerprint, verifySshsig } from './sshsig.ts';
import { Policy, type OperatorPolicy } from './policy.ts';
import type { AutoSigner, Channel, Clock, HostEntry, Store } from './ports.ts';
import { propose, type Proposal } from './proposals.ts';
import { CallRate } from './call-rate.ts';
import { RunnerClient } from './runner-client.ts';
import { Runs, UNSETTLED } from './runs.ts';
import { namespaceOf, ticketFor } from './ticket-for.ts';
import type { Caller, StoredRequest } from './types.ts';
import { parseTicket } from './ticket.ts';
import { viewOf } from './view.ts';

export interface DeskParts {
  readonly catalog: Catalog;
  readonly hosts: readonly HostEntry[];
  readonly operator: OperatorPolicy;
  readonly limits: { readonly callsPerMinute: number; readonly hostsPerCall: number };
  readonly channel: Channel;
  readonly store: Store;
  readonly clock: Clock;
  readonly autoSigner: AutoSigner;
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
  /** Resolves when no run is being followed. */
  idle(): Promise<void>;
}

/** Puts the pipeline together (DESIGN §4). Every refusal of a call gets its ledger row here. */
export const openDesk = (parts: DeskParts): OpenDesk => {
  const { catalog, store, clock, channel } = parts;
  const policy = new Policy(parts.hosts, parts.operator);
  const runner = new RunnerClient(channel, policy);
  const runs = new Runs({ catalog, runner, store, clock, onError: parts.onError });
  const rate = new CallRate(parts.limits.callsPerMinute, clock);
  const clocks = new HostClocks(channel, policy, clock);
  const lookParts = { catalog, policy, channel, store, clock, clocks, maxHosts: parts.limits.hostsPerCall };
  const proposalParts = { catalog, policy, runner, store, clock, autoSigner: parts.autoSigner };

  const current = (id: string): StoredRequest => {
    store.expireDue(clock.now());
    return store.find(id);
  };
  const view = (id: string): RequestView => viewOf(store.find(id), clock.now(), runs.output(id));

  /** Counts the call, and writes the refusal down before it is shown. */
  const guarded = async <T>(caller: Caller, subject: string, work: () => Promise<T> | T): Promise<T> => {
    try {
      rate.take(caller);
      return await work();
    } catch (thrown) {
      const error = asPraError(thrown);
      if (error.code === 'INTERNAL') parts.onError(thrown);
      store.append({
        kind: 'refusal',
        code: error.code,
        actor: actorOf(caller),
        subject: known(catalog, subject),
        detail: { layer: error.layer, ...plain(error) },
      });
      throw error;
    }
  };

  const execute = (caller: Caller, id: string, options: WaitOptions = {}): Promise<RequestView> =>
    guarded(caller, 'execute', async () => {
      const request = current(id);
      if (request.state === 'APPROVED' || request.state === 'AUTO_APPROVED')
        runs.start(caller, request, options);
      else refuseUnapproved(request);
      await runs.settle(request.id, options);
      return view(request.id);
    });

  const proposeAnd = async (
    caller: Caller,
    proposal: Proposal,
    options: WaitOptions,
  ): Promise<RequestView> => {
    const filed = await propose(proposalParts, caller, proposal, options.signal);
    if (filed.state === 'AUTO_APPROVED') {
      runs.start(caller, filed, options);
      await runs.settle(filed.id, options);
    }
    return view(filed.id);
  };

  const model: ModelDesk = {
    catalog,
    hosts: () => parts.hosts,
    look: (caller, query, options) =>
      guarded(caller, query.diagnostic, () => look(lookParts, caller, query, options)),
    propose: (caller, query, options = {}) =>
      guarded(caller, query.action, () => proposeAnd(caller, query, options)),
    get: (caller, id, options = {}) =>
      guarded(caller, 'get', async () => {
        const request = current(id);
        await waitForChange(store, clock, runs, request, options);
        return view(request.id);
      }),
    list: (filter) => {
      store.expireDue(clock.now());
      return store.list(filter).map((request) => viewOf(request, clock.now(), runs.output(request.id)));
    },
    withdraw: (caller, id) => {
      const request = current(id);
      store.transition(request.id, 'withdraw', {}, decision(caller, request, 'withdraw'));
      return view(request.id);
    },
    execute,
  };

  const sheet = async (id: string): Promise<ApprovalSheet> => {
    const request = current(id);
    if (request.state === 'EXPIRED') throw new PraError('REQUEST_EXPIRED', { id: request.id });
    if (request.state !== 'PENDING' || request.offer === undefined) {
      throw new PraError('STATE_CONFLICT', { id: request.id, state: request.state, event: 'approve' });
    }
    const action = catalog.actions.get(request.action);
    if (action === undefined)
      throw new PraError('ACTION_UNKNOWN', { names: [...catalog.actions.keys()].join(', ') });
    const offer = await runner.verifyOffer(request.host, request.offer);
    if (offer.definition !== action.digest) {
      throw new PraError('DEFINITION_DIFFERS', { host: request.host, definition: action.name });
    }
    const ticket = ticketFor({
      request,
      offer,
      offerText: request.offer,
      reason: request.reason,
      now: clock.now(),
      ledger: store.ledgerHead(),
    });
    return {
      view: viewOf(request, clock.now()),
      offer,
      offerText: request.offer,
      ticket,
      namespace: namespaceOf(offer.impact),
      effects: action.effects,
      undo: action.undo,
    };
  };

  const person: PersonDesk = {
    ...model,
    sheet,
    approve: (caller, read, signed) => {
      const request = current(read.view.id);
      if (request.state === 'EXPIRED') throw new PraError('REQUEST_EXPIRED', { id: request.id });
      const ticket = parseTicket(read.ticket);
      if (
        ticket.id !== request.id ||
        request.offer === undefined ||
        ticket.offer !== sha256(request.offer.text)
      ) {
        throw new PraError('SIGNATURE_INVALID');
      }
      let key: Buffer;
      try {
        key = verifySshsig({
          message: Buffer.from(read.ticket),
          signatureBase64: signed.signature,
          namespace: read.namespace,
        }).publicKey;
      } catch (error) {
        throw new PraError('SIGNATURE_INVALID', {}, error);
      }
      store.transition(
        request.id,
        'approve',
        { ticket: read.ticket, signatures: [signed.signature], decidedBy: signed.principal },
        {
          ...decision(caller, request, 'approve'),
          detail: { approver: signed.principal, key: fingerprint(key) },
        },
      );
      return view(request.id);
    },
    deny: (caller, id, note) => {
      const request = current(id);
      store.transition(
        request.id,
        'deny',
        { decisionNote: note.slice(0, 400) },
        decision(caller, request, 'deny'),
      );
      return view(request.id);
    },
    renew: (caller, id) =>
      guarded(caller, 'renew', async () => {
        const old = current(id);
        if (old.state !== 'EXPIRED')
          throw new PraError('STATE_CONFLICT', { id: old.id, state: old.state, event: 'renew' });
        const { host, action, reason, impact } = old;
        const args = Object.fromEntries(old.args);
        return proposeAnd(
          caller,
          { host, action, reason, impact, args, autoApprove: false, renewOf: old.id },
          {},
        );
      }),
    reconcile: (options = {}) => runs.reconcile(options.signal),
  };

  return { person, model, policy, runner, idle: () => runs.idle() };
};

/** Waits for an unsettled run to end, or for a person to decide. */
const waitForChange = async (
  store: Store,
  clock: Clock,
  runs: Runs,
  request: StoredRequest,
  options: WaitOptions,
): Promise<void> => {
  if (isTerminal(request.state)) return;
  if (UNSETTLED.includes(request.state)) return runs.settle(request.id, options);
  const until = clock.now() + (options.waitMs ?? 0);
  for (;;) {
    store.expireDue(clock.now());
    const left = until - clock.now();
    if (store.find(request.id).state !== request.state || left <= 0 || options.signal?.aborted === true)
      return;
    await store.changed(left, options.signal);
  }
};

const refuseUnapproved = (request: StoredRequest): void => {
  if (request.state === 'EXPIRED') throw new PraError('REQUEST_EXPIRED', { id: request.id });
  const waits = ['PROPOSED', 'PENDING', 'DENIED', 'WITHDRAWN', 'REVOKED'];
  if (waits.includes(request.state))
    throw new PraError('NOT_APPROVED', { id: request.id, state: request.state });
};

const actorOf = (caller: Caller): string => `${caller.principal}/${caller.client}`;

const decision = (caller: Caller, request: StoredRequest, code: string) =>
  ({
    kind: 'decision',
    code,
    actor: actorOf(caller),
    host: request.host,
    subject: request.action,
    request: request.id,
  }) as const;

/** A subject of the caller's choosing enters the ledger only when it is one of our names. */
const known = (catalog: Catalog, subject: string): string =>
  catalog.actions.has(subject) || catalog.diagnostics.has(subject) || /^(?:execute|get|renew)$/u.test(subject)
    ? subject
    : '-';

/** The values of a refusal that are ours: names, states, codes. */
const plain = (error: PraError): Record<string, string | number> =>
  Object.fromEntries(
    Object.entries(error.values).filter(([key]) =>
      ['host', 'id', 'state', 'code', 'layer', 'definition'].includes(key),
    ),
  );
