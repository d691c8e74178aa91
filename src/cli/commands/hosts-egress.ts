import { isIP } from 'node:net';
import type { Command } from 'commander';
import type { Config } from '../../config.ts';
import type { Cli } from '../run-cli.ts';
import { say } from '../say.ts';

/** Where this machine itself connects to: what a firewall around mcp-pra has to let out, and nothing else. */
interface Egress {
  readonly name: string;
  readonly address: string;
  readonly port: number;
  /** False for a DNS name, which no packet filter knows. */
  readonly literal: boolean;
}

/**
 * `mcp-pra hosts egress`: the addresses that are connected to, as a drop-in for systemd (IPAddressAllow=, systemd.resource-control(5)).
 * Hosts behind a jump host are reached from there and are not listed. Exit 1 when an address is a DNS name: the drop-in then lacks it.
 */
export const addHostsEgress = (hosts: Command, cli: Cli): void => {
  const command = cli.command(hosts, 'egress', 'the addresses that this machine connects to, for systemd');
  command.action(() =>
    cli.run(command, async (context) => {
      const found = egressOf(context.config());
      context.show(found, (page) => {
        page.line('[Service]');
        for (const { name, address, port, literal } of found) {
          page.line(
            literal
              ? `# ${name}, port ${String(port)}\nIPAddressAllow=${address}`
              : `# ${say('hosts.egress_name', { name, address })}`,
          );
        }
      });
      return found.every(({ literal }) => literal) ? 0 : 1;
    }),
  );
};

const egressOf = ({ hosts, jumps }: Config): readonly Egress[] =>
  [...hosts.filter(({ jump }) => jump === undefined), ...jumps].map(({ name, address, port }) => ({
    name,
    address,
    port,
    literal: isIP(address) !== 0,
  }));
