import { stringify } from 'yaml';
import { expiryFrom, type TransportKey, type TransportKeys } from '../rotation/transport-keys.ts';

/** Public halves and names for provisioning. `undefined` where a key was not made yet. */
export interface PublicSide {
  readonly principal: string;
  /** Lines of .pub files. */
  readonly reader: string;
  readonly runner: string;
  readonly auto: string | undefined;
  readonly approver: string | undefined;
}

const PERSON = 'mcp-pra-low,mcp-pra-medium,mcp-pra-high';

const signer = (principal: string, namespaces: string, publicKey: string): string =>
  `${principal} namespaces="${namespaces}" ${publicKey.trim().split(' ').slice(0, 2).join(' ')}`;

/** Lines of allowed_signers (docs/wire-protocol.md §4) for people. The auto key is in transport-keys.yml: it is rotated. */
export const allowedSigners = ({ principal, approver }: PublicSide): readonly string[] =>
  approver === undefined ? [] : [signer(principal, PERSON, approver)];

/** What transport-keys.yml says of keys that are made now. */
export const transportKeys = ({ reader, runner, auto }: PublicSide, now: number): TransportKeys => {
  const expires = expiryFrom(now);
  const login = (line: string): TransportKey => ({ key: line.trim(), expires, more: {} });
  return {
    reader: [login(reader)],
    runner: [login(runner)],
    auto: auto === undefined ? [] : [{ key: auto.trim(), expires: null, more: {} }],
  };
};

/** Variables for ansible/playbooks/provision.yml that are a person's to write. */
export const varsFile = (
  keys: PublicSide,
): string => `# For ansible/playbooks/provision.yml, beside transport-keys.yml. Variables: ansible/roles/target/meta/argument_specs.yml
${stringify({ mcp_pra_allowed_signers: allowedSigners(keys) }, { lineWidth: 0 })}
# What a host allows. Nothing is allowed that is not named; auto lists what may run without a person.
# mcp_pra_policy:
#   values:
#     restart_service: {unit: [nginx.service]}
#     reload_proxy: {proxy: [nginx]}
#   auto:
#     - {action: restart_service, args: {unit: nginx.service}}
`;

/** An inventory with the hosts under the names that mcp-pra uses. Which user may sudo there is for the operator to say. */
export const inventoryFile = (
  hosts: readonly { readonly name: string; readonly address: string; readonly port: number }[],
): string => `# Hosts for ansible/playbooks/provision.yml, under the names that mcp-pra uses. ansible_user must be able to sudo.
${stringify({
  all: {
    hosts: Object.fromEntries(
      hosts.map(({ name, address, port }) => [name, { ansible_host: address, ansible_port: port }]),
    ),
  },
})}`;
