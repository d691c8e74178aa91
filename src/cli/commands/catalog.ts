import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { PraError } from '../../errors.ts';
import type { CliContext } from '../cli-context.ts';
import { definitionsPage } from '../definitions-page.ts';
import { diffFiles, type FileDifference } from '../diff-files.ts';
import type { Cli } from '../run-cli.ts';
import { say } from '../say.ts';

/** `mcp-pra catalog list | build | diff`: the definitions, and the tables which hosts get of them. */
export const addCatalog = (program: Command, cli: Cli): void => {
  const catalog = program.command('catalog').description('the definitions and the tables made of them');
  addList(catalog, cli);
  addBuild(catalog, cli);
  addDiff(catalog, cli);
};

const addList = (catalog: Command, cli: Cli): void => {
  const list = cli.command(catalog, 'list', 'list diagnostics and actions');
  list.action(() =>
    cli.run(list, async (context) => {
      const { diagnostics, actions } = await siteCatalog(context);
      const all = [...diagnostics.values(), ...actions.values()];
      context.show(all, (page) => definitionsPage(page, all));
      return 0;
    }),
  );
};

const addBuild = (catalog: Command, cli: Cli): void => {
  const build = cli
    .command(catalog, 'build', 'write the tables for hosts: verb files, actions, sudoers, digests')
    .requiredOption('--out <dir>', 'folder for them; a new one, or one of an earlier build');
  build.action(({ out }: { readonly out: string }) =>
    cli.run(build, async (context) => {
      const { renderTables } = await import('../../catalog/render/tables.ts');
      const dir = resolve(out);
      refuseOthersFolder(dir);
      const written = renderTables(await siteCatalog(context), dir);
      context.show({ dir, files: written }, (page) =>
        page.line(say('catalog.built', { count: written.length, dir })),
      );
      return 0;
    }),
  );
};

const addDiff = (catalog: Command, cli: Cli): void => {
  const diff = cli
    .command(
      catalog,
      'diff',
      'what the tables of this site have that the shipped ones, or an earlier build, have not',
    )
    .option('--against <dir>', 'folder of an earlier build');
  diff.action(({ against }: { readonly against?: string }) =>
    cli.run(diff, async (context) => {
      const { renderTableFiles } = await import('../../catalog/render/tables.ts');
      const before =
        against === undefined
          ? renderTableFiles(await context.parts.loadCatalog({ builtin: true, dirs: [] }))
          : readTables(resolve(against));
      const differences = diffFiles(before, renderTableFiles(await siteCatalog(context)));
      const base = against ?? say('catalog.shipped');
      context.show(differences, (page) => {
        if (differences.length === 0) page.line(say('catalog.same', { base }));
        for (const difference of differences)
          differenceLines(difference, page.paint).forEach((line) => page.line(line));
      });
      return 0;
    }),
  );
};

const siteCatalog = (context: CliContext) => context.parts.loadCatalog(context.config().catalog);

const differenceLines = (
  { path, lines }: FileDifference,
  paint: (style: 'bold' | 'green' | 'red', text: string) => string,
): string[] => [
  paint('bold', path),
  ...lines.map(({ sign, text }) =>
    sign === ' ' ? `  ${text}` : paint(sign === '+' ? 'green' : 'red', `${sign} ${text}`),
  ),
];

/** A build removes tables that are gone: only from a folder that a build made. */
const refuseOthersFolder = (dir: string): void => {
  if (!existsSync(dir) || existsSync(join(dir, 'DIGESTS')) || readdirSync(dir).length === 0) return;
  throw new PraError('USAGE', { what: say('catalog.not_ours', { dir }) });
};

const readTables = (dir: string): ReadonlyMap<string, string> => {
  if (!existsSync(join(dir, 'DIGESTS')))
    throw new PraError('USAGE', { what: say('catalog.no_base', { dir }) });
  const files = readdirSync(dir, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return new Map(
    files.map((entry) => {
      const path = join(entry.parentPath, entry.name);
      return [path.slice(dir.length + 1).replaceAll('\\', '/'), readFileSync(path, 'utf8')];
    }),
  );
};
