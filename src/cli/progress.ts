import type { CliIo } from './cli-io.ts';
import { say } from './say.ts';

const FIRST_AFTER_MS = 1_000;
const ERASE_LINE = '\r\u001b[2K';

/** One line on standard error that says what is being waited for, from the first second on; only on a terminal. */
export class Progress {
  readonly #stream: CliIo['stderr'];
  readonly #started = Date.now();
  readonly #timer: NodeJS.Timeout | undefined;
  #what: string;
  #shown = false;

  constructor(io: CliIo, what: string) {
    this.#stream = io.stderr;
    this.#what = what;
    if (io.stderr.isTTY === true) this.#timer = setInterval(() => this.#show(), FIRST_AFTER_MS).unref();
  }

  /** Says something else from now on. */
  update(what: string): void {
    this.#what = what;
  }

  /** Takes the line away, for other output; it comes back with the next second unless `end` was called. */
  clear(): void {
    if (this.#shown) this.#stream.write(ERASE_LINE);
    this.#shown = false;
  }

  end(): void {
    clearInterval(this.#timer);
    this.clear();
  }

  #show(): void {
    const seconds = Math.round((Date.now() - this.#started) / 1_000);
    this.#stream.write(`${ERASE_LINE}${say('progress.wait', { what: this.#what, seconds })}`);
    this.#shown = true;
  }
}

/** Shows progress while the work goes on, and takes it away however that ends. */
export const withProgress = async <T>(
  io: CliIo,
  what: string,
  work: (progress: Progress) => Promise<T>,
): Promise<T> => {
  const progress = new Progress(io, what);
  try {
    return await work(progress);
  } finally {
    progress.end();
  }
};
