/** A counting semaphore: first come, first served; a waiter may give up. */
export class Slots {
  readonly #most: number;
  #limit: number;
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(limit: number) {
    this.#most = limit;
    this.#limit = limit;
    this.#free = limit;
  }

  /** Resolves with the function that gives the slot back (any further call of it does nothing). Rejects with `signal.reason`. */
  async take(signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted();
    if (this.#free > 0) this.#free -= 1;
    else await this.#wait(signal);
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      this.#give();
    };
  }

  /** One slot less from now on, down to one: the server allows fewer sessions than was thought. */
  shrink(): void {
    if (this.#limit <= 1) return;
    this.#limit -= 1;
    this.#free -= 1;
  }

  /** All slots again: another connection, perhaps another server. */
  restore(): void {
    for (; this.#limit < this.#most; this.#limit += 1) this.#give();
  }

  #give(): void {
    this.#free += 1;
    // Not above zero after `shrink`: the slot given back is the one that was taken away.
    if (this.#free <= 0) return;
    const next = this.#waiting.shift();
    if (next === undefined) return;
    this.#free -= 1;
    next();
  }

  #wait(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const granted = (): void => {
        signal.removeEventListener('abort', gaveUp);
        resolve();
      };
      const gaveUp = (): void => {
        const at = this.#waiting.indexOf(granted);
        if (at >= 0) this.#waiting.splice(at, 1);
        reject(signal.reason);
      };
      signal.addEventListener('abort', gaveUp, { once: true });
      this.#waiting.push(granted);
    });
  }
}
