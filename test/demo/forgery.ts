import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { EmbeddedTarget } from '../support/embedded-target.ts';
import { makeKey } from '../support/ssh-keys.ts';
import { prepare, signWith, submit, ticketFrom } from '../support/thief.ts';

/** A thief has the runner key and a key of their own: a perfect ticket, signed by nobody who counts. Returns what ssh printed. */
export const forgeTicket = async (target: EmbeddedTarget): Promise<string> => {
  const dir = mkdtempSync(join(tmpdir(), 'mcp-pra-thief-'));
  try {
    const key = makeKey(dir, 'thief');
    const loot = {
      host: target.name,
      address: target.address,
      port: target.port,
      knownHosts: target.knownHostsPath,
      key: target.runnerKey,
    };
    const proposal = await prepare(loot, { action: 'rotate_demo' });
    const ticketText = ticketFrom(proposal);
    const signatures = [signWith(key.path, 'mcp-pra-medium', ticketText)];
    const said = await submit(loot, 'rotate_demo', { ticketText, signatures, offer: proposal.signed });
    return `ssh pra-runner@${target.name} rotate_demo < forged ticket\nexit ${String(said.code)}: ${said.stderr}${said.stdout}`;
  } finally {
    rmSync(dir, { recursive: true });
  }
};
