import { mask } from './mask.ts';
import { neutralise } from './neutralise.ts';
import type { ShownOutput } from './view.ts';

/** Characters of an action's output that are kept for showing. */
const KEEP_CHARS = 32_768;
/** Kept beyond that, so that a secret on the edge is masked before it is cut. */
const EDGE_CHARS = 4_096;
/** A line longer than this is shown in pieces: a mask works on what it can see of a line. Bytes. */
const LONGEST_LINE = 16_384;
/** Of such a piece so much waits for what follows, so that a secret of this size is not cut in two. Bytes. */
const WAITING_BYTES = 1_024;
/** Places that are tried for the cut. */
const CUTS = 6;
/** A private key that has begun is held back until its end, up to so many characters. */
const LONGEST_KEY = 16_384;

const KEY_BEGINS = /-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----/gu;
const KEY_ENDS = /-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----/u;

export type OutputListener = (text: string) => void;

/**
 * Output of a running action, made fit to be shown as it comes: whole lines, neutralised, masked. `shown` masks the whole
 * once more, for what only shows there.
 */
export class OutputView {
  #pending: Buffer = Buffer.alloc(0);
  /** Clean, not yet masked. */
  #text = '';
  /** The beginning of a key whose end has not come yet: not told to anybody. */
  #held = '';
  /** As told to listeners. */
  #told = '';
  #toldChars = 0;
  #truncated = false;
  /** Raw bytes taken so far: the offset to ask the target for more from. */
  bytes = 0;
  readonly #listeners = new Set<OutputListener>();
  readonly #heard = new WeakMap<OutputListener, number>();

  /**
   * Tells a listener what came so far, and what comes, until the returned function is called. Who listens again goes on
   * where it stopped.
   */
  listen(listener: OutputListener): () => void {
    if (!this.#listeners.has(listener)) {
      const missed = this.#told.slice(this.#heard.get(listener) ?? 0);
      this.#listeners.add(listener);
      this.#tell(listener, missed);
    }
    return () => this.#listeners.delete(listener);
  }

  push(chunk: Buffer): void {
    this.bytes += chunk.length;
    this.#pending = Buffer.concat([this.#pending, chunk]);
    const end = this.#pending.lastIndexOf(0x0a);
    const take = end >= 0 ? end + 1 : this.#pending.length > LONGEST_LINE ? cutOf(this.#pending) : 0;
    if (take === 0) return;
    this.#take(this.#pending.subarray(0, take));
    this.#pending = this.#pending.subarray(take);
  }

  /** The output is complete: what has no line end is shown too. */
  end(): void {
    if (this.#pending.length > 0) this.#take(this.#pending);
    this.#pending = Buffer.alloc(0);
    this.#emit(this.#held);
    this.#held = '';
  }

  shown(): ShownOutput {
    const masked = mask(this.#text).text;
    return {
      text: masked.slice(0, KEEP_CHARS).toWellFormed(),
      truncated: this.#truncated || masked.length > KEEP_CHARS,
    };
  }

  #take(bytes: Buffer): void {
    const clean = neutralise(bytes).text;
    const room = KEEP_CHARS + EDGE_CHARS - this.#text.length;
    this.#text += clean.slice(0, room);
    if (clean.length > room) this.#truncated = true;

    const waiting = this.#held + clean;
    const open = openKeyAt(waiting);
    const stop = open >= 0 && waiting.length - open <= LONGEST_KEY ? open : waiting.length;
    this.#held = waiting.slice(stop);
    this.#emit(waiting.slice(0, stop));
  }

  #emit(clean: string): void {
    if (clean === '') return;
    const text = mask(clean).text;
    this.#told += text.slice(0, KEEP_CHARS - this.#told.length);
    this.#toldChars += text.length;
    for (const listener of this.#listeners) this.#tell(listener, text);
  }

  #tell(listener: OutputListener, text: string): void {
    this.#heard.set(listener, this.#toldChars);
    if (text === '') return;
    try {
      listener(text);
    } catch {
      // Whoever cannot listen must not stop the following of a run.
      this.#listeners.delete(listener);
    }
  }
}

/** What may stand between two words of a long line. */
const BETWEEN: ReadonlySet<number> = new Set([0x09, 0x20, 0x26, 0x2c, 0x3b]); // TAB space & , ;

/**
 * Where a line without an end is cut: where its two parts, each masked for itself, are the masked line. All of it where no such
 * place is found.
 */
const cutOf = (line: Buffer): number => {
  const shown = (bytes: Buffer): string => mask(neutralise(bytes).text).text;
  const whole = shown(line);
  let at = line.length - WAITING_BYTES;
  for (let cut = 0; cut < CUTS; cut += 1) {
    while (at > 0 && !BETWEEN.has(line[at - 1] ?? 0)) at -= 1;
    if (at <= 0) break;
    if (shown(line.subarray(0, at)) + shown(line.subarray(at)) === whole) return at;
    at -= 1;
  }
  return line.length;
};

/** Where the line starts on which a private key begins that does not end; -1 without one. */
const openKeyAt = (text: string): number => {
  const begins = [...text.matchAll(KEY_BEGINS)].at(-1);
  if (begins === undefined || KEY_ENDS.test(text.slice(begins.index))) return -1;
  return text.lastIndexOf('\n', begins.index) + 1;
};
