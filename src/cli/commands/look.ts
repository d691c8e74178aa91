import type { Command } from 'commander';
import { asPraError, type ExitCode } from '../../errors.ts';
import { chosenHosts, takesHosts, type HostOptions } from '../chosen-hosts.ts';
import type { CliContext } from '../cli-context.ts';
import { exitOfLook } from '../exit-of.ts';
import { showList } from '../look/list-page.ts';
import { lookMenu, type Chosen } from '../look/menu.ts';
import { compareHosts } from '../../request/compare-hosts.ts';
import { differencesPage } from '../differences-page.ts';
import { lookPage } from '../look-page.ts';
import { readNameValues } from '../name-values.ts';
import { printError } from '../print-error.ts';
import { withProgress } from '../progress.ts';
import type { Cli } from '../run-cli.ts';
import { say } from '../say.ts';

interface Options extends HostOptions {
  readonly list?: string | true;
  readonly full?: boolean;
  readonly differences?: boolean;
}

/** `mcp-pra look`: one diagnostic on some hosts; alone a menu, with --list what there is. */
export const addLook = (program: Command, cli: Cli): void => {
  const command = takesHosts(
    cli
      .command(program, 'look', 'run a read-only diagnostic; alone: choose one from a menu')
      .argument('[diagnostic]', 'a name of: mcp-pra look --list')
      .argument('[name=value...]', 'its parameters'),
  )
    .option('--list [topic]', 'list the diagnostics, or those of a topic with what they take')
    .option('--full', 'all of the text, and tables as wide as they are')
    .option('--differences', 'only the facts that are not the same on all hosts');
  command.action((diagnostic: string | undefined, words: string[], options: Options) =>
    cli.run(command, async (context) => {
      if (options.list !== undefined) {
        showList(context, await siteCatalog(context), options.list === true ? undefined : options.list);
        return 0;
      }
      if (diagnostic === undefined) return lookAlone(context, options);
      const hosts = chosenHosts(context, options);
      return lookOnce(context, { diagnostic, hosts, args: readNameValues(words) }, options);
    }),
  );
};

const siteCatalog = (context: CliContext) => context.parts.loadCatalog(context.config().catalog);

/** A menu needs somebody to choose; a program gets the list, and the exit code of an incomplete command line. */
const lookAlone = async (context: CliContext, options: Options): Promise<ExitCode> => {
  const { stdin, stdout, stderr } = context.io;
  if (context.json || stdin.isTTY !== true || stdout.isTTY !== true) {
    showList(context, await siteCatalog(context));
    stderr.write(`${say('look.no_terminal')}\n`);
    return 2;
  }
  await lookMenu(context, async (chosen) => {
    try {
      await lookOnce(context, chosen, options);
    } catch (thrown) {
      // A refusal ends this question, not the menu.
      const error = asPraError(thrown);
      if (error.code === 'CANCELLED' || error.code === 'INTERNAL') throw thrown;
      printError(context.io, error, false);
    }
  });
  return 0;
};

/** People and their programs get all of an answer: parts are for models. */
const lookOnce = async (context: CliContext, query: Chosen, options: Options): Promise<ExitCode> => {
  const { desk } = await context.app();
  const total = query.hosts.length;
  const report = await withProgress(context.io, say('progress.look', { total, done: 0 }), (progress) =>
    desk.look(context.caller(), query, {
      signal: context.signal,
      isWhole: true,
      onProgress: (done) => progress.update(say('progress.look', { total, done })),
    }),
  );
  if (options.differences === true) {
    const differences = compareHosts(report.results);
    const compared = { summary: report.summary, differences };
    context.show(compared, (page) => differencesPage(page, report, differences));
  } else context.show(report, (page) => lookPage(page, report, options.full === true));
  return exitOfLook(report);
};
