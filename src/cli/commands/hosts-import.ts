import { readFileSync } from 'node:fs';
import { text as textOf } from 'node:stream/consumers';
import { InvalidArgumentError, type Command } from 'commander';
import { changeConfig } from '../../config/write.ts';
import { PraError } from '../../errors.ts';
import type { CliContext } from '../cli-context.ts';
import type { Found, FoundHost } from '../import/found-host.ts';
import { fromAnsible } from '../import/from-ansible.ts';
import { planImport, reachedBy, type ImportPlan, type PlannedHost } from '../import/import-plan.ts';
import { runProgram } from '../import/run-program.ts';
import { fromSsh } from '../import/ssh-config.ts';
import { collect } from '../name-values.ts';
import type { Page } from '../page.ts';
import { oneLine } from '../plain-text.ts';
import type { Cli } from '../run-cli.ts';
import { say } from '../say.ts';

interface Options {
  readonly inventory?: readonly string[];
  readonly list?: string;
  readonly ssh?: readonly string[];
  readonly only?: readonly string[];
  readonly jumpKey?: string;
  readonly dryRun?: boolean;
  readonly replace?: boolean;
  readonly groups: boolean;
  readonly skipRefused?: boolean;
}

/**
 * `mcp-pra hosts import`: hosts of an Ansible inventory or of ssh_config into the configuration, comments and order kept. All or
 * nothing: exit 3 and no change when a host is refused, unless such hosts are to be skipped.
 */
export const addHostsImport = (hosts: Command, cli: Cli): void => {
  const command = cli
    .command(
      hosts,
      'import',
      'take hosts from an Ansible inventory or from ssh_config into the configuration',
    )
    .option('-i, --inventory <source>', 'an Ansible inventory; may be repeated', append)
    .option('--list <file>', 'what ansible-inventory --list printed; - is standard input')
    .option('--ssh <name>', 'as ssh <name> reaches it (ssh -G); may be repeated', collect)
    .option('--only <names>', 'only these hosts, or the hosts of these groups, of the source', collect)
    .option('--no-groups', 'leave the groups out')
    .option(
      '--jump-key <file>',
      'private key for jump hosts that are new (else the first one ssh would use)',
      keyPath,
    )
    .option('--replace', 'overwrite the address, port and jump host of hosts that are there')
    .option('--skip-refused', 'leave out what is refused, and import the rest')
    .option('-n, --dry-run', 'only say what would be done');
  command.action((options: Options) =>
    cli.run(command, async (context) => {
      const config = context.config();
      const read = readFileSync(config.path, 'utf8');
      const found = only(await find(context, options), options.only);
      const plan = planImport(config, found, {
        replace: options.replace === true,
        groups: options.groups,
        jumpKey: options.jumpKey,
      });
      const isRefused = plan.refused.length > 0 && options.skipRefused !== true;
      const isWritten = !isRefused && options.dryRun !== true && plan.changes.length > 0;
      if (isWritten) changeConfig(config.path, read, plan.changes);
      const { hosts: planned, refused, groupsLeftOut } = plan;
      context.show(
        {
          path: config.path,
          written: isWritten,
          hosts: planned,
          jumps: Object.fromEntries(plan.jumps),
          groups: Object.fromEntries(plan.groups),
          refused,
          groups_left_out: groupsLeftOut,
        },
        (page) => planPage(page, plan, { path: config.path, isRefused, isWritten }),
      );
      return isRefused ? 3 : 0;
    }),
  );
};

const append = (word: string, before: readonly string[] = []): readonly string[] => [...before, word];

const keyPath = (word: string): string => {
  if (!/^(?:\/|~\/)/u.test(word))
    throw new InvalidArgumentError('It is an absolute path, or begins with ~/.');
  return word;
};

const find = async (context: CliContext, { inventory, list, ssh }: Options): Promise<Found> => {
  const given = [inventory, list, ssh].filter((source) => source !== undefined);
  if (given.length !== 1) throw new PraError('USAGE', { what: say('import.one_source') });
  if (ssh !== undefined) return fromSsh(ssh);
  if (inventory !== undefined) {
    const sources = inventory.flatMap((source) => ['-i', source]);
    return fromAnsible(runProgram('ansible-inventory', [...sources, '--list']));
  }
  if (list === '-') return fromAnsible(await textOf(context.io.stdin));
  try {
    return fromAnsible(readFileSync(list ?? '', 'utf8'));
  } catch (thrown) {
    throw thrown instanceof PraError
      ? thrown
      : new PraError('USAGE', { what: say('import.no_file') }, thrown);
  }
};

/** A name that the source does not have is a mistake, not an empty selection. Throws USAGE. */
const only = (found: Found, names: readonly string[] | undefined): Found => {
  if (names === undefined) return found;
  const isChosen = ({ source, groups }: Pick<FoundHost, 'source' | 'groups'>): boolean =>
    names.includes(source) || groups.some((group) => names.includes(group));
  const known = new Set([
    ...found.hosts.flatMap(({ source, groups }) => [source, ...groups]),
    ...found.refused.map(({ source }) => source),
  ]);
  const missing = names.find((name) => !known.has(name));
  if (missing !== undefined)
    throw new PraError('USAGE', { what: say('import.only_unknown', { name: missing }) });
  return {
    hosts: found.hosts.filter(isChosen),
    refused: found.refused.filter(({ source }) => names.includes(source)),
  };
};

interface Outcome {
  readonly path: string;
  readonly isRefused: boolean;
  readonly isWritten: boolean;
}

const planPage = (page: Page, plan: ImportPlan, { path, isRefused, isWritten }: Outcome): void => {
  const of = (status: PlannedHost['status']): readonly PlannedHost[] =>
    plan.hosts.filter((host) => host.status === status);
  const news = [...of('added'), ...of('replaced')];
  if (news.length > 0) {
    page.title(say(isWritten ? 'import.added' : 'import.would_add', { path }));
    // The address last: it alone may be cut, and is in full in the JSON.
    page.table([
      ['', 'name', 'port', 'jump', 'address'],
      ...news.map(({ status, name, address, port, jump }) => [
        say(status === 'added' ? 'import.new' : 'import.changed'),
        name,
        String(port),
        jump ?? '',
        address,
      ]),
    ]);
  }
  for (const { name, was } of of('replaced')) page.line(say('import.was', { name, was: was ?? '' }));
  for (const [name, { user, address, port, key }] of plan.jumps)
    page.field(
      say('import.jump', { name }),
      say('import.jump_is', { name, user, address, port, key: oneLine(key) }),
    );
  for (const [group, members] of plan.groups)
    page.field(say('import.group', { group }), `+ ${members.join(', ')}`);
  if (of('kept').length > 0) page.title(say('import.kept'));
  for (const host of of('kept'))
    page.field(host.name, say('import.differs', { was: host.was ?? '', now: reachedBy(host) }));
  if (of('same').length > 0)
    page.line().line(
      say('import.same', {
        hosts: of('same')
          .map(({ name }) => name)
          .join(', '),
      }),
    );
  if (plan.refused.length > 0) page.title(say(isRefused ? 'import.refused' : 'import.skipped'));
  for (const { source, why } of plan.refused) page.field(oneLine(source), why);
  if (plan.groupsLeftOut.length > 0) page.title(say('import.groups_left_out'));
  for (const { source, why } of plan.groupsLeftOut) page.field(oneLine(source), why);
  page.line().line(nextLine(plan, { path, isRefused, isWritten }));
  if (isWritten)
    for (const { name } of news) page.line(`  mcp-pra hosts trust ${name} --fingerprint SHA256:…`);
};

const nextLine = (plan: ImportPlan, { path, isRefused, isWritten }: Outcome): string => {
  if (isRefused) return say('import.nothing_refused', { path });
  if (plan.changes.length === 0) return say('import.nothing', { path });
  return isWritten ? say('import.next') : say('import.dry_run', { path });
};
