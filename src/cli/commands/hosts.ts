import { InvalidArgumentError, type Command } from 'commander';
import { addHostsEgress } from './hosts-egress.ts';
import { addHostsImport } from './hosts-import.ts';
import { withProgress } from '../progress.ts';
import type { Cli } from '../run-cli.ts';
import { say } from '../say.ts';

/** `mcp-pra hosts list | import | egress | trust`: the configured hosts and their keys. */
export const addHosts = (program: Command, cli: Cli): void => {
  const hosts = program.command('hosts').description('the configured hosts and their host keys');

  const list = cli.command(hosts, 'list', 'the hosts that may be reached');
  list.action(() =>
    cli.run(list, async (context) => {
      const config = context.config();
      const rows = config.hosts.map(({ name, address, port, tags, groups, jump }) => ({
        name,
        address,
        port,
        tags,
        groups,
        jump,
      }));
      context.show(rows, (page) =>
        rows.length === 0
          ? page.line(say('hosts.none', { path: config.path }))
          : page.table([
              ['name', 'address', 'port', 'groups', 'tags', 'jump'],
              ...rows.map((row) => [
                row.name,
                row.address,
                String(row.port),
                row.groups.join(','),
                row.tags.join(','),
                row.jump ?? '',
              ]),
            ]),
      );
      return 0;
    }),
  );

  addHostsImport(hosts, cli);
  addHostsEgress(hosts, cli);

  const trust = cli
    .command(hosts, 'trust', 'trust the host key with exactly this fingerprint, compared on the console')
    .argument('<name>', 'a configured host or jump host')
    .requiredOption('--fingerprint <SHA256:…>', 'as ssh-keygen -l prints it on the host', fingerprintOf);
  trust.action((host: string, { fingerprint }: { readonly fingerprint: string }) =>
    cli.run(trust, async (context) => {
      const config = context.config();
      const trusted = await withProgress(context.io, say('progress.trust', { host }), () =>
        context.parts.trustHostKey(config, { host, fingerprint }),
      );
      context.show(trusted, (page) => {
        page.line(say('hosts.trusted', { host, type: trusted.type, fingerprint, path: trusted.path }));
        if (trusted.replaced > 0) page.line(say('hosts.replaced', { count: trusted.replaced }));
      });
      return 0;
    }),
  );
};

const fingerprintOf = (word: string): string => {
  if (!/^SHA256:[A-Za-z0-9+/]{43}$/u.test(word))
    throw new InvalidArgumentError('It is SHA256: and 43 characters, as ssh-keygen -l prints it.');
  return word;
};
