import { watch, type FSWatcher } from 'node:fs';

/** A watcher alone loses events, and one may come before the commit can be seen. Milliseconds after an event. */
const RECHECKS = [0, 2, 10, 40];
/** How often the version is asked for without any event. Milliseconds. */
const POLL_MS = 250;

/** Tells that some process has committed to the database. Nothing of it runs while nobody waits. */
export class CommitWatch {
  readonly #wal: string;
  readonly #version: () => string;
  readonly #waiting = new Set<() => void>();
  readonly #rechecks = new Set<NodeJS.Timeout>();
  #watcher: FSWatcher | undefined;
  #poll: NodeJS.Timeout | undefined;
  #closed = false;

  /** `version` changes with every commit of any process. */
  constructor(wal: string, version: () => string) {
    this.#wal = wal;
    this.#version = version;
  }

  /** Resolves once the version is not `seen` any more, after `ms`, when aborted, or when the store is closed. */
  wait(seen: string, ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const over = (): boolean => this.#closed || signal?.aborted === true || this.#version() !== seen;
      const end = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', end);
        this.#waiting.delete(check);
        this.#rest();
        resolve();
      };
      const check = (): void => {
        try {
          if (over()) end();
        } catch (error) {
          end();
          reject(error instanceof Error ? error : new Error('no version', { cause: error }));
        }
      };
      // Resolving in a later turn keeps a loop that ignores its signal from starving everything else.
      const timer = setTimeout(end, over() ? 0 : Math.max(0, ms));
      if (this.#closed) return;
      this.#waiting.add(check);
      signal?.addEventListener('abort', end, { once: true });
      this.#start();
    });
  }

  /** To be called after a commit of this process. */
  check(): void {
    for (const check of this.#waiting) check();
  }

  close(): void {
    this.#closed = true;
    this.check();
    this.#rest();
  }

  #start(): void {
    if (this.#poll !== undefined) return;
    this.#poll = setInterval(() => this.check(), POLL_MS);
    try {
      this.#watcher = watch(this.#wal, { persistent: false }, () => this.#recheck());
      this.#watcher.on('error', () => this.#watcher?.close());
    } catch {
      // No inotify left, or no -wal yet: the poll does it alone.
    }
  }

  #recheck(): void {
    this.#forget();
    for (const ms of RECHECKS) {
      const timer = setTimeout(() => {
        this.#rechecks.delete(timer);
        this.check();
      }, ms);
      this.#rechecks.add(timer);
    }
  }

  #rest(): void {
    if (this.#waiting.size > 0) return;
    clearInterval(this.#poll);
    this.#poll = undefined;
    this.#watcher?.close();
    this.#watcher = undefined;
    this.#forget();
  }

  #forget(): void {
    for (const timer of this.#rechecks) clearTimeout(timer);
    this.#rechecks.clear();
  }
}
