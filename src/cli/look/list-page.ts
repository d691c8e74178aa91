import { describeParam } from '../../catalog/params.ts';
import { tierNote } from '../../catalog/tier-note.ts';
import { byTopic, inTopic, topicsOf } from '../../catalog/topics.ts';
import type { Catalog, Diagnostic } from '../../catalog/types.ts';
import { PraError } from '../../errors.ts';
import type { CliContext } from '../cli-context.ts';
import type { Page } from '../page.ts';
import { say } from '../say.ts';
import { shellLine } from '../shell-word.ts';

/** `mcp-pra look --list [topic]`: every diagnostic by topic, or what those of one topic take and tell. Throws USAGE. */
export const showList = (context: CliContext, catalog: Catalog, topic?: string): void => {
  const chosen = topic === undefined ? [...catalog.diagnostics.values()] : inTopic(catalog, topic);
  if (chosen.length === 0)
    throw new PraError('USAGE', {
      what: say('look.no_topic', { topic: topic ?? '', topics: topicsOf(catalog).slice(0, 30).join(', ') }),
    });
  const value = chosen.map(({ name, title, summary, tags, tier, promote, params }) => ({
    name,
    title,
    summary,
    tags,
    tier: tier ?? null,
    tool: promote,
    params,
  }));
  context.show(value, (page) => {
    if (topic === undefined) overview(page, catalog);
    else for (const diagnostic of chosen) details(page, diagnostic);
  });
};

const overview = (page: Page, catalog: Catalog): void => {
  page.text(say('look.list.head', { count: catalog.diagnostics.size }));
  for (const [topic, found] of byTopic(catalog)) {
    page.title(say('look.list.topic', { topic, count: found.length }));
    const width = Math.max(...found.map(({ name }) => name.length));
    for (const one of found) page.line(`  ${one.name.padEnd(width)}  ${titleOf(one)}`);
  }
};

/** The title, and what to be careful about. */
export const titleOf = (diagnostic: Diagnostic): string => {
  const note = tierNote(diagnostic);
  return note === '' ? diagnostic.title : `${diagnostic.title} (${note})`;
};

const details = (page: Page, diagnostic: Diagnostic): void => {
  const { name, summary, params, facts, example } = diagnostic;
  page.title(`${name}: ${titleOf(diagnostic)}`);
  page.field('', summary);
  for (const param of params) {
    const fallback = param.default === undefined ? '' : ` [${param.default}]`;
    page.field(
      `${param.name}${fallback}`,
      `${param.help} ${say('look.menu.bad', { expected: describeParam(param) })}`,
    );
  }
  page.field(say('look.list.facts'), Object.keys(facts).join(', '));
  page.field(say('look.list.try'), lookLine(name, ['HOST'], example));
};

/** The command line that asks the same. */
export const lookLine = (
  name: string,
  hosts: readonly string[],
  args: Readonly<Record<string, string>>,
): string =>
  shellLine([
    'mcp-pra',
    'look',
    name,
    ...hosts.flatMap((host) => ['--host', host]),
    ...Object.entries(args).map(([key, value]) => `${key}=${value}`),
  ]);
