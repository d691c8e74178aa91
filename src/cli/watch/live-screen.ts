import { PraError } from '../../errors.ts';
import type { CliIo } from '../cli-io.ts';
import { say } from '../say.ts';
import { keysOf, type Key } from './keys.ts';

// xterm's private modes (ctlseqs): 1049 the other screen, 25 the cursor, 7 line wrapping, 2026 one update at a time.
const OPEN = '\u001b[?1049h\u001b[?25l\u001b[?7l';
const CLOSE = '\u001b[?7h\u001b[?25h\u001b[?1049l';
const BEGIN_UPDATE = '\u001b[?2026h';
const END_UPDATE = '\u001b[?2026l';

/** A stop signal that was sent has stopped every process of the job. */
const STOPPED_BY_THEN_MS = 100;

/**
 * The whole terminal as lines that are written again when they change. It is given back as it was: by `close`, at the end of the process
 * however that comes, and while the process is stopped (Ctrl-Z).
 */
export class LiveScreen {
  readonly #io: CliIo;
  #shown: readonly string[] = [];
  #holds: 'nothing' | 'keys' | 'screen' = 'nothing';
  #keys: Key[] = [];
  #wake: () => void = () => undefined;

  /** Throws USAGE when one end is no terminal. */
  constructor(io: CliIo) {
    if (io.stdin.isTTY !== true || io.stdin.setRawMode === undefined || io.stdout.isTTY !== true)
      throw new PraError('USAGE', { what: say('watch.terminal') });
    this.#io = io;
  }

  /** At least as many as the list needs; a terminal with less shows the upper ones. */
  get rows(): number {
    return Math.max(6, this.#realRows);
  }

  get columns(): number {
    return Math.max(20, this.#io.stdout.columns ?? 80);
  }

  /** Takes the terminal: another screen, keys as they are pressed. */
  open(): void {
    this.#take('screen');
  }

  #take(what: 'keys' | 'screen'): void {
    if (this.#holds !== 'nothing') return;
    const { stdin, stdout } = this.#io;
    this.#holds = what;
    this.#shown = [];
    // The library remembers the mode, and a shell may have changed it while this process was stopped.
    stdin.setRawMode?.(false);
    stdin.setRawMode?.(true);
    stdin.on('data', this.#onData);
    stdin.on('end', this.#onEnd);
    stdin.resume();
    stdout.on('resize', this.#onResize);
    process.on('exit', this.#onExit);
    process.on('SIGTSTP', this.#onStop);
    process.on('SIGCONT', this.#onContinue);
    if (what === 'screen') stdout.write(OPEN);
  }

  /** Gives the terminal back. Keys that were not taken are dropped. */
  close(): void {
    if (this.#holds === 'nothing') return;
    const { stdin, stdout } = this.#io;
    if (this.#holds === 'screen') stdout.write(CLOSE);
    this.#holds = 'nothing';
    this.#keys = [];
    stdin.setRawMode?.(false);
    stdin.removeListener('data', this.#onData);
    stdin.removeListener('end', this.#onEnd);
    stdin.pause();
    stdout.removeListener('resize', this.#onResize);
    process.removeListener('exit', this.#onExit);
    process.removeListener('SIGTSTP', this.#onStop);
    process.removeListener('SIGCONT', this.#onContinue);
  }

  /** Shows these lines while the screen is held, writing those only that changed. Lines that are too long are cut by the terminal. */
  draw(lines: readonly string[]): void {
    // Between Ctrl-Z and going on.
    if (this.#holds !== 'screen') return;
    const fitting = lines.slice(0, this.#realRows);
    const height = Math.max(fitting.length, this.#shown.length);
    const changes = Array.from({ length: height }, (_, row) => row)
      .filter((row) => fitting[row] !== this.#shown[row])
      .map((row) => `\u001b[${String(row + 1)};1H\u001b[2K${fitting[row] ?? ''}`);
    this.#shown = fitting;
    if (changes.length > 0) this.#io.stdout.write(`${BEGIN_UPDATE}${changes.join('')}${END_UPDATE}`);
  }

  /** Rings, and lets a terminal that can do so tell its desktop (OSC 9). `text` is our own words. */
  ring(text: string | undefined): void {
    const isPlain = this.#io.env['TERM'] === 'linux' || this.#io.env['TERM'] === 'dumb';
    this.#io.stdout.write(text === undefined || isPlain ? '\u0007' : `\u0007\u001b]9;${text}\u0007`);
  }

  /** The keys that were pressed since the last time. Ctrl-Z is dealt with here. */
  takeKeys(): readonly Key[] {
    const keys = this.#keys;
    this.#keys = [];
    return keys;
  }

  /** Calls this once, with the next key or change of size. */
  onWake(wake: () => void): void {
    if (this.#keys.length > 0) wake();
    else this.#wake = wake;
  }

  /** Waits for any key while the ordinary screen is shown. Returns at the end of input and when aborted too. */
  async anyKey(signal: AbortSignal): Promise<void> {
    this.#take('keys');
    while (this.takeKeys().length === 0 && !signal.aborted) {
      await new Promise<void>((resolve) => {
        this.onWake(resolve);
        signal.addEventListener('abort', () => resolve(), { once: true });
      });
    }
    this.close();
  }

  readonly #onData = (chunk: Buffer | string): void => {
    for (const key of keysOf(Buffer.from(chunk))) {
      if (key === 'suspend') this.#onStop();
      else if (key === 'redraw') this.#shown = [];
      else this.#keys.push(key);
    }
    this.#woken();
  };

  readonly #onEnd = (): void => {
    this.#keys.push('quit');
    this.#woken();
  };

  readonly #onResize = (): void => {
    this.#shown = [];
    if (this.#holds === 'screen') this.#io.stdout.write('\u001b[2J');
    this.#woken();
  };

  readonly #onExit = (): void => this.close();

  /** As the terminal itself would do it: the whole job stops. The timer runs on when the job does, or when nothing could stop it. */
  readonly #onStop = (): void => {
    const held = this.#holds;
    this.close();
    setTimeout(() => {
      if (held !== 'nothing') this.#take(held);
      this.#woken();
    }, STOPPED_BY_THEN_MS);
    process.kill(0, 'SIGTSTP');
  };

  /** Stopped in a way that nobody is told of (SIGSTOP): a shell has set the terminal since. */
  readonly #onContinue = (): void => {
    const held = this.#holds;
    this.close();
    if (held !== 'nothing') this.#take(held);
    this.#woken();
  };

  get #realRows(): number {
    return this.#io.stdout.rows ?? 24;
  }

  #woken(): void {
    const wake = this.#wake;
    this.#wake = () => undefined;
    wake();
  }
}
