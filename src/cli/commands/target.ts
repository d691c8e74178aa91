import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { InvalidArgumentError, type Command } from 'commander';
import { PraError } from '../../errors.ts';
import type { CliContext } from '../cli-context.ts';
import { collect } from '../name-values.ts';
import { configVariables } from '../package/config-variables.ts';
import { judgeSite, siteOf } from '../package/site-file.ts';
import { DEFAULT_SECONDS, targetPackage } from '../package/target-package.ts';
import type { Cli } from '../run-cli.ts';
import { say } from '../say.ts';

interface Options {
  readonly site?: string;
  readonly fromConfig?: boolean;
  readonly host?: readonly string[];
  readonly vars?: readonly string[];
  readonly out: string;
}

interface Built {
  readonly host: string;
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
}

/** `mcp-pra target package`: what makes a host a target without Ansible. */
export const addTarget = (program: Command, cli: Cli): void => {
  const target = program.command('target').description('what is installed on hosts');
  const command = cli
    .command(target, 'package', 'build a .deb and a .tar.gz that make a host a target without Ansible')
    .option('--site <file>', 'the site file of the host (docs/package.md)')
    .option(
      '--from-config',
      'make it from the configuration: its public keys, and the variables for Ansible beside it',
    )
    .option('-H, --host <names>', 'with --from-config: for these hosts', collect)
    .option(
      '--vars <file>',
      'with --from-config: these variables instead; may be repeated, the later win',
      appendFile,
    )
    .requiredOption('--out <dir>', 'folder for the packages');
  command.action((options: Options) =>
    cli.run(command, async (context) => {
      const sites = sitesFor(context, options);
      const seconds = secondsOf(context.io.env['SOURCE_DATE_EPOCH']);
      const { packageRoot, version } = context.parts;
      // All are judged before the first is written.
      const built = sites.map((site) => ({
        host: judgeSite(packageRoot, site),
        ...targetPackage({ packageRoot, version, site, seconds }),
      }));
      const dir = resolve(options.out);
      mkdirSync(dir, { recursive: true });
      const files = built.flatMap(({ host, deb, tarGz }): readonly Built[] => [
        write(host, join(dir, `mcp-pra-target-${host}_${version}_all.deb`), deb),
        write(host, join(dir, `mcp-pra-target-${host}_${version}.tar.gz`), tarGz),
      ]);
      context.show(files, (page) => {
        for (const { path, sha256 } of files) page.line(path).line(`  sha256 ${sha256}`);
        page.line().line(say('package.next'));
        page.line(
          '  sudo dpkg -i mcp-pra-target-…_all.deb && sudo /usr/share/mcp-pra-target/install --check',
        );
      });
      return 0;
    }),
  );
};

const appendFile = (path: string, before: readonly string[] = []): readonly string[] => {
  if (path === '') throw new InvalidArgumentError('It is the path of a file.');
  return [...before, path];
};

const sitesFor = (context: CliContext, { site, fromConfig, host, vars }: Options): readonly string[] => {
  if ((site === undefined) === (fromConfig !== true))
    throw new PraError('USAGE', { what: say('package.one_source') });
  if (site !== undefined) {
    if (host !== undefined || vars !== undefined)
      throw new PraError('USAGE', { what: say('package.one_source') });
    return [readSite(site)];
  }
  const config = context.config();
  const known = config.hosts.map(({ name }) => name);
  const unknown = (host ?? []).find((name) => !known.includes(name));
  if (unknown !== undefined) throw new PraError('HOST_UNKNOWN', { hosts: known.slice(0, 20).join(', ') });
  if (host === undefined) throw new PraError('USAGE', { what: say('package.which_host') });
  return host.map((name) => siteOf(configVariables(config, name, vars)));
};

const readSite = (path: string): string => {
  try {
    return readFileSync(path, 'utf8');
  } catch (thrown) {
    throw new PraError('USAGE', { what: say('package.no_site') }, thrown);
  }
};

/** reproducible-builds.org/specs/source-date-epoch: whole seconds. What an archive cannot hold is refused. */
const secondsOf = (epoch: string | undefined): number => {
  if (epoch === undefined || epoch === '') return DEFAULT_SECONDS;
  if (!/^[0-9]{1,10}$/u.test(epoch)) throw new PraError('USAGE', { what: say('package.epoch') });
  return Number(epoch);
};

const write = (host: string, path: string, content: Buffer): Built => {
  writeFileSync(path, content, { mode: 0o644 });
  return { host, path, bytes: content.length, sha256: createHash('sha256').update(content).digest('hex') };
};
