import type { AccountKey } from './identity.ts';
import { keyStamp, type KeyStamp } from './key-stamp.ts';

/** An opened key, and the version of the file that it came from. */
export interface StampedIdentity<I> {
  readonly identity: I;
  readonly stamp: KeyStamp;
}

interface Kept<I> {
  readonly stamp: KeyStamp;
  readonly opening: Promise<I>;
}

/** The keys of one process: each is opened once for all connections, and again when its file is another one. */
export class Identities<I> {
  readonly #kept = new Map<AccountKey, Kept<I>>();
  readonly #open: (account: string, key: AccountKey) => Promise<I>;

  /** `open` opens a key for the transport (identity.ts, openssh-keys.ts). */
  constructor(open: (account: string, key: AccountKey) => Promise<I>) {
    this.#open = open;
  }

  /** Throws KEY_MISSING, FILE_MODE, KEY_PASSPHRASE, KEY_INVALID. */
  async open(account: string, key: AccountKey): Promise<StampedIdentity<I>> {
    // Before the file is read: when it changes in between, the next look at it differs and it is read once more.
    const stamp = keyStamp(key);
    const kept = this.#kept.get(key);
    if (kept?.stamp === stamp) return { identity: await kept.opening, stamp };
    const opening = this.#open(account, key);
    const mine = { stamp, opening };
    this.#kept.set(key, mine);
    // A mode or a passphrase can be put right while the server runs.
    opening.catch(() => {
      if (this.#kept.get(key) === mine) this.#kept.delete(key);
    });
    return { identity: await opening, stamp };
  }
}
