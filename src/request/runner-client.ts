import { targetAdvice } from '../messages/target-en.ts';
import { PraError } from '../errors.ts';
import type { Action } from '../catalog/types.ts';
import type { FreezeOrder } from './freezes.ts';
import { serialiseDraft } from './draft.ts';
import type { Grant } from './grant.ts';
import { verifyHostSigned } from './host-signature.ts';
import { parseOffer } from './offer.ts';
import type { Policy } from './policy.ts';
import type { Channel } from './ports.ts';
import { serialiseQuery } from './query.ts';
import { parseReceipt } from './receipt.ts';
import { parseRefusal, RunnerEvents, type RunnerEvent } from './runner-events.ts';
import { serialiseSubmission } from './submission.ts';
import { isTimeUp } from './time-up.ts';
import type { Draft, Offer, Receipt, SignedText, StoredRequest } from './types.ts';

/** A receipt whose host signature was verified. */
export interface VerifiedReceipt {
  readonly receipt: Receipt;
  readonly signed: SignedText;
}

/** How a conversation on the runner channel ended. `lost`: the connection ended before the target's last word. */
export type RunnerOutcome =
  | { readonly kind: 'receipt'; readonly receipt: VerifiedReceipt }
  | {
      readonly kind: 'refused';
      readonly layer: string;
      readonly code: string;
      readonly receipt: VerifiedReceipt | undefined;
    }
  | { readonly kind: 'lost'; readonly cause: PraError };

export interface RunnerFollow {
  readonly signal?: AbortSignal;
  readonly onClaimed?: () => void;
  readonly onOutput?: (bytes: Buffer) => void;
}

/** A refusal of the target as an error that may be shown. */
export const targetRefusal = (host: string, layer: string, code: string): PraError =>
  new PraError('TARGET_REFUSED', {
    host,
    layer,
    code,
    advice: targetAdvice[code] ?? targetAdvice['other'] ?? '',
  });

/** Everything the target said in one exec, but for output. */
interface Said {
  readonly events: readonly RunnerEvent[];
  readonly refusal: { readonly layer: string; readonly code: string } | undefined;
  /** The connection ended before an exit status and without a refusal. */
  readonly isLost: boolean;
}

/** What a receipt must be about. */
type About = Pick<StoredRequest, 'id' | 'host' | 'action'>;

/** How long a target waits for the end of a run that it stops. Seconds. */
const CANCEL_WAIT = 25;

/** What `version` says of a target's runner side. */
export type RunnerVersion = Extract<RunnerEvent, { event: 'version' }>;

/** The client's side of docs/wire-protocol.md §3. Everything the host signed is verified before it is returned. */
export class RunnerClient {
  readonly #channel: Channel;
  readonly #policy: Policy;
  readonly #onWarning: (about: About, code: string) => void;

  /** `onWarning`: what a target warns of, as it comes; the code is the target's word. Must not throw. */
  constructor(
    channel: Channel,
    policy: Policy,
    onWarning: (about: About, code: string) => void = () => undefined,
  ) {
    this.#channel = channel;
    this.#policy = policy;
    this.#onWarning = onWarning;
  }

  /** Asks the host what it would do. Throws TARGET_REFUSED, OFFER_INVALID and what the channel throws. */
  async prepare(
    draft: Draft,
    signal?: AbortSignal,
  ): Promise<{ readonly offer: Offer; readonly signed: SignedText }> {
    const grant = this.#policy.ask(draft.host, 'prepare', Buffer.from(serialiseDraft(draft)));
    const started = performance.now();
    const said = await this.#exec(grant, signal === undefined ? {} : { signal }, draft).catch(
      (error: unknown) => {
        if (!(error instanceof PraError && error.code === 'CANCELLED' && isTimeUp(signal))) throw error;
        const seconds = Math.round((performance.now() - started) / 1_000);
        throw new PraError('DEADLINE', { host: draft.host, seconds }, error);
      },
    );
    const { events, refusal } = said;
    if (refusal !== undefined) throw targetRefusal(draft.host, refusal.layer, refusal.code);
    const event = events.find((one) => one.event === 'offer');
    if (event === undefined) throw new PraError('ANSWER_BAD', { host: draft.host, code: 'OFFER_MISSING' });
    const signed = { text: event.offer, signature: event.signature };
    return { offer: await this.verifyOffer(draft.host, signed), signed };
  }

  /** Parses an offer and checks its signature against known_hosts as they are now. Throws OFFER_INVALID. */
  async verifyOffer(host: string, signed: SignedText): Promise<Offer> {
    let offer: Offer;
    try {
      offer = parseOffer(signed.text);
    } catch (error) {
      throw new PraError('OFFER_INVALID', { host, code: 'OFFER_FORM' }, error);
    }
    verifyHostSigned(host, signed, 'mcp-pra-offer', await this.#channel.hostKeys(host), offer.hostKey);
    return offer;
  }

  /** Hands in the signed ticket and follows the run. Never throws for what happens after the socket opened: that is an outcome. */
  async submit(request: StoredRequest, action: Action, follow: RunnerFollow): Promise<RunnerOutcome> {
    return this.#converse(request, this.#policy.submit(request, action, submissionOf(request)), follow);
  }

  /** Burns an id that never started, or gives the receipt of one that did. */
  async fence(request: StoredRequest, signal?: AbortSignal): Promise<RunnerOutcome> {
    const grant = this.#policy.ask(request.host, 'fence', submissionOf(request));
    return this.#converse(request, grant, signal === undefined ? {} : { signal });
  }

  /** Hands in a signed ticket of kind `freeze`. */
  async freeze(order: FreezeOrder, signal?: AbortSignal): Promise<RunnerOutcome> {
    const { id, host, ticket, signature } = order;
    const input = serialiseSubmission({ ticketText: ticket, signatures: [signature], offer: undefined });
    const grant = this.#policy.ask(host, 'freeze', Buffer.from(input));
    return this.#converse({ id, host, action: 'freeze' }, grant, signal === undefined ? {} : { signal });
  }

  /** Has a run stopped by a signed ticket of kind `cancel`; answers the receipt of the run. Waits as long as the target does for its end. */
  async cancel(
    request: StoredRequest,
    signed: { readonly ticket: string; readonly signature: string },
    signal?: AbortSignal,
  ): Promise<RunnerOutcome> {
    const { offer } = request;
    const input = serialiseSubmission({ ticketText: signed.ticket, signatures: [signed.signature], offer });
    const grant = this.#policy.ask(request.host, 'cancel', Buffer.from(input), CANCEL_WAIT);
    return this.#converse(request, grant, signal === undefined ? {} : { signal });
  }

  /** The state (`status`) or output from an offset and the state (`result`), waiting up to 25 s for the end. */
  async query(
    request: StoredRequest,
    ticketHash: string,
    ask: { readonly word: 'status' | 'result'; readonly wait: number; readonly offset?: number },
    follow: RunnerFollow = {},
  ): Promise<RunnerOutcome> {
    const text = serialiseQuery({
      id: request.id,
      ticket: ticketHash,
      wait: ask.wait,
      offset: ask.offset ?? 0,
    });
    return this.#converse(
      request,
      this.#policy.ask(request.host, ask.word, Buffer.from(text), ask.wait),
      follow,
    );
  }

  /** Versions, digests and clocks of the runner side. */
  async version(host: string, signal?: AbortSignal): Promise<RunnerVersion> {
    const grant = this.#policy.ask(host, 'version', Buffer.alloc(0));
    const follow = signal === undefined ? {} : { signal };
    const started = performance.now();
    let said = await this.#exec(grant, follow);
    if (said.isLost) {
      // The one word that is asked once more by itself: it changes nothing. `result` is asked again too, from where it broke off (Runs).
      const again = this.#policy.again(grant, performance.now() - started);
      if (again !== undefined) said = await this.#exec(again, follow);
    }
    const { events, refusal } = said;
    if (refusal !== undefined) throw targetRefusal(host, refusal.layer, refusal.code);
    const event = events.find((one) => one.event === 'version');
    if (event === undefined) throw new PraError('ANSWER_BAD', { host, code: 'VERSION_MISSING' });
    return event;
  }

  async #converse(request: About, grant: Grant, follow: RunnerFollow): Promise<RunnerOutcome> {
    let said: Said;
    try {
      said = await this.#exec(grant, follow, request);
    } catch (error) {
      if (error instanceof PraError && error.code !== 'INTERNAL') return { kind: 'lost', cause: error };
      throw error;
    }
    const event = said.events.findLast((one) => one.event === 'receipt');
    const receipt =
      event === undefined
        ? undefined
        : await this.#verifyReceipt(request, { text: event.receipt, signature: event.signature });
    if (said.refusal !== undefined) return { kind: 'refused', ...said.refusal, receipt };
    if (receipt !== undefined) return { kind: 'receipt', receipt };
    return { kind: 'lost', cause: new PraError('OUTCOME_UNKNOWN', { id: request.id, host: request.host }) };
  }

  async #verifyReceipt(request: About, signed: SignedText): Promise<VerifiedReceipt> {
    const { host } = request;
    let receipt: Receipt;
    try {
      receipt = parseReceipt(signed.text);
    } catch (error) {
      throw new PraError('RECEIPT_INVALID', { host, code: 'RECEIPT_FORM' }, error);
    }
    verifyHostSigned(host, signed, 'mcp-pra-receipt', await this.#channel.hostKeys(host), receipt.hostKey);
    if (receipt.id !== request.id || receipt.host !== host || receipt.action !== request.action) {
      throw new PraError('RECEIPT_INVALID', { host, code: 'RECEIPT_MISMATCH' });
    }
    return { receipt, signed };
  }

  async #exec(grant: Grant, follow: RunnerFollow, about?: About): Promise<Said> {
    const events: RunnerEvent[] = [];
    const parser = new RunnerEvents();
    const take = (chunk: Buffer): void => {
      for (const event of parser.push(chunk)) {
        if (event.event === 'claimed') follow.onClaimed?.();
        if (event.event === 'warning' && about !== undefined) this.#onWarning(about, event.code);
        if (event.event === 'output') follow.onOutput?.(Buffer.from(event.data, 'base64'));
        else events.push(event);
      }
    };
    const bad = (code: string, cause?: unknown): PraError =>
      new PraError('ANSWER_BAD', { host: grant.host, code }, cause);
    let broken: unknown;
    const result = await this.#channel.run(grant, {
      ...(follow.signal === undefined ? {} : { signal: follow.signal }),
      onStdout: (chunk) => {
        try {
          if (broken === undefined) take(chunk);
        } catch (error) {
          broken = error;
        }
      },
    });
    const refusal = parseRefusal(result.stderr);
    if (refusal !== undefined) return { events, refusal, isLost: false };
    if (broken !== undefined) throw bad('EVENTS_FORM', broken);
    // A connection that ended early has no exit status: whoever asked decides what that means.
    if (result.exit !== undefined && result.exit !== 0) throw bad(`EXIT_${String(result.exit)}`);
    return { events, refusal: undefined, isLost: result.exit === undefined };
  }
}

const submissionOf = (request: StoredRequest): Buffer => {
  if (request.ticket === undefined || request.offer === undefined) {
    throw new PraError('NOT_APPROVED', { id: request.id, state: request.state });
  }
  return Buffer.from(
    serialiseSubmission({ ticketText: request.ticket, signatures: request.signatures, offer: request.offer }),
  );
};
