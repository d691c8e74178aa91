import { FormError, type FormCode } from './form-error.ts';
import { wireSeconds } from './wire-time.ts';

/** Regular expression sources of the words of docs/wire-protocol.md §1 and §3. */
export const word = {
  id: '[a-z2-7]{16}',
  name: '[a-z][a-z0-9_]{0,39}',
  host: '[a-z0-9][a-z0-9.-]{0,62}',
  value: '[A-Za-z0-9@._:+-]{1,96}',
  digest: 'sha256:[0-9a-f]{64}',
  fingerprint: 'SHA256:[A-Za-z0-9+/]{43}',
  principal: '[A-Za-z0-9@._-]{1,64}',
  actor: '[A-Za-z0-9@._-]{1,64}/[A-Za-z0-9@._-]{1,64}',
  incident: '[a-z0-9][a-z0-9-]{0,39}',
  uuid: '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}',
  count: '(?:0|[1-9][0-9]{0,8})',
} as const;

/** A kind of line: a key and one or more words, single spaces between them. */
export interface Field<P extends readonly string[]> {
  readonly key: string;
  readonly pattern: RegExp;
  readonly parts: P;
}

/** Defines a kind of line; `parts` are regular expression sources without capturing groups. */
export const field = <const P extends readonly string[]>(key: string, ...parts: P): Field<P> => ({
  key,
  pattern: new RegExp(`^${key}${parts.map((part) => ` (${part})`).join('')}$`, 'u'),
  parts,
});

/** A kind of line with a key and one of some words. */
export interface Choice<W extends string> {
  readonly key: string;
  readonly words: readonly W[];
}

/** Defines a kind of line that holds one of `words`. */
export const choice = <const W extends string>(key: string, ...words: readonly W[]): Choice<W> => ({
  key,
  words,
});

/** Lines that several texts have. */
export const IMPACT = choice('impact', 'LOW', 'MEDIUM', 'HIGH');
export const MODE = choice('mode', 'run', 'drill');

/** The hex digits of `sha256:<hex>`. */
export const hexOf = (digest: string): string => digest.slice('sha256:'.length);

type Words<P extends readonly string[]> = { [K in keyof P]: string };

/**
 * Walks a text whose lines have a fixed order. The text is printable ASCII, ends in LF, has no empty line, and its first
 * line is `title`; anything else throws a FormError of `code`.
 */
export class StrictLines {
  readonly #lines: readonly string[];
  readonly #code: FormCode;
  #at = 0;

  constructor(
    bytes: Buffer | string,
    text: {
      readonly title: string;
      readonly code: FormCode;
      readonly maxBytes: number;
      readonly sizeCode?: FormCode;
    },
  ) {
    this.#code = text.code;
    if (Buffer.byteLength(bytes) > text.maxBytes) throw new FormError(text.sizeCode ?? text.code, 'size');
    const ascii = typeof bytes === 'string' ? bytes : bytes.toString('latin1');
    if (!/^(?:[ -~]+\n)+$/u.test(ascii)) throw this.error('bytes');
    this.#lines = ascii.slice(0, -1).split('\n');
    if (this.#lines[0] !== text.title) throw this.error('title');
    this.#at = 1;
  }

  /** The words of the next line, which must be of this kind. */
  take<const P extends readonly string[]>(kind: Field<P>): Words<P> {
    const words = this.#match(kind);
    if (words === undefined) throw this.error(kind.key);
    return words;
  }

  /** The only word of the next line. */
  one(kind: Field<readonly [string]>): string {
    return this.take(kind)[0];
  }

  /** Which of its words the next line has. */
  choice<W extends string>(kind: Choice<W>): W {
    const line = this.#lines[this.#at];
    const found = kind.words.find((known) => line === `${kind.key} ${known}`);
    if (found === undefined) throw this.error(kind.key);
    this.#at += 1;
    return found;
  }

  /** The hex digits of the only word of the next line, `sha256:…`. */
  digest(kind: Field<readonly [string]>): string {
    return hexOf(this.one(kind));
  }

  /** The words of as many following lines as have this key; each must be of this kind. */
  takeAll<const P extends readonly string[]>(kind: Field<P>): Words<P>[] {
    const all: Words<P>[] = [];
    while (this.#lines[this.#at]?.startsWith(`${kind.key} `) === true) all.push(this.take(kind));
    return all;
  }

  /** A line that holds a time of the calendar. */
  time(kind: Field<readonly [string]>): string {
    const time = this.one(kind);
    if (time !== '-' && wireSeconds(time) === undefined) throw this.error(kind.key);
    return time;
  }

  /** Nothing may follow. */
  end(): void {
    if (this.#at !== this.#lines.length) throw this.error('end');
  }

  error(where: string): FormError {
    return new FormError(this.#code, where);
  }

  #match<P extends readonly string[]>(kind: Field<P>): Words<P> | undefined {
    const found = kind.pattern.exec(this.#lines[this.#at] ?? '');
    if (found === null) return undefined;
    this.#at += 1;
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- `field` made one group for each part
    return found.slice(1) as unknown as Words<P>;
  }
}
