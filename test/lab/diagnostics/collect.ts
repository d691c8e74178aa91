import type { LabHost } from '../lab.ts';

/**
 * Runs a collector of a host now, and waits until it has ended. One that its timer has just started may have looked before whatever the test
 * did: that one ends, and another one begins.
 */
export const collect = async (host: LabHost, name: string): Promise<void> => {
  const unit = `mcp-pra-collect-${name}.service`;
  await host.sh(
    `if [ "$(systemctl show --property=ActiveState --value ${unit})" = activating ]; then systemctl start ${unit} || :; fi
    systemctl start ${unit}`,
    { timeoutMs: 300_000 },
  );
};
