import { channelOptions } from './keys.ts';
import type { LoginProof, ProveLogin } from '../cli/cli-parts.ts';
import type { Config } from '../config.ts';
import { asPraError } from '../errors.ts';
import type { Log } from '../log.ts';
import { Policy } from '../request/policy.ts';
import { readVersion } from '../request/reader-version.ts';
import { RunnerClient } from '../request/runner-client.ts';
import { openChannel } from '../ssh/open-channel.ts';

/** Hosts asked at once. */
const WIDTH = 20;

/**
 * Logs in with a key file exactly as the server would: the same transport, jump hosts and known_hosts, a connection of its own, no
 * agent. Never with a certificate, also where the server uses one: with it a host would let in whatever the key is. `accepted`: the
 * account's own program answered, if only to refuse. Nothing is thrown for one host.
 */
export const proveLogin = async (
  config: Config,
  want: ProveLogin,
  log: Log,
): Promise<readonly LoginProof[]> => {
  const options = channelOptions(config, log);
  const account = { ...options.accounts[want.account], keyPath: want.keyPath };
  const hosts = Object.fromEntries(
    Object.entries(options.hosts).map(([name, host]) => [name, { ...host, certificate: false }]),
  );
  const channel = openChannel({
    ...options,
    hosts,
    accounts: { ...options.accounts, [want.account]: account },
  });
  const policy = new Policy(
    config.hosts.map(({ name, tags, groups }) => ({ name, tags, groups })),
    config.policy,
  );
  const runner = new RunnerClient(channel, policy);
  const prove = async (host: string): Promise<LoginProof> => {
    const started = performance.now();
    const proof = (accepted: boolean, code: string | null): LoginProof => ({
      host,
      accepted,
      code,
      ms: Math.round(performance.now() - started),
    });
    try {
      if (want.account === 'reader') await readVersion(channel, policy, Date, host, want.signal);
      else await runner.version(host, want.signal);
      return proof(true, null);
    } catch (thrown) {
      const { code } = asPraError(thrown);
      // Its program has answered: a limit reached or the kill switch thrown says nothing about the key.
      return proof(code === 'TARGET_REFUSED', code);
    }
  };
  try {
    const proofs: LoginProof[] = [];
    for (let at = 0; at < want.hosts.length; at += WIDTH)
      proofs.push(...(await Promise.all(want.hosts.slice(at, at + WIDTH).map(prove))));
    return proofs;
  } finally {
    await channel.close();
  }
};
