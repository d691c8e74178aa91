import { stringify } from 'yaml';
import type { NewHost } from './new-host.ts';

const hostLines = (hosts: readonly NewHost[]): string =>
  hosts.length === 0
    ? 'hosts: {}\n#  web1: {address: 192.0.2.10, port: 22, tags: [web]}\n'
    : stringify(
        { hosts: Object.fromEntries(hosts.map(({ name, ...host }) => [name, host])) },
        { collectionStyle: 'any' },
      );

/** A first `mcp-pra.yaml`: what is needed, and the rest as comments. */
export const configFile = (
  principal: string,
  hosts: readonly NewHost[],
): string => `# mcp-pra: which hosts may be reached, and with which keys. See docs/configuration.md.
# Unknown keys are errors, so that a typo never opens anything. Check with: mcp-pra doctor
version: 1

# The only hosts that can be reached. The name is what people and the model say.
${hostLines(hosts)}
# groups:
#   web: [web1]

keys:
  reader: keys/reader        # transport key of the account mcp-reader
  runner: keys/runner        # transport key of the account pra-runner
  auto: keys/auto            # signs LOW actions that a host lets run by themselves

known_hosts: known_hosts     # host keys are always checked: mcp-pra hosts trust

# Who approves on this machine. The key is encrypted; its passphrase is typed each time.
approver:
  principal: ${principal}
  key: keys/approver

# policy:                    # this machine can only restrict what hosts allow
#   auto_approve: false
#   deny_actions: []
#   raise: {restart_service: MEDIUM}
`;
