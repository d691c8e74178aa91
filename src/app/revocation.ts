import { readFile } from 'node:fs/promises';
import { channelOptions } from './keys.ts';
import { openDoctor } from './doctor.ts';
import type { RevocationPorts } from '../cli/revocation/ports.ts';
import type { Config } from '../config.ts';
import type { Log } from '../log.ts';
import { readPublicKeyLine } from '../request/ssh-public-key.ts';

/** What `mcp-pra keys` needs of hosts and of this machine's files. Nothing is connected before it is asked for. */
export const openRevocation = async (
  config: Config,
  packageRoot: string,
  log: Log,
): Promise<RevocationPorts> => {
  const { KeyProof } = await import('../ssh/key-proof.ts');
  const proof = new KeyProof(channelOptions(config, log));
  const doctor = await openDoctor(config, packageRoot, log);
  return {
    witness: (host, account, signal) => proof.witness(host, account, signal),
    accepts: (host, account, key, signal) => proof.accepts(host, account, key, signal),
    works: async (host, account, signal) => {
      await (account === 'reader' ? doctor.readerVersion(host, signal) : doctor.runnerVersion(host, signal));
    },
    transportKeys: (host, signal) => doctor.transportKeys(host, signal),
    publicKey: async (path) => {
      const text = await readFile(path.endsWith('.pub') ? path : `${path}.pub`, 'utf8').catch(() => '');
      return readPublicKeyLine(text.split('\n')[0] ?? '');
    },
    close: async () => {
      await Promise.all([proof.close(), doctor.close()]);
    },
  };
};
