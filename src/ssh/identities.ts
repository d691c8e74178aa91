// Imports ssh2 (through identity.ts): load this module lazily.
import { openIdentity, type AccountKey, type Identity } from './identity.ts';
import { keyStamp, type KeyStamp } from './key-stamp.ts';

/** An opened key, and the version of the file that it came from. */
export interface StampedIdentity {
  readonly identity: Identity;
  readonly stamp: KeyStamp;
}

interface Kept {
  readonly stamp: KeyStamp;
  readonly opening: Promise<Identity>;
}

/** The keys of one process: each is opened once for all connections, and again when its file is another one. */
export class Identities {
  readonly #kept = new Map<AccountKey, Kept>();

  /** Throws KEY_MISSING, FILE_MODE, KEY_PASSPHRASE, KEY_INVALID. */
  async open(account: string, key: AccountKey): Promise<StampedIdentity> {
    // Before the file is read: when it changes in between, the next look at it differs and it is read once more.
    const stamp = keyStamp(key);
    const kept = this.#kept.get(key);
    if (kept?.stamp === stamp) return { identity: await kept.opening, stamp };
    const opening = openIdentity(account, key);
    const mine = { stamp, opening };
    this.#kept.set(key, mine);
    // A mode or a passphrase can be put right while the server runs.
    opening.catch(() => {
      if (this.#kept.get(key) === mine) this.#kept.delete(key);
    });
    return { identity: await opening, stamp };
  }
}
