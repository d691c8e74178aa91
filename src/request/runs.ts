import { sha256 } from '../catalog/digest.ts';
import type { Action, Catalog } from '../catalog/types.ts';
import { PraError } from '../errors.ts';
import type { WaitOptions } from './desk.ts';
import type { LedgerEntry } from './ledger-entry.ts';
import { isTerminal, next, type LifecycleEvent } from './lifecycle.ts';
import { OutputView } from './output-view.ts';
import type { Clock, RequestPatch, Store } from './ports.ts';
import type { RunnerClient, RunnerOutcome, VerifiedReceipt } from './runner-client.ts';
import type { Caller, ReceiptState, RequestId, State, StoredRequest } from './types.ts';
import type { ShownOutput } from './view.ts';

export interface RunParts {
  readonly catalog: Catalog;
  readonly runner: RunnerClient;
  readonly store: Store;
  readonly clock: Clock;
  /** For what must not reach a caller: the cause of a failure in the background. */
  readonly onError: (error: unknown) => void;
}

/** After this long without news a DISPATCHING request has lost its process. */
const ORPHAN_MS = 60_000;
/** Longest wait that the target's `result` takes. Seconds. */
const QUERY_WAIT = 20;
/** Outputs kept in memory for `get`; the target has them all. */
const KEPT_OUTPUTS = 50;

const EVENT_OF: Readonly<Record<Exclude<ReceiptState, 'RUNNING'>, LifecycleEvent>> = {
  SUCCEEDED: 'succeed',
  FAILED: 'fail',
  INTERRUPTED: 'interrupt',
  NEVER_STARTED: 'burn',
};

/** States in which a host may know more than the store does. */
export const UNSETTLED: readonly State[] = ['DISPATCHING', 'RUNNING', 'UNKNOWN'];

/**
 * Executes approved requests, each at most once, and finds out how unsettled ones ended. The dispatch is durable before
 * the socket opens; whatever is lost afterwards is asked for, never tried again.
 */
export class Runs {
  readonly #parts: RunParts;
  readonly #following = new Map<RequestId, Promise<void>>();
  readonly #outputs = new Map<RequestId, OutputView>();

  constructor(parts: RunParts) {
    this.#parts = parts;
  }

  /** Output seen so far by this process. */
  output(id: RequestId): ShownOutput | undefined {
    return this.#outputs.get(id)?.shown();
  }

  /** Starts an approved request, or does nothing when another caller was first. Throws NOT_APPROVED, REQUEST_EXPIRED. */
  start(caller: Caller, request: StoredRequest, options: WaitOptions): void {
    const { store, clock } = this.#parts;
    const action = this.#actionOf(request);
    let dispatched: StoredRequest;
    try {
      dispatched = store.transition(
        request.id,
        'dispatch',
        {},
        this.#row(request, caller, 'dispatch', 'dispatch'),
      );
    } catch (error) {
      if (error instanceof PraError && error.code === 'STATE_CONFLICT' && this.#movedOn(request)) return;
      throw error;
    }
    const view = this.#keep(request.id, options.onOutput);
    this.#follow(request.id, async () => {
      const started = clock.now();
      const outcome = await this.#parts.runner.submit(dispatched, action, {
        onClaimed: () => this.#step(request.id, 'accept', {}),
        onOutput: (bytes) => view.push(bytes),
      });
      view.end();
      this.#settle(request.id, outcome, clock.now() - started);
      if (this.#parts.store.get(request.id)?.state === 'UNKNOWN')
        await this.#ask(this.#parts.store.find(request.id));
    });
  }

  /** Waits until the request is settled or `waitMs` is over; listens to output that this process is following. */
  async settle(id: RequestId, options: WaitOptions): Promise<void> {
    const { store, clock } = this.#parts;
    const until = clock.now() + (options.waitMs ?? 0);
    if (options.onOutput !== undefined) this.#outputs.get(id)?.listen(options.onOutput);
    for (;;) {
      const request = store.find(id);
      const left = until - clock.now();
      if (isTerminal(request.state) || options.signal?.aborted === true || left <= 0) return;
      if (UNSETTLED.includes(request.state) && !this.#following.has(id)) this.#lookAfter(request);
      await store.changed(left, options.signal);
    }
  }

  /** Asks the hosts of unsettled requests that nobody here follows; returns how many ended by it. */
  async reconcile(signal?: AbortSignal): Promise<number> {
    const open = this.#parts.store.list({ states: UNSETTLED });
    const asked = open.filter((request) => !this.#following.has(request.id));
    await Promise.all(asked.map((request) => this.#lookAfter(request, signal)));
    return asked.filter(({ id }) => isTerminal(this.#parts.store.find(id).state)).length;
  }

  /** Resolves when nothing is being followed any more. */
  async idle(): Promise<void> {
    while (this.#following.size > 0) await Promise.all(this.#following.values());
  }

  #follow(id: RequestId, work: () => Promise<void>): Promise<void> {
    const running = this.#following.get(id);
    if (running !== undefined) return running;
    const promise = work()
      .catch((error: unknown) => {
        this.#parts.onError(error);
        this.#step(id, 'lose', {});
      })
      .finally(() => this.#following.delete(id));
    this.#following.set(id, promise);
    return promise;
  }

  #lookAfter(request: StoredRequest, signal?: AbortSignal): Promise<void> {
    // Another process may be in the middle of dispatching it: leave it alone until it must have lost that process.
    if (request.state === 'DISPATCHING' && this.#parts.clock.now() - request.updatedAt < ORPHAN_MS)
      return Promise.resolve();
    return this.#follow(request.id, () => this.#ask(request, signal));
  }

  /** `result`, and where the host never heard of it, `fence`. */
  async #ask(request: StoredRequest, signal?: AbortSignal): Promise<void> {
    if (request.ticket === undefined) return;
    if (request.state === 'DISPATCHING') this.#step(request.id, 'lose', {});
    const view = this.#outputs.get(request.id) ?? this.#keep(request.id, undefined);
    const outcome = await this.#parts.runner.query(
      request,
      sha256(request.ticket),
      { word: 'result', wait: QUERY_WAIT, offset: view.bytes },
      { ...(signal === undefined ? {} : { signal }), onOutput: (bytes) => view.push(bytes) },
    );
    if (outcome.kind === 'refused' && outcome.code === 'ID_UNKNOWN') {
      this.#settle(request.id, await this.#parts.runner.fence(request, signal), undefined);
      return;
    }
    if (outcome.kind === 'receipt') view.end();
    this.#settle(request.id, outcome, undefined);
  }

  /** Writes an outcome down as far as it is known. */
  #settle(id: RequestId, outcome: RunnerOutcome, ms: number | undefined): void {
    if (outcome.kind === 'lost') {
      this.#parts.onError(outcome.cause);
      this.#step(id, 'lose', {});
      return;
    }
    if (outcome.receipt !== undefined) this.#take(id, outcome.receipt, ms);
    if (outcome.kind === 'receipt') return;
    const refusal = `${outcome.layer} ${outcome.code}`;
    // A query that is refused says nothing about the run itself.
    const state = this.#parts.store.find(id).state;
    if (state === 'DISPATCHING') {
      const stale =
        outcome.code === 'STALE' || outcome.code === 'PRECHECK_FAILED' || outcome.code === 'OFFER_BOOT';
      this.#step(id, stale ? 'stale' : 'refuse', { refusal });
    }
  }

  #take(id: RequestId, { receipt, signed }: VerifiedReceipt, ms: number | undefined): void {
    const request = this.#parts.store.find(id);
    if (request.ticket === undefined || receipt.ticket !== sha256(request.ticket)) {
      throw new PraError('RECEIPT_INVALID', { host: request.host, code: 'RECEIPT_TICKET' });
    }
    const claimed = receipt.state !== 'NEVER_STARTED';
    if (claimed && (request.state === 'DISPATCHING' || request.state === 'UNKNOWN'))
      this.#step(id, 'accept', {});
    if (receipt.state === 'RUNNING') return;
    this.#step(
      id,
      EVENT_OF[receipt.state],
      { receipt: signed },
      {
        rc: receipt.rc ?? -1,
        receipt: sha256(signed.text),
        ...(receipt.output === undefined
          ? {}
          : { output: receipt.output.sha256, bytes: receipt.output.bytes }),
        ...(ms === undefined ? {} : { ms }),
      },
    );
  }

  /** One transition, if the table still has it: of two processes following the same run one writes it. */
  #step(id: RequestId, event: LifecycleEvent, patch: RequestPatch, detail?: LedgerEntry['detail']): void {
    const request = this.#parts.store.find(id);
    if (next(request.state, event) === undefined) return;
    const row = this.#row(request, undefined, 'outcome', event, detail);
    try {
      this.#parts.store.transition(id, event, patch, row);
    } catch (error) {
      if (!(error instanceof PraError && error.code === 'STATE_CONFLICT')) throw error;
    }
  }

  #row(
    request: StoredRequest,
    caller: Caller | undefined,
    kind: LedgerEntry['kind'],
    code: string,
    detail?: LedgerEntry['detail'],
  ): LedgerEntry {
    return {
      kind,
      code,
      actor: caller === undefined ? `host/${request.host}` : `${caller.principal}/${caller.client}`,
      host: request.host,
      subject: request.action,
      request: request.id,
      ...(detail === undefined ? {} : { detail }),
    };
  }

  #movedOn(request: StoredRequest): boolean {
    const state = this.#parts.store.find(request.id).state;
    return state !== request.state && (UNSETTLED.includes(state) || isTerminal(state));
  }

  #actionOf(request: StoredRequest): Action {
    const action = this.#parts.catalog.actions.get(request.action);
    if (action === undefined)
      throw new PraError('ACTION_UNKNOWN', { names: [...this.#parts.catalog.actions.keys()].join(', ') });
    if (action.digest !== request.definition) {
      throw new PraError('DEFINITION_DIFFERS', { host: request.host, definition: action.name });
    }
    return action;
  }

  #keep(id: RequestId, listener: WaitOptions['onOutput']): OutputView {
    const view = new OutputView();
    if (listener !== undefined) view.listen(listener);
    this.#outputs.set(id, view);
    const oldest = this.#outputs.keys().next().value;
    if (this.#outputs.size > KEPT_OUTPUTS && oldest !== undefined) this.#outputs.delete(oldest);
    return view;
  }
}
