import { loadConfig, type Config } from '../config.ts';
import type { ExitCode } from '../errors.ts';
import type { LedgerEntry } from '../request/ledger-entry.ts';
import type { Caller } from '../request/types.ts';
import type { CliIo } from './cli-io.ts';
import type { CliApp, CliParts } from './cli-parts.ts';
import { Page } from './page.ts';
import { say } from './say.ts';
import { jsonText } from './json-text.ts';

/** Options that every command has. */
export interface CommonFlags {
  readonly json?: boolean;
  readonly config?: string;
}

/** One run of one command: its streams, and the parts it asks for, opened when it does and closed at the end. */
export class CliContext {
  readonly io: CliIo;
  readonly parts: CliParts;
  readonly flags: CommonFlags;
  /** Aborted by Ctrl-C, SIGTERM and SIGHUP. */
  readonly signal: AbortSignal;
  #config: Config | undefined;
  #app: Promise<CliApp> | undefined;

  constructor(io: CliIo, parts: CliParts, flags: CommonFlags, signal: AbortSignal) {
    this.io = io;
    this.parts = parts;
    this.flags = flags;
    this.signal = signal;
  }

  get json(): boolean {
    return this.flags.json === true;
  }

  /** Throws CONFIG_MISSING, CONFIG_INVALID. */
  config(): Config {
    this.#config ??= loadConfig(this.flags.config);
    return this.#config;
  }

  app(): Promise<CliApp> {
    this.#app ??= this.parts.openApp(this.config());
    return this.#app;
  }

  /** Who acts at this keyboard. */
  caller(): Caller {
    return { principal: this.config().principal, client: 'cli', channel: 'cli' };
  }

  /** Prints the result: the value as JSON, or the page for people. */
  show(value: unknown, page: (page: Page) => unknown): void {
    if (this.json) this.io.stdout.write(`${jsonText(value)}\n`);
    else {
      const built = Page.for(this.io);
      page(built);
      this.io.stdout.write(built.toString());
    }
  }

  /** A line for people on standard output; nothing with --json. */
  note(text: string): void {
    if (!this.json) this.io.stdout.write(`${text}\n`);
  }

  /**
   * A note in the ledger of what was done to keys. It is done: a ledger that cannot be written is said on standard error, and stops
   * nothing, since keys have to be thrown out and replaced when the database is the thing that is broken.
   */
  async record(note: Pick<LedgerEntry, 'code' | 'host' | 'detail'>): Promise<void> {
    const { principal, client } = this.caller();
    await this.parts
      .appendLedger(this.config(), { kind: 'note', actor: `${principal}/${client}`, ...note })
      .catch(() => this.io.stderr.write(`${say('ledger.not_written')}\n`));
  }

  async close(): Promise<void> {
    if (this.#app === undefined) return;
    const app = await this.#app.catch(() => undefined);
    await app?.close();
  }
}

/** What a command does; its exit code. Errors are thrown. */
export type CommandWork = (context: CliContext) => Promise<ExitCode>;
