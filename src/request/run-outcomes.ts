import { sha256 } from '../catalog/digest.ts';
import type { Catalog } from '../catalog/types.ts';
import { PraError } from '../errors.ts';
import { rowAbout } from './desk-rows.ts';
import { hostTakesUntil } from './host-window.ts';
import type { LedgerEntry } from './ledger-entry.ts';
import { next, type LifecycleEvent } from './lifecycle.ts';
import type { RequestPatch, Store } from './ports.ts';
import type { RunnerClient, RunnerOutcome, VerifiedReceipt } from './runner-client.ts';
import type { ReceiptState, RequestId, StoredRequest } from './types.ts';

export interface RunOutcomeParts {
  readonly catalog: Catalog;
  readonly runner: RunnerClient;
  readonly store: Store;
  /** For what must not reach a caller: the cause of a failure in the background. */
  readonly onError: (error: unknown) => void;
}

/**
 * A host that an action was to switch off has not returned when it has been silent for so long: a shutdown takes two minutes at most
 * (systemd gives units 90 s), and one that booted instead would be back by then.
 */
const STAYS_OFF_MS = 300_000;

const EVENT_OF: Readonly<Record<Exclude<ReceiptState, 'RUNNING'>, LifecycleEvent>> = {
  SUCCEEDED: 'succeed',
  FAILED: 'fail',
  VERIFY_FAILED: 'verify_fail',
  INTERRUPTED: 'interrupt',
  NEVER_STARTED: 'burn',
};

/** Writes down what hosts say of runs, and what their silence means. */
export class RunOutcomes {
  readonly #parts: RunOutcomeParts;

  constructor(parts: RunOutcomeParts) {
    this.#parts = parts;
  }

  /** Writes an outcome down as far as it is known; `ms` from the dispatch to it. */
  settle(id: RequestId, outcome: RunnerOutcome, ms: number | undefined): void {
    if (outcome.kind === 'lost') {
      this.#parts.onError(outcome.cause);
      this.step(id, 'lose', {});
      return;
    }
    if (outcome.receipt !== undefined) this.take(id, outcome.receipt, ms);
    if (outcome.kind === 'receipt') return;
    const refusal = `${outcome.layer} ${outcome.code}`;
    // A query that is refused says nothing about the run itself.
    const state = this.#parts.store.find(id).state;
    if (state === 'DISPATCHING') {
      const stale =
        outcome.code === 'STALE' || outcome.code === 'PRECHECK_FAILED' || outcome.code === 'OFFER_BOOT';
      this.step(id, stale ? 'stale' : 'refuse', { refusal });
    }
  }

  /** Writes down what a receipt says. Throws RECEIPT_INVALID for one about another ticket. */
  take(id: RequestId, { receipt, signed }: VerifiedReceipt, ms: number | undefined): void {
    const request = this.#parts.store.find(id);
    if (request.ticket === undefined || receipt.ticket !== sha256(request.ticket)) {
      throw new PraError('RECEIPT_INVALID', { host: request.host, code: 'RECEIPT_TICKET' });
    }
    const claimed = receipt.state !== 'NEVER_STARTED';
    // Also what was taken back: somebody had the signed ticket run. And what had not returned.
    if (claimed && request.state !== 'RUNNING') this.step(id, 'accept', {});
    if (receipt.state === 'RUNNING') return;
    const isRevoked = request.state === 'REVOKE_UNCONFIRMED' && !claimed;
    this.step(
      id,
      isRevoked ? 'revoke' : EVENT_OF[receipt.state],
      { receipt: signed },
      {
        rc: receipt.rc ?? -1,
        receipt: sha256(signed.text),
        ...(receipt.verified === undefined ? {} : { verified: receipt.verified }),
        ...(receipt.output === undefined
          ? {}
          : { output: receipt.output.sha256, bytes: receipt.output.bytes }),
        ...(ms === undefined ? {} : { ms }),
      },
    );
  }

  /** `fence`: the host burns the id of a request that it never claimed, or gives the receipt of one that it did. */
  async burn(request: StoredRequest, signal?: AbortSignal): Promise<void> {
    const burnt = await this.#parts.runner.fence(request, signal);
    if (burnt.kind !== 'refused' || burnt.receipt !== undefined) {
      this.settle(request.id, burnt, undefined);
    } else if (burnt.code === 'OFFER_BOOT') {
      // The host rebooted and has no claim of it: it will never run, and whether it did nobody can say any more.
      const refusal = `${burnt.layer} ${burnt.code}`;
      if (request.state === 'REVOKE_UNCONFIRMED') this.step(request.id, 'expire', { refusal });
      else this.step(request.id, 'vanish', { refusal, ending: 'rebooted' });
    } else this.giveUp(request, burnt);
  }

  /**
   * Ends what its host has no record of and burns nothing of, or what it cannot be asked about: once it could not take the ticket any
   * more, no answer will be another one.
   */
  giveUp(request: StoredRequest, by: { readonly layer: string; readonly code: string }): void {
    this.step(request.id, 'lose', {});
    if (this.#parts.store.time() <= hostTakesUntil(request)) return;
    this.step(request.id, 'vanish', { refusal: `${by.layer} ${by.code}`, ending: 'refused' });
  }

  /**
   * Counts the silence of a host that has claimed an action which was to switch it off; long enough, the request ends. Any answer, be
   * it a refusal, ends the silence.
   */
  noteSilence(id: RequestId, outcome: RunnerOutcome): void {
    const { store, catalog } = this.#parts;
    if (outcome.kind !== 'lost' || outcome.cause.code !== 'UNREACHABLE') {
      store.endSilence(id);
      return;
    }
    const { action, definition, isClaimed, state } = store.find(id);
    const known = catalog.actions.get(action);
    const isToBeOff = isClaimed && known?.digest === definition && known.ends === 'poweroff';
    // Between two tries of the channel nobody looked.
    if (state !== 'UNKNOWN' || !isToBeOff || outcome.cause.values['cause'] === 'backoff') return;
    if (store.noteSilence(id) >= STAYS_OFF_MS) this.step(id, 'vanish', { ending: 'stayed_off' });
  }

  /** One transition, if the table still has it: of two processes following the same run one writes it. */
  step(id: RequestId, event: LifecycleEvent, patch: RequestPatch, detail?: LedgerEntry['detail']): void {
    const request = this.#parts.store.find(id);
    if (next(request.state, event) === undefined) return;
    const row = rowAbout(request, undefined, 'outcome', event, detail);
    try {
      this.#parts.store.transition(id, event, patch, row);
    } catch (error) {
      if (!(error instanceof PraError && error.code === 'STATE_CONFLICT')) throw error;
    }
  }

  /** A step whose failure must not stop the following: the store is broken, and the next question finds out. */
  note(id: RequestId, event: LifecycleEvent): void {
    try {
      this.step(id, event, {});
    } catch (error) {
      this.#parts.onError(error);
    }
  }
}
