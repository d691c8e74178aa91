import { mask } from './mask.ts';
import { neutralise } from './neutralise.ts';
import type { ShownOutput } from './view.ts';

/** Characters of an action's output that are kept for showing. */
const KEEP_CHARS = 32_768;
/** A line longer than this is shown in pieces: a mask works on what it can see of a line. */
const LONGEST_LINE = 16_384;

/**
 * Output of a running action, made fit to be shown as it comes: whole lines, neutralised, masked. A secret that spans
 * several lines (a PEM block) is masked in `shown`, which works on the whole.
 */
export class OutputView {
  #pending: Buffer = Buffer.alloc(0);
  #text = '';
  #truncated = false;
  /** Raw bytes taken so far: the offset to ask the target for more from. */
  bytes = 0;
  readonly #listeners = new Set<(text: string) => void>();

  listen(listener: (text: string) => void): void {
    if (this.#listeners.has(listener)) return;
    if (this.#text !== '') listener(mask(this.#text).text);
    this.#listeners.add(listener);
  }

  push(chunk: Buffer): void {
    this.bytes += chunk.length;
    this.#pending = Buffer.concat([this.#pending, chunk]);
    const end = this.#pending.lastIndexOf(0x0a);
    const take = end >= 0 ? end + 1 : this.#pending.length > LONGEST_LINE ? this.#pending.length : 0;
    if (take === 0) return;
    this.#emit(this.#pending.subarray(0, take));
    this.#pending = this.#pending.subarray(take);
  }

  /** The output is complete: what has no line end is shown too. */
  end(): void {
    if (this.#pending.length > 0) this.#emit(this.#pending);
    this.#pending = Buffer.alloc(0);
  }

  shown(): ShownOutput {
    return { text: mask(this.#text).text, truncated: this.#truncated };
  }

  #emit(bytes: Buffer): void {
    const clean = neutralise(bytes).text;
    for (const listener of this.#listeners) listener(mask(clean).text);
    const room = KEEP_CHARS - this.#text.length;
    this.#text += clean.slice(0, room);
    if (clean.length > room) this.#truncated = true;
  }
}
