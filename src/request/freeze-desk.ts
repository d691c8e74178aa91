import { sha256 } from '../catalog/digest.ts';
import { PraError } from '../errors.ts';
import { wordDigest } from './built-in.ts';
import { frozenError, type FreezeOrder, type LocalFreeze } from './freezes.ts';
import type { LedgerEntry } from './ledger-entry.ts';
import { mask } from './mask.ts';
import type { Policy } from './policy.ts';
import type { Channel, Clock, Store } from './ports.ts';
import { newRequestId } from './request-id.ts';
import type { RunnerClient } from './runner-client.ts';
import { checkReason } from './reason.ts';
import { SshReader } from './ssh-reader.ts';
import { fingerprint, verifySshsig } from './sshsig.ts';
import { EXECUTE_MS, namespaceOf } from './ticket-for.ts';
import { parseTicket, serialiseTicket } from './ticket.ts';
import type { Caller, RequestId } from './types.ts';
import { wireTime } from './wire-time.ts';

/** Hosts sent to at once. */
const AT_ONCE = 20;
/** How long one host may take before it counts as not reached: the next round asks again. */
const SEND_MS = 20_000;
/** Refusals that may pass: the order is kept. */
const PASSING = ['DISABLED', 'NO_SPACE', 'BUSY', 'WORD_UNLISTED'];

/** A ticket that freezes a host, to be signed. */
export interface FreezeDraft {
  readonly id: RequestId;
  readonly host: string;
  readonly ticket: string;
  readonly namespace: string;
}

/** What stands here, and how far the hosts are. */
export interface FreezeStatus {
  readonly freezes: readonly (LocalFreeze & { readonly released: readonly string[] })[];
  readonly orders: readonly Omit<FreezeOrder, 'ticket' | 'signature' | 'receipt'>[];
}

export interface FreezeDeskParts {
  readonly hosts: readonly string[];
  readonly policy: Policy;
  readonly runner: RunnerClient;
  readonly channel: Channel;
  readonly store: Store;
  readonly clock: Clock;
  readonly onError: (error: unknown) => void;
}

/**
 * The stop button. On this machine first, which needs no key and no network; then by a signed ticket at each host, which is kept until
 * the host has confirmed it.
 */
export class FreezeDesk {
  readonly #parts: FreezeDeskParts;
  #sending: Promise<void> | undefined;

  constructor(parts: FreezeDeskParts) {
    this.#parts = parts;
  }

  /** Freezes hosts here, at once; `all` also those that are configured later. What is frozen already stays as it is. Throws HOST_UNKNOWN, REASON_BAD. */
  freeze(caller: Caller, which: readonly string[] | 'all', reason: string): void {
    const { policy, store } = this.#parts;
    const why = checkReason(reason);
    const by = actorOf(caller);
    const scopes = which === 'all' ? [undefined] : which.map((name) => policy.host(name).name);
    const standing = store.freezes.standing();
    for (const host of scopes) {
      const isHeld =
        host === undefined
          ? standing.some((one) => one.host === undefined && one.released.length === 0)
          : store.freezes.holding(host) !== undefined;
      if (isHeld) continue;
      store.freezes.begin(
        { id: newRequestId(), host, by, reason: why },
        row(caller, 'FREEZE', host, { scope: host ?? 'all', reason: mask(why).text }),
      );
    }
  }

  /** The tickets that freeze these hosts. Needs no host: known_hosts says which key it has. Throws HOST_UNKNOWN, HOST_KEY_NONE, REASON_BAD. */
  async draft(caller: Caller, hosts: readonly string[], reason: string): Promise<readonly FreezeDraft[]> {
    const { policy, store, clock } = this.#parts;
    const why = checkReason(reason);
    const now = clock.now();
    const ledger = store.ledgerHead();
    const drafts = await Promise.all(
      hosts.map(async (name) => {
        const host = policy.host(name).name;
        return (await this.#signingKeys(host)).map((hostKey): FreezeDraft => {
          const id = newRequestId();
          const ticket = serialiseTicket({
            kind: 'freeze',
            id,
            host,
            hostKey,
            action: 'freeze',
            args: [],
            definition: wordDigest('freeze'),
            impact: 'MEDIUM',
            mode: 'run',
            approval: 'normal',
            incident: undefined,
            offer: undefined,
            plan: undefined,
            // The target lets a freeze come as late as it may: it only stops.
            issued: wireTime(now),
            expires: wireTime(now + EXECUTE_MS),
            requester: actorOf(caller),
            reason: why,
            ledger,
          });
          return { id, host, ticket, namespace: namespaceOf('MEDIUM') };
        });
      }),
    );
    return drafts.flat();
  }

  /** Keeps a signed ticket until its host has taken it. Throws SIGNATURE_INVALID. */
  order(
    caller: Caller,
    draft: FreezeDraft,
    signed: { readonly principal: string; readonly signature: string },
  ): void {
    const key = signerOf(draft, signed.signature);
    const { id, host, ticket } = draft;
    this.#parts.store.freezes.order(
      { id, host, ticket, ...signed },
      row({ ...caller, principal: signed.principal }, 'FREEZE_SIGNED', host, { key: fingerprint(key) }, id),
    );
  }

  /** Sends every order that waits; what does not reach its host goes on waiting. Never throws for a host. */
  async send(signal?: AbortSignal): Promise<void> {
    this.#sending ??= this.#sendAll(signal).finally(() => {
      this.#sending = undefined;
    });
    await this.#sending;
  }

  /** The last order of each host, and all that wait. */
  status(): FreezeStatus {
    const { store } = this.#parts;
    return {
      freezes: store.freezes.standing(),
      orders: store.freezes
        .orders()
        .map(({ ticket: _ticket, signature: _signature, receipt: _receipt, ...rest }) => rest),
    };
  }

  /** Throws FROZEN while a freeze holds the host here. */
  requireOpen(host: string): void {
    const freeze = this.#parts.store.freezes.holding(host);
    if (freeze !== undefined) throw frozenError(host, freeze);
  }

  /** What a person signs to lift freezes of this machine alone. */
  liftStatement(which: readonly string[] | 'all'): string {
    const { store, clock } = this.#parts;
    const hosts = which === 'all' ? ['all'] : which.map((name) => this.#parts.policy.host(name).name).sort();
    return [
      'mcp-pra local-unfreeze v1',
      ...hosts.map((host) => `host ${host}`),
      ...store.freezes.standing().map(({ id }) => `freeze ${id}`),
      `at ${wireTime(clock.now())}`,
      `ledger sha256:${store.ledgerHead()}`,
      '',
    ].join('\n');
  }

  /**
   * Lifts freezes here, and nowhere else; orders that wait are not sent any more. Wants a signature over `liftStatement`, by a key that
   * `isApprover` says is one's. Throws SIGNATURE_INVALID, HOST_UNKNOWN.
   */
  lift(
    caller: Caller,
    which: readonly string[] | 'all',
    signed: { readonly principal: string; readonly statement: string; readonly signature: string },
  ): void {
    const { policy, store } = this.#parts;
    const { statement: message, signature: signatureBase64, principal } = signed;
    const about = which === 'all' ? ['all'] : which.map((name) => policy.host(name).name);
    const named = [...message.matchAll(/^host (.*)$/gmu)].map(([, host]) => host);
    let key: Buffer;
    try {
      if (JSON.stringify(named) !== JSON.stringify([...about].sort())) throw new Error('another statement');
      key = verifySshsig({ message, signatureBase64, namespace: LOCAL_NAMESPACE }).publicKey;
    } catch (error) {
      throw new PraError('SIGNATURE_INVALID', {}, error);
    }
    const by = { ...caller, principal };
    const detail = { scope: about.join(',').slice(0, 300), approver: principal, key: fingerprint(key) };
    if (which === 'all') store.freezes.endAll(row(by, 'UNFREEZE_LOCAL', undefined, detail));
    else for (const host of about) store.freezes.release(host, row(by, 'UNFREEZE_LOCAL', host, detail));
  }

  /** Ends those freezes of every host from which each configured host was released, and nothing else. */
  tidy(): void {
    const { store, hosts } = this.#parts;
    store.freezes.endReleased(hosts, row(SELF, 'UNFREEZE', undefined, { scope: 'all' }));
  }

  /** Fingerprints of the keys that a host may sign with, the one that mcp-pra uses first: usually one. */
  async #signingKeys(host: string): Promise<readonly string[]> {
    const known = await this.#parts.channel.hostKeys(host);
    const ed25519 = known.filter((key) => new SshReader(key).text() === 'ssh-ed25519');
    const keys = ed25519.length > 0 ? ed25519 : known;
    if (keys.length === 0) throw new PraError('HOST_KEY_NONE', { host });
    return keys.map(fingerprint);
  }

  async #sendAll(signal: AbortSignal | undefined): Promise<void> {
    const waiting = this.#parts.store.freezes.orders().filter(({ state }) => state === 'WAITING');
    for (let at = 0; at < waiting.length; at += AT_ONCE) {
      await Promise.all(waiting.slice(at, at + AT_ONCE).map((order) => this.#sendOne(order, signal)));
    }
  }

  async #sendOne(order: FreezeOrder, signal: AbortSignal | undefined): Promise<void> {
    const { store, runner, onError } = this.#parts;
    const { id, host } = order;
    const settle = (
      state: FreezeOrder['state'],
      code: string | undefined,
      receipt?: FreezeOrder['receipt'],
    ): void =>
      store.freezes.settle(
        id,
        { state, code, receipt },
        state === 'WAITING'
          ? undefined
          : row(
              SELF,
              state === 'CONFIRMED' ? 'FREEZE_CONFIRMED' : 'FREEZE_REFUSED',
              host,
              { code: code ?? '' },
              id,
            ),
      );
    try {
      const time = AbortSignal.timeout(SEND_MS);
      const outcome = await runner.freeze(
        order,
        signal === undefined ? time : AbortSignal.any([signal, time]),
      );
      if (outcome.kind === 'lost') return settle('WAITING', outcome.cause.code);
      const { receipt } = outcome;
      if (receipt?.receipt.state === 'SUCCEEDED' && receipt.receipt.ticket === sha256(order.ticket))
        return settle('CONFIRMED', undefined, receipt.signed);
      const code = outcome.kind === 'refused' ? outcome.code : 'RECEIPT_INVALID';
      settle(PASSING.includes(code) ? 'WAITING' : 'REFUSED', code);
    } catch (error) {
      onError(error);
      settle('WAITING', error instanceof PraError ? error.code : 'INTERNAL');
    }
  }
}

/** Namespace of statements about this machine alone: no target takes a signature of it. */
export const LOCAL_NAMESPACE = 'mcp-pra-local';

/** What nobody at a keyboard does. */
const SELF: Caller = { principal: 'mcp-pra', client: 'freeze', channel: 'cli' };

const actorOf = ({ principal, client }: Caller): string => `${principal}/${client}`;

const row = (
  caller: Caller,
  code: string,
  host: string | undefined,
  detail: LedgerEntry['detail'],
  request?: RequestId,
): LedgerEntry => ({
  kind: 'decision',
  code,
  actor: actorOf(caller),
  subject: 'freeze',
  ...(host === undefined ? {} : { host }),
  ...(request === undefined ? {} : { request }),
  ...(detail === undefined ? {} : { detail }),
});

const signerOf = ({ ticket, namespace }: FreezeDraft, signature: string): Buffer => {
  parseTicket(ticket);
  try {
    return verifySshsig({ message: ticket, signatureBase64: signature, namespace }).publicKey;
  } catch (error) {
    throw new PraError('SIGNATURE_INVALID', {}, error);
  }
};
