import { PraError } from '../errors.ts';
import { nextPart, sizeOf, type Part, type Whole } from './answer-parts.ts';
import type { ReadResult } from './desk.ts';
import { newRequestId } from './request-id.ts';

/** Answers that can be read on, and the characters of all of them: the oldest go first. */
const MOST_ANSWERS = 32;
const MOST_CHARACTERS = 8 * 1_048_576;

/** The form of a cursor: opaque, of this session only. */
export const CURSOR = /^c-[a-z2-7]{16}$/u;

interface Kept {
  readonly result: ReadResult;
  readonly whole: Whole;
  readonly characters: number;
  /** What the cursor answered: asked twice, it says the same, and there is one cursor after it. */
  answer: { readonly part: Part; readonly next: string | null } | undefined;
}

/** What was left out of answers of this session, masked and neutralised already, until it is asked for. Nothing of it is written down. */
export class AnswerMemory {
  readonly #kept = new Map<string, Kept>();
  readonly #mostCharacters: number;
  #characters = 0;

  constructor(mostCharacters = MOST_CHARACTERS) {
    this.#mostCharacters = mostCharacters;
  }

  /** Keeps the rest of an answer; the cursor for it. `result` is what the next part is shown with. */
  keep(result: ReadResult, whole: Whole): string {
    const cursor = `c-${newRequestId()}`;
    const { facts, text } = sizeOf(whole);
    const characters = facts + text;
    this.#kept.set(cursor, { result, whole, characters, answer: undefined });
    this.#characters += characters;
    for (const [oldest, { characters: size }] of this.#kept) {
      if (this.#kept.size <= MOST_ANSWERS && this.#characters <= this.#mostCharacters) break;
      this.#kept.delete(oldest);
      this.#characters -= size;
    }
    return cursor;
  }

  /** The part of an answer that a cursor stands for, of at most `room` characters. Throws CURSOR_GONE. */
  read(
    cursor: string,
    room: number,
  ): { readonly result: ReadResult; readonly part: Part; readonly next: string | null } {
    const kept = this.#kept.get(cursor);
    if (kept === undefined) throw new PraError('CURSOR_GONE');
    if (kept.answer === undefined) {
      const part = nextPart(kept.whole, room);
      kept.answer = { part, next: part.rest === undefined ? null : this.keep(kept.result, part.rest) };
    }
    return { result: kept.result, ...kept.answer };
  }
}
