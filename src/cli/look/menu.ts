import { describeParam, judgeValue, toWire } from '../../catalog/params.ts';
import { byTopic } from '../../catalog/topics.ts';
import type { Diagnostic, Param } from '../../catalog/types.ts';
import { PraError } from '../../errors.ts';
import type { CliContext } from '../cli-context.ts';
import { Page } from '../page.ts';
import { say } from '../say.ts';
import { Terminal } from '../terminal.ts';
import { lookLine, titleOf } from './list-page.ts';

/** One question to hosts, as a person chose it. */
export interface Chosen {
  readonly diagnostic: string;
  readonly hosts: readonly string[];
  readonly args: Readonly<Record<string, string>>;
}

/** Thrown to leave the menu from anywhere in it. */
class Left extends Error {}

/** One line of a choice: what it is called, and what stands behind it. */
interface Line<T> {
  readonly name: string;
  readonly about: string;
  readonly value: T;
}

/**
 * `mcp-pra look` alone: topic, diagnostic, hosts, parameters, each a numbered list; then `ask`, and again from the topics. Every answer is
 * a line, so that it works in any terminal. Resolves when the person leaves. Throws CANCELLED on Ctrl-C.
 */
export const lookMenu = async (
  context: CliContext,
  ask: (chosen: Chosen) => Promise<void>,
): Promise<void> => {
  const menu = new Menu(context);
  menu.page((page) => page.title(say('look.menu.title')).text(say('look.menu.keys')));
  try {
    for (;;) {
      const chosen = await menu.choose();
      if (chosen === undefined) continue;
      await ask(chosen);
      context.note(
        `\n${say('look.menu.same', { line: lookLine(chosen.diagnostic, chosen.hosts, chosen.args) })}`,
      );
    }
  } catch (thrown) {
    if (!(thrown instanceof Left)) throw thrown;
  }
};

class Menu {
  readonly #context: CliContext;
  readonly #terminal: Terminal;

  constructor(context: CliContext) {
    this.#context = context;
    this.#terminal = new Terminal(context.io, context.io.stdout);
  }

  /** From the topics to a whole question; undefined when the person went back to the beginning. */
  async choose(): Promise<Chosen | undefined> {
    const { desk } = await this.#context.app();
    const diagnostic = await this.#diagnostic(desk.catalog.diagnostics);
    if (diagnostic === undefined) return undefined;
    this.page((page) => page.title(`${diagnostic.name}: ${titleOf(diagnostic)}`).text(diagnostic.summary));
    const hosts = await this.#hosts();
    if (hosts === undefined) return undefined;
    const args: Record<string, string> = {};
    for (const param of diagnostic.params) {
      const value = await this.#value(param);
      if (value === undefined) return undefined;
      args[param.name] = value;
    }
    return { diagnostic: diagnostic.name, hosts, args };
  }

  async #diagnostic(diagnostics: ReadonlyMap<string, Diagnostic>): Promise<Diagnostic | undefined> {
    const lines = (found: readonly Diagnostic[]): readonly Line<Diagnostic>[] =>
      found.map((one) => ({ name: one.name, about: titleOf(one), value: one }));
    const topics = [...byTopic({ diagnostics })].map(([topic, found]) => ({
      name: topic,
      about: found.map(({ name }) => name).join(', '),
      value: found,
    }));
    // The name of a diagnostic is understood at once; at the first question, Enter leaves.
    const all = lines([...diagnostics.values()]);
    const first = await this.#pick(say('look.menu.topics'), topics, say('look.menu.topic'), all);
    if (first === undefined) throw new Left();
    if (!Array.isArray(first)) return first as Diagnostic;
    return this.#pick(undefined, lines(first as Diagnostic[]), say('look.menu.diagnostic'));
  }

  async #hosts(): Promise<readonly string[] | undefined> {
    const { desk } = await this.#context.app();
    const hosts = desk.hosts();
    const [only] = hosts;
    if (only === undefined) throw new PraError('USAGE', { what: say('look.menu.no_hosts') });
    if (hosts.length === 1) {
      this.#note(say('look.menu.one_host', { host: only.name }));
      return [only.name];
    }
    const config = this.#context.config();
    const lines: readonly Line<readonly string[]>[] = [
      ...hosts.map(({ name, tags }) => ({ name, about: tags.join(' '), value: [name] })),
      ...[...config.groups].map(([name, members]) => ({
        name,
        about: say('look.menu.group', { count: members.length }),
        value: members,
      })),
    ];
    this.#list(say('look.menu.hosts'), lines);
    for (;;) {
      const words = (await this.#ask(say('look.menu.host'))).split(/[\s,]+/u).filter((word) => word !== '');
      if (words.length === 0) return undefined;
      const found = words.map((word) => meant(word, lines));
      const chosen = [...new Set(found.flatMap((line) => line?.value ?? []))];
      const most = config.limits.hostsPerCall;
      if (found.includes(undefined)) this.#note(say('look.menu.unclear'));
      else if (chosen.length > most) this.#note(say('look.menu.most', { max: most }));
      else return chosen;
    }
  }

  /** A value that is allowed, the default for an empty line; undefined to go back. */
  async #value(param: Param): Promise<string | undefined> {
    const expected = say('look.menu.bad', { expected: describeParam(param) });
    this.#note(`${param.name}: ${param.help} ${expected}`);
    const names = Object.keys(Reflect.get(this.#context.config().names, `${param.type}s`) ?? {});
    if (names.length > 0) this.#note(say('look.menu.names', { names: names.join(', ') }));
    for (;;) {
      const typed = await this.#ask(
        param.default === undefined ? `${param.name}: ` : `${param.name} [${param.default}]: `,
        false,
      );
      if (typed === '') return param.default;
      if (judgeValue(param, toWire(param, typed))) return typed;
      this.#note(expected);
    }
  }

  /** One of the lines, or of others that are not shown; undefined to go back. */
  async #pick<T, U = never>(
    title: string | undefined,
    lines: readonly Line<T>[],
    question: string,
    others: readonly Line<U>[] = [],
  ): Promise<T | U | undefined> {
    this.#list(title, lines);
    for (;;) {
      const word = await this.#ask(question);
      if (word === '') return undefined;
      const found = meant(word, lines) ?? meant(word, others, false);
      if (found !== undefined) return found.value;
      this.#note(say('look.menu.unclear'));
    }
  }

  /** A line; `q` leaves the menu, except where it could be a value. */
  async #ask(question: string, mayLeave = true): Promise<string> {
    const typed = await this.#terminal.ask(question);
    if (mayLeave && typed === 'q') throw new Left();
    return typed;
  }

  #note(text: string): void {
    this.#context.io.stdout.write(Page.for(this.#context.io).text(text).toString());
  }

  #list(title: string | undefined, lines: readonly Line<unknown>[]): void {
    this.page((page) => {
      if (title !== undefined) page.title(title);
      page.choices(lines);
    });
  }

  /** Shows something below an empty line. */
  page(build: (page: Page) => unknown): void {
    const page = Page.for(this.#context.io);
    page.line();
    build(page);
    this.#context.io.stdout.write(page.toString());
  }
}

/** What a person means: a number of the list, a whole name, or the beginning of exactly one. */
const meant = <T>(word: string, lines: readonly Line<T>[], numbered = true): Line<T> | undefined => {
  if (/^[0-9]{1,4}$/u.test(word) && numbered) return lines[Number(word) - 1];
  const exact = lines.find(({ name }) => name === word);
  if (exact !== undefined) return exact;
  const begin = lines.filter(({ name }) => name.startsWith(word));
  return begin.length === 1 ? begin[0] : undefined;
};
