import type { Command } from 'commander';
import { PraError } from '../../errors.ts';
import { ansibleInventory, inventoryFile, listAnswer } from '../inventory/ansible-inventory.ts';
import type { Cli } from '../run-cli.ts';
import { jsonText } from '../json-text.ts';

interface Options {
  readonly list?: boolean;
  readonly host?: string;
}

/**
 * `mcp-pra inventory`: the configured hosts for Ansible, as a file; with --list and --host as an inventory script answers.
 * JSON in any case.
 */
export const addInventory = (program: Command, cli: Cli): void => {
  const command = cli
    .command(program, 'inventory', 'the configured hosts as an Ansible inventory (docs/inventory.md)')
    .option('--list', 'answer as an inventory script does: all hosts and groups')
    .option('--host <name>', 'answer as an inventory script does: the variables of one host');
  command.action(({ list, host }: Options) =>
    cli.run(command, async (context) => {
      const config = context.config();
      const inventory = ansibleInventory(config, await context.parts.hostKeyNames(config));
      const print = (value: unknown): void => void context.io.stdout.write(`${jsonText(value, 2)}\n`);
      if (host === undefined) print(list === true ? listAnswer(inventory) : inventoryFile(inventory));
      else print(inventory.hosts.get(host) ?? unknown(inventory.hosts.keys()));
      return 0;
    }),
  );
};

const unknown = (known: Iterable<string>): never => {
  throw new PraError('HOST_UNKNOWN', { hosts: [...known].slice(0, 20).join(', ') });
};
