import { sha256 } from '../catalog/digest.ts';
import { PraError } from '../errors.ts';
import { wordDigest } from './built-in.ts';
import { actorOf } from './desk-rows.ts';
import { keyThatSigned } from './key-that-signed.ts';
import { fingerprint } from './sshsig.ts';
import {
  frozenError,
  SPARE,
  type FreezeOrder,
  type FreezeStore,
  type Lifting,
  type LocalFreeze,
} from './freezes.ts';
import type { LedgerEntry } from './ledger-entry.ts';
import { mask } from './mask.ts';
import { otpDetail, requireOtpProof, type OtpProof } from './otp-proof.ts';
import type { Policy } from './policy.ts';
import type { Channel, Clock, Store } from './ports.ts';
import { newRequestId } from './request-id.ts';
import type { RunnerClient } from './runner-client.ts';
import { checkReason } from './reason.ts';
import { SshReader } from './ssh-reader.ts';
import { EXECUTE_MS, namespaceOf } from './ticket-for.ts';
import { serialiseTicket } from './ticket.ts';
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

/** What stands here for some hosts, and the statement that a person signs to lift exactly that. */
export interface LiftDraft {
  readonly lifting: Lifting;
  /** Those that were named; all that there are for `all`. */
  readonly hosts: readonly string[];
  readonly freezes: FreezeStatus['freezes'];
  readonly statement: string;
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

  /** The hosts that these names, or names of groups, stand for; `all` is every configured one. Throws HOST_UNKNOWN. */
  hostsOf(which: readonly string[] | 'all'): readonly string[] {
    return which === 'all' ? this.#parts.hosts : this.#parts.policy.select(which);
  }

  /**
   * Freezes hosts here, at once; `all` also those that are configured later. What is frozen already is frozen once more: what lifts the
   * earlier freeze does not lift this one. Throws HOST_UNKNOWN, REASON_BAD.
   */
  freeze(caller: Caller, which: readonly string[] | 'all', reason: string): void {
    const { store } = this.#parts;
    const why = checkReason(reason);
    const by = actorOf(caller);
    for (const host of which === 'all' ? [undefined] : this.hostsOf(which))
      store.freezes.begin(
        { id: newRequestId(), host, by, reason: why },
        row(caller, 'FREEZE', host, { scope: host ?? 'all', reason: mask(why).text }),
      );
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
    const { id, host, ticket, namespace } = draft;
    const key = keyThatSigned(ticket, signed.signature, namespace);
    this.#parts.store.freezes.order(
      { id, host, ticket, ...signed },
      row({ ...caller, principal: signed.principal }, 'FREEZE_SIGNED', host, { key }, id),
    );
  }

  /** Sends every order that waits; what does not reach its host goes on waiting. Never throws for a host. */
  async send(signal?: AbortSignal): Promise<void> {
    this.#sending ??= this.#sendAll(signal).finally(() => {
      this.#sending = undefined;
    });
    await this.#sending;
  }

  /** What stands here, and for each host how far its newest order is. */
  status(): FreezeStatus {
    const { freezes } = this.#parts.store;
    const newest = new Map(freezes.orders().map((order) => [order.host, order]));
    return {
      freezes: freezes.standing(),
      orders: [...newest.values()].map(
        ({ ticket: _ticket, signature: _signature, receipt: _receipt, ...rest }) => rest,
      ),
    };
  }

  /** Throws FROZEN while a freeze holds the host here. */
  requireOpen(host: string): void {
    const freeze = this.#parts.store.freezes.holding(host);
    if (freeze !== undefined) throw frozenError(host, freeze);
  }

  /** What stands here for these hosts now, to be lifted on this machine alone; undefined when nothing does. Throws HOST_UNKNOWN. */
  liftDraft(which: readonly string[] | 'all'): LiftDraft | undefined {
    const { store, clock } = this.#parts;
    const hosts = which === 'all' ? which : [...this.hostsOf(which)].sort();
    const isMeant = (host: string): boolean => hosts === 'all' || hosts.includes(host);
    const freezes = store.freezes
      .standing()
      .filter(({ host, released }) =>
        host === undefined ? hosts === 'all' || hosts.some((one) => !released.includes(one)) : isMeant(host),
      );
    const waiting = store.freezes.orders().filter(({ state, host }) => state === 'WAITING' && isMeant(host));
    if (freezes.length + waiting.length === 0) return undefined;
    const lifting = { hosts, freezes: freezes.map(({ id }) => id), orders: waiting.map(({ id }) => id) };
    const lines = [
      ...(hosts === 'all' ? [hosts] : hosts).map((host) => `host ${host}`),
      ...lifting.freezes.map((id) => `freeze ${id}`),
      ...lifting.orders.map((id) => `order ${id}`),
      `at ${wireTime(clock.now())}`,
      `ledger sha256:${store.ledgerHead()}`,
    ];
    return {
      lifting,
      hosts: this.hostsOf(which),
      freezes,
      statement: ['mcp-pra local-unfreeze v1', ...lines, ''].join('\n'),
    };
  }

  /**
   * Lifts here what the draft names, and nothing else, here or elsewhere; orders that wait are not sent any more. It takes what HIGH
   * takes on this machine: the key that the approver is enrolled with, and their one-time password. Throws SIGNATURE_INVALID, OTP_MISSING,
   * OTP_USED, APPROVER_OTHER_KEY.
   */
  lift(
    caller: Caller,
    { lifting, statement }: LiftDraft,
    signed: { readonly principal: string; readonly signature: string; readonly otp: OtpProof | undefined },
  ): void {
    const { store } = this.#parts;
    const { principal, signature: signatureBase64, otp } = signed;
    const key = keyThatSigned(statement, signatureBase64, LOCAL_NAMESPACE);
    requireOtpProof({ impact: 'HIGH', principal, subject: LIFT_SUBJECT, otp });
    if (store.otp.enrolment(principal)?.key !== key) throw new PraError('APPROVER_OTHER_KEY', { principal });
    const scope = lifting.hosts === 'all' ? 'all' : lifting.hosts.join(',').slice(0, 300);
    const detail = { scope, approver: principal, key, statement: sha256(statement), ...otpDetail(otp) };
    store.freezes.lift(lifting, row({ ...caller, principal }, 'UNFREEZE_LOCAL', undefined, detail), otp);
  }

  /** Ends those freezes of every host from which each configured host was released, and nothing else. */
  tidy(): void {
    const { store, hosts } = this.#parts;
    const isOver = ({ host, released }: ReturnType<FreezeStore['standing']>[number]): boolean =>
      host === undefined && hosts.every((one) => released.includes(one));
    // Mostly there is none: no write lock for that.
    if (store.freezes.standing().some(isOver))
      store.freezes.endReleased(hosts, row(SELF, 'UNFREEZE', undefined, { scope: 'all' }));
  }

  /** Fingerprints of the keys that a host may sign with, the one that mcp-pra uses first: usually one. */
  async #signingKeys(host: string): Promise<readonly string[]> {
    const known = await this.#parts.channel.hostKeys(host);
    const ed25519 = known.filter((key) => new SshReader(key).text() === 'ssh-ed25519');
    const keys = ed25519.length > 0 ? ed25519 : known;
    if (keys.length === 0) throw new PraError('HOST_KEY_NONE', { host });
    return [...new Set(keys.map(fingerprint))];
  }

  async #sendAll(signal: AbortSignal | undefined): Promise<void> {
    const waiting = Map.groupBy(
      this.#parts.store.freezes.orders().filter(({ state }) => state === 'WAITING'),
      ({ host }) => host,
    );
    const hosts = [...waiting.values()];
    for (let at = 0; at < hosts.length; at += AT_ONCE)
      await Promise.all(hosts.slice(at, at + AT_ONCE).map((orders) => this.#sendHost(orders, signal)));
    this.tidy();
  }

  /**
   * The newest first, since a freeze takes the place of the one before: with its receipt those that still wait are not needed. Several are
   * signed where known_hosts has several keys of a host, which knows only one of them as its own.
   */
  async #sendHost(orders: readonly FreezeOrder[], signal: AbortSignal | undefined): Promise<void> {
    const left = [...orders];
    for (let order = left.pop(); order !== undefined; order = left.pop()) {
      const state = await this.#sendOne(order, left.length > 0, signal);
      // Not reached by one, not reached by any.
      if (state === 'WAITING') return;
      if (state === 'CONFIRMED') for (const { id } of left.splice(0)) this.#settle(id, 'WITHDRAWN', SPARE);
    }
  }

  /** `isOneOf`: more orders of this host wait. */
  async #sendOne(
    order: FreezeOrder,
    isOneOf: boolean,
    signal: AbortSignal | undefined,
  ): Promise<FreezeOrder['state']> {
    const { runner, onError } = this.#parts;
    const { id, host } = order;
    const said = (code: string, detail: string): LedgerEntry => row(SELF, code, host, { code: detail }, id);
    try {
      const time = AbortSignal.timeout(SEND_MS);
      const outcome = await runner.freeze(
        order,
        signal === undefined ? time : AbortSignal.any([signal, time]),
      );
      if (outcome.kind === 'lost') return this.#settle(id, 'WAITING', outcome.cause.code);
      const { receipt } = outcome;
      if (receipt?.receipt.state === 'SUCCEEDED' && receipt.receipt.ticket === sha256(order.ticket)) {
        const weakness = receipt.receipt.durable ? undefined : 'NOT_DURABLE';
        return this.#settle(
          id,
          'CONFIRMED',
          weakness,
          said('FREEZE_CONFIRMED', weakness ?? ''),
          receipt.signed,
        );
      }
      const code = outcome.kind === 'refused' ? outcome.code : 'RECEIPT_INVALID';
      if (PASSING.includes(code)) return this.#settle(id, 'WAITING', code);
      if (code === 'HOST_KEY_MISMATCH' && isOneOf) return this.#settle(id, 'WITHDRAWN', SPARE);
      return this.#settle(id, 'REFUSED', code, said('FREEZE_REFUSED', code));
    } catch (error) {
      onError(error);
      return this.#settle(id, 'WAITING', error instanceof PraError ? error.code : 'INTERNAL');
    }
  }

  #settle(
    id: RequestId,
    state: FreezeOrder['state'],
    code: string | undefined,
    entry?: LedgerEntry,
    receipt?: FreezeOrder['receipt'],
  ): FreezeOrder['state'] {
    this.#parts.store.freezes.settle(id, { state, code, receipt }, entry);
    return state;
  }
}

/** What the one-time password of a local lift is given for. */
export const LIFT_SUBJECT = 'UNFREEZE_LOCAL';

/** Namespace of statements about this machine alone: no target takes a signature of it. */
export const LOCAL_NAMESPACE = 'mcp-pra-local';

/** What nobody at a keyboard does. */
const SELF: Caller = { principal: 'mcp-pra', client: 'freeze', channel: 'cli' };

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
