import { PraError } from '../errors.ts';
import type { CliIo } from './cli-io.ts';

const CTRL_C = 0x03;
const CTRL_D = 0x04;
const BACKSPACE = 0x08;
const CTRL_U = 0x15;
const ESCAPE = 0x1b;
const DELETE = 0x7f;
const MAX_LINE = 1_024;

/** Before anything is done that a person would have to finish. Throws TERMINAL_REQUIRED unless both ends are terminals. */
export const requireTerminal = (io: CliIo, screen: CliIo['stdout']): void => {
  if (io.stdin.isTTY !== true || io.stdin.setRawMode === undefined || screen.isTTY !== true)
    throw new PraError('TERMINAL_REQUIRED');
};

/**
 * A person at a terminal, asked in raw mode: what is typed is only shown where that is wanted. The terminal is put back
 * however the question ends. Made only when both ends are terminals, and there is nothing that makes it otherwise.
 */
export class Terminal {
  readonly #io: CliIo;
  readonly #screen: CliIo['stdout'];

  /** `screen` is where questions appear. Throws TERMINAL_REQUIRED. */
  constructor(io: CliIo, screen: CliIo['stdout']) {
    requireTerminal(io, screen);
    this.#io = io;
    this.#screen = screen;
  }

  /** A line of text, shown while it is typed. Throws CANCELLED on Ctrl-C and at the end of input. */
  async ask(question: string): Promise<string> {
    const bytes = await this.#read(question, true);
    return bytes.toString('utf8').trim();
  }

  /** A line that is not shown. The caller overwrites the bytes when they were used. Throws CANCELLED. */
  askHidden(question: string): Promise<Buffer> {
    return this.#read(question, false);
  }

  async #read(question: string, echo: boolean): Promise<Buffer> {
    const { stdin } = this.#io;
    const restore = (): void => void stdin.setRawMode?.(false);
    stdin.setRawMode?.(true);
    process.once('exit', restore);
    this.#screen.write(question);
    try {
      return await this.#line(echo);
    } finally {
      restore();
      process.removeListener('exit', restore);
      stdin.pause();
      this.#screen.write('\n');
    }
  }

  #line(echo: boolean): Promise<Buffer> {
    const { stdin } = this.#io;
    const line = new TypedLine(echo ? (text) => this.#screen.write(text) : () => undefined);
    return new Promise((resolve, reject) => {
      const finish = (end: () => void): void => {
        stdin.removeListener('data', onData);
        stdin.removeListener('end', onEnd);
        stdin.removeListener('error', onEnd);
        end();
      };
      const onEnd = (): void => finish(() => reject(new PraError('CANCELLED')));
      const onData = (chunk: Buffer | string): void => {
        const bytes = Buffer.from(chunk);
        for (const [index, byte] of bytes.entries()) {
          const done = line.type(byte);
          if (done === 'cancel') return finish(() => reject(new PraError('CANCELLED')));
          if (done !== 'enter') continue;
          const rest = Buffer.from(bytes.subarray(index + 1));
          bytes.fill(0);
          return finish(() => {
            if (rest.length > 0) stdin.unshift(rest);
            resolve(line.take());
          });
        }
        bytes.fill(0);
      };
      stdin.on('data', onData);
      stdin.once('end', onEnd);
      stdin.once('error', onEnd);
      stdin.resume();
    });
  }
}

/** A line as it is typed: what keys do to it. Kept as bytes, so that it can be overwritten. */
class TypedLine {
  readonly #bytes = Buffer.alloc(MAX_LINE);
  readonly #show: (text: string) => unknown;
  #length = 0;
  #inEscape = false;

  constructor(show: (text: string) => unknown) {
    this.#show = show;
  }

  type(byte: number): 'more' | 'enter' | 'cancel' {
    if (this.#inEscape) {
      // The rest of an arrow or function key: ends with a letter or ~.
      this.#inEscape = !/[A-Za-z~]/u.test(String.fromCodePoint(byte));
      return 'more';
    }
    if (byte === 0x0d || byte === 0x0a) return 'enter';
    if (byte === CTRL_C || (byte === CTRL_D && this.#length === 0)) {
      this.#bytes.fill(0);
      return 'cancel';
    }
    if (byte === ESCAPE) this.#inEscape = true;
    else if (byte === DELETE || byte === BACKSPACE) this.#rub();
    else if (byte === CTRL_U) while (this.#length > 0) this.#rub();
    else if (byte >= 0x20 && this.#length < MAX_LINE) {
      this.#bytes[this.#length] = byte;
      this.#length += 1;
      this.#show(byte < DELETE ? String.fromCodePoint(byte) : '·');
    }
    return 'more';
  }

  /** A copy of the line; the line itself is overwritten. */
  take(): Buffer {
    const line = Buffer.from(this.#bytes.subarray(0, this.#length));
    this.#bytes.fill(0);
    return line;
  }

  #rub(): void {
    if (this.#length === 0) return;
    // Back over a whole character: UTF-8 continuation bytes are 10xxxxxx.
    do this.#length -= 1;
    while (this.#length > 0 && ((this.#bytes[this.#length] ?? 0) & 0xc0) === 0x80);
    this.#show('\b \b');
  }
}
