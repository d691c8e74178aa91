import { sha256 } from '../catalog/digest.ts';
import type { Catalog } from '../catalog/types.ts';
import { PraError } from '../errors.ts';
import { definitionFor } from './built-in.ts';
import { rowAbout } from './desk-rows.ts';
import type { WaitOptions } from './desk.ts';
import type { LedgerEntry } from './ledger-entry.ts';
import { isOver, isTerminal } from './lifecycle.ts';
import { OutputView } from './output-view.ts';
import type { Clock, Processes, RequestPatch, Store } from './ports.ts';
import type { RunOutcomes } from './run-outcomes.ts';
import { parseReceipt } from './receipt.ts';
import { targetRefusal, type RunnerClient } from './runner-client.ts';
import type { Caller, RequestId, State, StoredRequest } from './types.ts';
import type { ShownOutput } from './view.ts';
import { within } from './within.ts';

export interface RunParts {
  readonly catalog: Catalog;
  readonly runner: RunnerClient;
  readonly outcomes: RunOutcomes;
  readonly store: Store;
  readonly clock: Clock;
  readonly processes: Processes;
  /** For what must not reach a caller: the cause of a failure in the background. */
  readonly onError: (error: unknown) => void;
}

/** After this long a dispatch has lost its process, where nobody can say whether that lives. Steady milliseconds. */
const ORPHAN_MS = 60_000;
/** Longest wait that the target's `result` takes. Seconds. */
const QUERY_WAIT = 20;
/** How long a call waits for the first word of a host on a run that nobody here follows, whatever it was told to wait. */
const FIRST_WORD_MS = 5_000;
/** Between two such questions while somebody waits: the host may be away. */
const ASK_AGAIN_MS = 3_000;
/** Outputs kept in memory for `get`; the target has them all. */
const KEPT_OUTPUTS = 50;

/** Asked for in one round; no operator has as many runs under way. */
const MOST_UNSETTLED = 1_000;

/** States in which a host may know more than the store does. */
export const UNSETTLED: readonly State[] = ['DISPATCHING', 'RUNNING', 'UNKNOWN', 'REVOKE_UNCONFIRMED'];

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
  start(caller: Caller, request: StoredRequest): void {
    const { store, clock, processes } = this.#parts;
    const action = definitionFor(this.#parts.catalog, request);
    let dispatched: StoredRequest;
    try {
      dispatched = store.transition(
        request.id,
        'dispatch',
        { dispatcher: processes.own },
        rowAbout(request, caller, 'dispatch', 'dispatch'),
      );
    } catch (error) {
      if (error instanceof PraError && error.code === 'STATE_CONFLICT' && this.#movedOn(request)) return;
      throw error;
    }
    const view = this.#keep(request.id, new OutputView());
    void this.#follow(request.id, async () => {
      const started = clock.now();
      const outcome = await this.#parts.runner.submit(dispatched, action, {
        onClaimed: () => this.#parts.outcomes.note(request.id, 'accept'),
        onOutput: (bytes) => view.push(bytes),
      });
      // A lost connection is no end: the rest is asked for from where it broke off.
      if (outcome.kind !== 'lost') view.end();
      this.#parts.outcomes.settle(request.id, outcome, clock.now() - started);
      if (store.get(request.id)?.state === 'UNKNOWN') await this.#ask(store.find(request.id), QUERY_WAIT);
    });
  }

  /**
   * Takes a signed request back: from now on nobody here dispatches it, and its host is asked to burn the ticket. Waits `waitMs` for
   * the host's word; without it the request stays REVOKE_UNCONFIRMED and is asked for again. `entry` tells who, and why.
   */
  async takeBack(
    request: StoredRequest,
    patch: RequestPatch,
    entry: LedgerEntry,
    wait: WaitOptions,
  ): Promise<void> {
    this.#parts.store.transition(request.id, 'unconfirm', patch, entry);
    const asking = this.#follow(request.id, () =>
      this.#ask(this.#parts.store.find(request.id), 0, wait.signal),
    );
    await within(asking, wait.waitMs ?? FIRST_WORD_MS, wait.signal);
  }

  /**
   * Hands in a signed ticket that stops a run, and writes down what the host says of the run: its end, or that it goes on. Throws
   * TARGET_REFUSED, and what the channel throws when the host was not reached: whether it was stopped is then not known.
   */
  async cancel(
    request: StoredRequest,
    signed: { readonly ticket: string; readonly signature: string },
    signal?: AbortSignal,
  ): Promise<void> {
    const outcome = await this.#parts.runner.cancel(request, signed, signal);
    if (outcome.kind === 'lost') throw outcome.cause;
    if (outcome.receipt !== undefined) this.#parts.outcomes.take(request.id, outcome.receipt, undefined);
    if (outcome.kind === 'refused') throw targetRefusal(request.host, outcome.layer, outcome.code);
  }

  /**
   * Waits until the request is settled or `waitMs` is over; listens to output that this process is following. A run that
   * nobody here follows is asked for first, whatever `waitMs`: what the store has may be old.
   */
  async settle(id: RequestId, options: WaitOptions): Promise<void> {
    const { signal, onOutput } = options;
    const until = performance.now() + (options.waitMs ?? 0);
    let askAt: number | undefined;
    let unlisten = (): unknown => undefined;
    await this.#hearAgain(id, signal);
    try {
      for (;;) {
        const request = this.#parts.store.find(id);
        if (!UNSETTLED.includes(request.state) || signal?.aborted === true) return;
        const now = performance.now();
        const left = Math.max(0, until - now);
        const isFirst = askAt === undefined;
        if (!this.#following.has(id) && now >= (askAt ?? 0)) {
          const asking = this.#lookAfter(request, Math.floor(left / 1_000));
          askAt = now + ASK_AGAIN_MS;
          if (isFirst && left === 0) {
            await within(asking, FIRST_WORD_MS, signal);
            continue;
          }
        }
        if (left === 0) return;
        unlisten();
        if (onOutput !== undefined) unlisten = this.#outputs.get(id)?.listen(onOutput) ?? unlisten;
        const following = this.#following.get(id);
        await this.#news(
          following === undefined ? Math.min(left, (askAt ?? now) - now) : left,
          following,
          signal,
        );
      }
    } finally {
      unlisten();
    }
  }

  /** The output of an ended run that this process did not see, as the host has kept it: a best effort, for showing. */
  async recall(id: RequestId, signal?: AbortSignal): Promise<void> {
    const request = this.#parts.store.find(id);
    const { ticket, receipt } = request;
    if (!isTerminal(request.state) || ticket === undefined || receipt === undefined) return;
    if (this.#outputs.has(id) || (parseReceipt(receipt.text).output?.bytes ?? 0) === 0) return;
    const view = new OutputView();
    const time = AbortSignal.timeout(FIRST_WORD_MS);
    try {
      const outcome = await this.#parts.runner.query(
        request,
        sha256(ticket),
        { word: 'result', wait: 0 },
        {
          signal: signal === undefined ? time : AbortSignal.any([signal, time]),
          onOutput: (bytes) => view.push(bytes),
        },
      );
      if (outcome.kind !== 'receipt') return;
      view.end();
      this.#keep(id, view);
    } catch (error) {
      this.#parts.onError(error);
    }
  }

  /** Asks the hosts of unsettled requests that nobody here follows; returns how many ended by it. */
  async reconcile(signal?: AbortSignal): Promise<number> {
    const open = this.#parts.store.list({ states: UNSETTLED, limit: MOST_UNSETTLED });
    const asked = open.filter((request) => !this.#following.has(request.id));
    await Promise.all(asked.map((request) => this.#lookAfter(request, QUERY_WAIT, signal)));
    return asked.filter(({ id }) => isOver(this.#parts.store.find(id).state)).length;
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
        this.#parts.outcomes.note(id, 'lose');
      })
      .finally(() => this.#following.delete(id));
    this.#following.set(id, promise);
    return promise;
  }

  /** Something to look at again: another process may have news, or this following has ended. */
  async #news(ms: number, following: Promise<void> | undefined, signal?: AbortSignal): Promise<void> {
    const stop = new AbortController();
    const either = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]);
    const changed = this.#parts.store.changed(ms, either);
    try {
      await (following === undefined ? changed : Promise.race([changed, following]));
    } finally {
      stop.abort();
    }
  }

  /** A host that has not returned, or was not believed to, may be back by now: whoever looks hears what it says. */
  async #hearAgain(id: RequestId, signal?: AbortSignal): Promise<void> {
    const request = this.#parts.store.find(id);
    if (request.state === 'SENT_NO_RETURN')
      await within(this.#lookAfter(request, 0, signal), FIRST_WORD_MS, signal);
  }

  #lookAfter(request: StoredRequest, wait: number, signal?: AbortSignal): Promise<void> {
    if (request.state === 'DISPATCHING' && !this.#isOrphan(request)) return Promise.resolve();
    return this.#follow(request.id, () => this.#ask(request, wait, signal));
  }

  /**
   * Another process may be in the middle of dispatching it. Taking it over too early would do no harm but to the run: the
   * host burns the id or has claimed it, and says so to both.
   */
  #isOrphan({ dispatcher, dispatchedAt }: StoredRequest): boolean {
    const { processes, store } = this.#parts;
    const life = dispatcher === undefined ? 'unknown' : processes.look(dispatcher);
    if (life !== 'unknown') return life === 'gone';
    return store.time() - (dispatchedAt ?? 0) >= ORPHAN_MS;
  }

  /** `result`, and where the host never heard of it, `fence`. */
  async #ask(request: StoredRequest, wait: number, signal?: AbortSignal): Promise<void> {
    const { outcomes, runner } = this.#parts;
    if (request.ticket === undefined) return;
    if (request.state === 'REVOKE_UNCONFIRMED') {
      await outcomes.burn(request, signal);
      return;
    }
    if (request.state === 'DISPATCHING') outcomes.step(request.id, 'lose', {});
    const view = this.#outputs.get(request.id) ?? this.#keep(request.id, new OutputView());
    const query = { word: 'result', wait: Math.min(wait, QUERY_WAIT), offset: view.bytes } as const;
    const onOutput = (bytes: Buffer): void => view.push(bytes);
    const outcome = await runner
      .query(request, sha256(request.ticket), query, {
        ...(signal === undefined ? {} : { signal }),
        onOutput,
      })
      .catch((error: unknown) => {
        // Taken out of the configuration: nobody here can ask it.
        if (error instanceof PraError && error.code === 'HOST_UNKNOWN') return error;
        throw error;
      });
    if (outcome instanceof PraError) {
      outcomes.giveUp(request, outcome);
      return;
    }
    if (outcome.kind === 'refused' && outcome.code === 'ID_UNKNOWN') {
      await outcomes.burn(request, signal);
      return;
    }
    // Given up by this process itself, which says nothing about the run.
    if (outcome.kind === 'lost' && outcome.cause.code === 'CANCELLED') return;
    if (outcome.kind === 'receipt' && outcome.receipt.receipt.state !== 'RUNNING') view.end();
    outcomes.settle(request.id, outcome, undefined);
    outcomes.noteSilence(request.id, outcome);
  }

  #movedOn(request: StoredRequest): boolean {
    const state = this.#parts.store.find(request.id).state;
    return state !== request.state && (UNSETTLED.includes(state) || isOver(state));
  }

  #keep(id: RequestId, view: OutputView): OutputView {
    this.#outputs.set(id, view);
    const oldest = this.#outputs.keys().next().value;
    if (this.#outputs.size > KEPT_OUTPUTS && oldest !== undefined) this.#outputs.delete(oldest);
    return view;
  }
}
