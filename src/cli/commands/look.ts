import type { Command } from 'commander';
import type { Config } from '../../config.ts';
import { PraError } from '../../errors.ts';
import type { CliContext } from '../cli-context.ts';
import { exitOfLook } from '../exit-of.ts';
import { lookPage } from '../look-page.ts';
import { collect, readNameValues } from '../name-values.ts';
import { withProgress } from '../progress.ts';
import type { Cli } from '../run-cli.ts';
import { say } from '../say.ts';

interface Options {
  readonly host?: readonly string[];
  readonly group?: readonly string[];
  readonly full?: boolean;
}

/** `mcp-pra look`: one diagnostic on some hosts. */
export const addLook = (program: Command, cli: Cli): void => {
  const command = cli
    .command(program, 'look', 'run a read-only diagnostic')
    .argument('<diagnostic>', 'a name of: mcp-pra catalog list')
    .argument('[name=value...]', 'its parameters')
    .option('-H, --host <host>', 'a host; may be repeated', collect)
    .option('-g, --group <group>', 'a group of hosts; may be repeated', collect)
    .option('--full', 'all of the text');
  command.action((diagnostic: string, words: string[], options: Options) =>
    cli.run(command, async (context) => {
      const hosts = hostsOf(context, options);
      const args = readNameValues(words);
      const { desk } = await context.app();
      const asking = say('progress.look', { total: hosts.length, done: 0 });
      const report = await withProgress(context.io, asking, (progress) =>
        desk.look(
          context.caller(),
          { diagnostic, hosts, args },
          {
            signal: context.signal,
            onProgress: (done, total) => progress.update(say('progress.look', { total, done })),
          },
        ),
      );
      context.show(report, (page) => lookPage(page, report, options.full === true));
      return exitOfLook(report);
    }),
  );
};

const hostsOf = (context: CliContext, { host = [], group = [] }: Options): readonly string[] => {
  const config = context.config();
  const hosts = [...new Set([...host, ...group.flatMap((name) => membersOf(config, name))])];
  if (hosts.length === 0) throw new PraError('USAGE', { what: say('look.hosts') });
  return hosts;
};

const membersOf = (config: Config, group: string): readonly string[] => {
  const members = config.groups.get(group);
  if (members !== undefined) return members;
  const groups = [...config.groups.keys()].slice(0, 20).join(', ') || say('catalog.none');
  throw new PraError('USAGE', { what: say('look.group', { group, groups }) });
};
