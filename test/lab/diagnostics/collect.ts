import type { LabHost } from '../lab.ts';

/** Runs a collector of a host now, and waits until it has ended. */
export const collect = async (host: LabHost, name: string): Promise<void> => {
  await host.sh(`systemctl start mcp-pra-collect-${name}.service`, { timeoutMs: 300_000 });
};
