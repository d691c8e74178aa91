import type { Command } from 'commander';
import { asPraError, type ExitCode } from '../../errors.ts';
import type { PersonDesk, RequestView } from '../../request/desk.ts';
import type { CliContext } from '../cli-context.ts';
import { painter, type Paint } from '../cli-io.ts';
import { printError } from '../print-error.ts';
import type { Cli } from '../run-cli.ts';
import { say } from '../say.ts';
import type { Key } from '../watch/keys.ts';
import { notifyDesktop } from '../watch/desktop.ts';
import { LiveScreen } from '../watch/live-screen.ts';
import { watchFrame } from '../watch/watch-frame.ts';
import { approve } from './approve.ts';
import { deny } from './deny.ts';
import { show } from './show.ts';
import { jsonText } from '../json-text.ts';

/** Between two looks at the clock; a change of the database is seen at once. */
const TICK_MS = 1_000;

/** `mcp-pra watch`: what waits for a person, live; approve, deny and show from there. */
export const addWatch = (program: Command, cli: Cli): void => {
  const command = cli.command(
    program,
    'watch',
    'a live list of what waits for a decision; approve and deny from there (--json: a line a change)',
  );
  command.action(() =>
    cli.run(command, async (context) => {
      if (context.json) return watchJson(context);
      const screen = new LiveScreen(context.io);
      const { desk } = await context.app();
      screen.open();
      try {
        return await new Watch(context, desk, screen).run();
      } finally {
        screen.close();
      }
    }),
  );
};

/** One JSON line for each request that begins to wait, changes while it waits, or does not wait any more. */
const watchJson = async (context: CliContext): Promise<ExitCode> => {
  const { desk } = await context.app();
  const { signal, io } = context;
  const tell = (event: 'waits' | 'changed' | 'over', request: RequestView): void =>
    void io.stdout.write(`${jsonText({ event, request })}\n`);
  const known = new Map<string, string>();
  while (!signal.aborted) {
    const waiting = desk.board.waiting();
    for (const view of waiting) {
      // Time passes for each of them, and the wall clock may be set.
      const content = JSON.stringify({ ...view, seconds_left: null, decide_by: null });
      const before = known.get(view.id);
      if (before !== content) tell(before === undefined ? 'waits' : 'changed', view);
      known.set(view.id, content);
    }
    for (const id of known.keys()) {
      if (waiting.some((view) => view.id === id)) continue;
      known.delete(id);
      tell('over', desk.board.peek(id));
    }
    await desk.board.changed(TICK_MS, signal);
  }
  return 130;
};

class Watch {
  readonly #context: CliContext;
  readonly #desk: PersonDesk;
  readonly #screen: LiveScreen;
  readonly #paint: Paint;
  #waiting: readonly RequestView[] = [];
  #chosen: string | undefined;
  #news = '';

  constructor(context: CliContext, desk: PersonDesk, screen: LiveScreen) {
    this.#context = context;
    this.#desk = desk;
    this.#screen = screen;
    this.#paint = painter(context.io.stdout, context.io.env);
  }

  async run(): Promise<ExitCode> {
    const { signal } = this.#context;
    this.#waiting = this.#desk.board.waiting();
    this.#chosen = this.#waiting[0]?.id;
    while (!signal.aborted) {
      this.#look();
      this.#draw();
      await this.#change();
      for (const key of this.#screen.takeKeys()) {
        if (key === 'quit' || key === 'q') return 0;
        await this.#press(key);
      }
    }
    return 130;
  }

  /** What waits now. Rings for what is new; tells what is gone, and does not put another under the finger of who was about to press. */
  #look(): void {
    const before = this.#waiting;
    this.#waiting = this.#desk.board.waiting();
    const isIn = (views: readonly RequestView[], id: string | undefined): boolean =>
      views.some((view) => view.id === id);
    const fresh = this.#waiting.filter(({ id }) => !isIn(before, id));
    if (fresh.length > 0) this.#ring(fresh);
    const gone = before.find(({ id }) => id === this.#chosen && !isIn(this.#waiting, id));
    if (gone !== undefined) {
      const { action, host } = gone;
      this.#news = say('watch.gone', { action, host, state: this.#desk.board.peek(gone.id).state });
      this.#chosen = undefined;
    }
    if (before.length === 0) this.#chosen ??= this.#waiting[0]?.id;
  }

  #ring(fresh: readonly RequestView[]): void {
    for (const { impact, action, host } of fresh) {
      const text = say('watch.notice', { impact, action, host });
      this.#screen.ring(notifyDesktop(text, this.#context.io.env) ? undefined : text);
    }
  }

  #draw(): void {
    const { rows, columns } = this.#screen;
    const state = { waiting: this.#waiting, chosen: this.#chosen, news: this.#news };
    this.#screen.draw(watchFrame(state, { rows, columns }, this.#paint));
  }

  /** A key, a change of the database, the next second, or the end. */
  async #change(): Promise<void> {
    const wake = new AbortController();
    this.#screen.onWake(() => wake.abort());
    await this.#desk.board.changed(TICK_MS, AbortSignal.any([wake.signal, this.#context.signal]));
  }

  async #press(key: Key): Promise<void> {
    this.#news = '';
    if (key === 'down' || key === 'j') return this.#choose(1);
    if (key === 'up' || key === 'k') return this.#choose(-1);
    if (!['a', 'enter', 'd', 's'].includes(key)) return;
    const id = this.#chosen;
    if (id === undefined) this.#news = this.#waiting.length > 0 ? say('watch.choose') : '';
    else if (key === 'd') await this.#aside(() => deny(this.#context, id), false);
    else if (key === 's') await this.#aside(() => show(this.#context, id), true);
    else await this.#aside(() => approve(this.#context, id, true), true);
  }

  #choose(step: 1 | -1): void {
    const at = this.#waiting.findIndex(({ id }) => id === this.#chosen);
    const next = at < 0 ? (step > 0 ? 0 : this.#waiting.length - 1) : at + step;
    this.#chosen = this.#waiting[Math.max(0, Math.min(next, this.#waiting.length - 1))]?.id;
  }

  /** Does something on the ordinary screen, as its own command would; what was refused is said there. */
  async #aside(work: () => Promise<unknown>, hasMuchToRead: boolean): Promise<void> {
    const { io, signal } = this.#context;
    this.#screen.close();
    const refusal = await work().then(
      () => undefined,
      (thrown: unknown) => asPraError(thrown),
    );
    if (signal.aborted) return;
    const isGivenUp = refusal?.code === 'CANCELLED';
    if (refusal !== undefined && !isGivenUp) printError(io, refusal, false);
    if (!isGivenUp && (hasMuchToRead || refusal !== undefined)) {
      io.stdout.write(`\n${say('watch.back')}`);
      await this.#screen.anyKey(signal);
      io.stdout.write('\n');
    }
    this.#screen.open();
  }
}
