import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { asPraError } from '../../errors.ts';
import { fingerprint } from '../../request/sshsig.ts';
import { AtMost } from './at-most.ts';
import type { Order } from './order.ts';
import type { ChannelAccount, OldConnection, RevocationPorts } from './ports.ts';

/** What sshd of a host itself showed after the revocation. */
export interface HostProof {
  /**
   * `refused`: sshd was seen to accept every key before, and refuses them now. `unseen`: it refuses them, but was not seen to accept
   * them from here before, as with a key that only other addresses may use. `unasked`: there is no key it could be asked about.
   */
  readonly key: 'refused' | 'unseen' | 'ACCEPTED' | 'unasked' | 'failed';
  /** Connections of ours that were open before; `none` also where only the jump host's connection ended. */
  readonly before: 'dead' | 'ALIVE' | 'none';
  /** The configured logins: `revoked` where the very key or CA of it was thrown out. */
  readonly reader: AccountProof;
  readonly runner: AccountProof;
}

/** `untried` names the code of what stood in the way; that says nothing about the key. */
export type AccountProof = 'works' | 'revoked' | 'closed' | 'FAILS' | `untried (${string})`;

/** What opens an account of a host for us: a key of ours, or certificates of a CA. Undefined where it is not known here. */
export interface OwnLogin {
  readonly kind: 'key' | 'certificate';
  readonly fingerprint: string | undefined;
}

export const ACCOUNTS: readonly ChannelAccount[] = ['reader', 'runner'];
/** Connections that are opened at the same time. */
const AT_ONCE = 16;
const DEATH_MS = 5_000;
const PROOF_MS = 15_000;

/**
 * Which keys sshd accepted before the revocation: without it, a refusal afterwards proves nothing. Asked beside everything else;
 * nothing waits for the answers, and those that come when a host has already revoked do not count.
 */
export class AcceptedBefore {
  readonly #ports: RevocationPorts;
  readonly #keys: readonly Buffer[];
  readonly #answers = new Map<string, boolean>();
  readonly #late = new Set<string>();
  readonly #gate = new AtMost(AT_ONCE);

  constructor(ports: RevocationPorts, order: Order) {
    this.#ports = ports;
    this.#keys = order.publicKeys.map((base64) => Buffer.from(base64, 'base64'));
  }

  /** Never rejects: a host that cannot be asked has no answer. */
  async ask(hosts: readonly string[], signal: AbortSignal): Promise<void> {
    setMaxListeners(0, signal);
    const one = async (host: string, account: ChannelAccount, key: Buffer): Promise<void> => {
      if (this.#late.has(host) || signal.aborted) return;
      const answer = await this.#ports.accepts(host, account, key, signal).catch(() => undefined);
      if (answer !== undefined && !this.#late.has(host)) this.#answers.set(idOf(host, account, key), answer);
    };
    const questions = hosts.flatMap((host) =>
      this.#keys.flatMap((key) => ACCOUNTS.map((account) => [host, account, key] as const)),
    );
    await Promise.all(questions.map((question) => this.#gate.run(() => one(...question))));
  }

  /** The host has revoked: answers from now on are not of before. */
  end(host: string): void {
    this.#late.add(host);
  }

  /** Undefined where nobody knows. */
  of(host: string, account: ChannelAccount, key: Buffer): boolean | undefined {
    return this.#answers.get(idOf(host, account, key));
  }
}

const idOf = (host: string, account: ChannelAccount, key: Buffer): string =>
  `${host} ${account} ${fingerprint(key)}`;

export interface ProofWish {
  readonly ports: RevocationPorts;
  readonly order: Order;
  readonly host: string;
  /** The public halves that are known by now: of the order, and those that the host found in its files. */
  readonly keys: readonly Buffer[];
  readonly accepted: AcceptedBefore;
  readonly witnesses: readonly OldConnection[];
  readonly own: (account: ChannelAccount) => OwnLogin;
  /** Whether the host had a CA of the order in its list. */
  readonly isCaListed: boolean;
}

/** Asks sshd itself: the old connections, the thrown-out keys, and the logins that stay. Throws nothing. */
export const proveHost = async (wish: ProofWish): Promise<HostProof> => {
  const { ports, order, host, own, isCaListed } = wish;
  const signal = AbortSignal.timeout(PROOF_MS);
  const before = await deathOf(order, wish.witnesses);
  const key = await refusalOf(wish, signal);
  const account = async (name: ChannelAccount): Promise<AccountProof> => {
    const { kind, fingerprint: self } = own(name);
    if (self !== undefined && order.keys.includes(self)) return 'revoked';
    try {
      await ports.works(host, name, signal);
      return 'works';
    } catch (thrown) {
      const { code, values } = asPraError(thrown);
      if (values['code'] === 'DISABLED') return 'closed';
      const isRefused = code === 'AUTH_REFUSED' && values['account'] !== 'jump';
      // Who issues the certificates is not known here; that the CA of this order did is what the refusal says.
      if (isRefused && kind === 'certificate' && self === undefined && isCaListed) return 'revoked';
      return isRefused || code === 'TARGET_REFUSED' ? 'FAILS' : `untried (${code})`;
    }
  };
  return { key, before, reader: await account('reader'), runner: await account('runner') };
};

/** Nothing speaks against it. */
export const isDone = ({ key, before, reader, runner }: HostProof): boolean =>
  key !== 'ACCEPTED' && key !== 'failed' && before !== 'ALIVE' && reader !== 'FAILS' && runner !== 'FAILS';

/** All of it was seen from here. */
export const isProven = (proof: HostProof): boolean =>
  isDone(proof) &&
  proof.key === 'refused' &&
  ![proof.reader, proof.runner].some((one) => one.startsWith('untried'));

const deathOf = async (order: Order, witnesses: readonly OldConnection[]): Promise<HostProof['before']> => {
  // Removing an approver alone leaves connections open: they are not theirs.
  if (witnesses.length === 0 || order.keys.length + order.serials.length === 0) return 'none';
  const all = Promise.all(witnesses.map(({ closed }) => closed));
  await Promise.race([all, sleep(DEATH_MS, undefined, { ref: false })]);
  if (witnesses.some(({ isOpen }) => isOpen)) return 'ALIVE';
  return witnesses.every(({ isCut }) => isCut) ? 'none' : 'dead';
};

const refusalOf = async (wish: ProofWish, signal: AbortSignal): Promise<HostProof['key']> => {
  const { ports, order, host, keys, accepted } = wish;
  if (keys.length === 0) return 'unasked';
  try {
    for (const key of keys)
      for (const account of ACCOUNTS)
        // What was refused before is not asked again: each refusal counts against us there.
        if (accepted.of(host, account, key) !== false && (await ports.accepts(host, account, key, signal)))
          return 'ACCEPTED';
  } catch (thrown) {
    return asPraError(thrown).code === 'KEY_INVALID' ? 'unasked' : 'failed';
  }
  const seen = keys.filter((key) => ACCOUNTS.some((account) => accepted.of(host, account, key) === true));
  const names = new Set(seen.map(fingerprint));
  const isAllSeen = seen.length === keys.length && order.keys.every((name) => names.has(name));
  return isAllSeen && order.serials.length === 0 ? 'refused' : 'unseen';
};
