import { catalogOf, withPromoted } from './catalogs.ts';
import { channelOptions, openConfiguredKey } from './keys.ts';
import { otpStatuses } from './otp-statuses.ts';
import { systemClock } from './system-clock.ts';
import { readApproverKey } from '../approver/approver-keys.ts';
import type { DoctorPorts, TargetVersion } from '../cli/doctor-ports.ts';
import { requireKnownNames, type Config } from '../config.ts';
import { PraError } from '../errors.ts';
import type { Log } from '../log.ts';
import { reviewsMissingHere } from '../request/break-glass.ts';
import { Policy } from '../request/policy.ts';
import type { Store } from '../request/ports.ts';
import { readVersion } from '../request/reader-version.ts';
import { RunnerClient } from '../request/runner-client.ts';
import { fingerprint } from '../request/sshsig.ts';
import { readTransportKeys } from '../request/transport-keys.ts';
import { heldByAgent } from '../ssh/agent-protocol.ts';
import { openChannel } from '../ssh/open-channel.ts';

/** What `mcp-pra doctor` looks at, each part by itself: one that is broken does not hide the others. */
export const openDoctor = (config: Config, packageRoot: string, log: Log): Promise<DoctorPorts> => {
  const channel = openChannel(channelOptions(config, log));
  const policy = new Policy(
    config.hosts.map(({ name, tags, groups }) => ({ name, tags, groups })),
    config.policy,
  );
  const runner = new RunnerClient(channel, policy);
  const keyOf = (account: 'reader' | 'runner' | 'auto'): Config['keys']['reader'] => {
    const key = config.keys[account];
    if (key === undefined)
      throw new PraError('KEY_MISSING', { account, path: `keys.${account} (not configured)` });
    return key;
  };
  const inStore = async <T>(work: (store: Store) => T): Promise<T> => {
    const { openStore } = await import('../store/open.ts');
    const store = await openStore({ dir: config.stateDir, clock: systemClock });
    try {
      return work(store);
    } finally {
      store.close();
    }
  };
  return Promise.resolve({
    catalog: async () => {
      const loaded = catalogOf(packageRoot, config.catalog);
      // What serve would refuse is said here first.
      requireKnownNames(config, loaded);
      const { listing } = await import('../mcp/listing.ts');
      listing(withPromoted(loaded, config));
      const { diagnostics, actions } = loaded;
      const all = [...diagnostics.values(), ...actions.values()];
      return new Map(all.map(({ kind, name, digest }) => [`${kind} ${name}`, digest]));
    },
    database: () =>
      inStore((store) => {
        const { entries } = store.verifyLedger();
        const freezes = store.freezes.standing().map(({ host, since, by }) => ({
          host: host ?? null,
          since: new Date(since).toISOString(),
          by,
        }));
        const waiting = store.freezes.orders().filter(({ state }) => state === 'WAITING');
        const unreached = [...new Set(waiting.map(({ host }) => host))];
        return { path: config.stateDir, entries, freezes, unreached };
      }),
    oneTimePasswords: () =>
      inStore((store) => ({ statuses: otpStatuses(store), notices: store.otp.notices() })),
    reviewsMissing: () => inStore(reviewsMissingHere),
    openKey: async (account) => {
      const { path, user, passphrase } = keyOf(account);
      if (passphrase !== undefined && 'agent' in passphrase) return;
      // Only the system's ssh can use a security key.
      const login = config.hosts.filter(({ certificate }) => !certificate);
      if (account !== 'auto' && login.length > 0 && login.every(({ transport }) => transport === 'openssh')) {
        const { openOpensshIdentity } = await import('../ssh/openssh-identity.ts');
        await openOpensshIdentity(account, { user, keyPath: path, passphrase });
        return;
      }
      await openConfiguredKey(account, path, passphrase);
    },
    approverKey: async () => {
      if (config.approver === undefined) {
        throw new PraError('KEY_MISSING', { account: 'approver', path: 'approver.key (not configured)' });
      }
      const { kind, publicKey } = await readApproverKey(config.approver.key);
      // A security key asks for a touch wherever it is held.
      const agent = kind === 'passphrase' ? process.env['SSH_AUTH_SOCK'] : undefined;
      const held = agent === undefined || agent === '' ? [] : await heldByAgent(agent).catch(() => []);
      return { kind, inAgent: held.some((blob) => blob.equals(publicKey)) };
    },
    opensshClient: async () => {
      const { opensshProgram } = await import('../ssh/openssh-program.ts');
      const { isPostQuantum } = await import('../ssh/openssh-config.ts');
      const { version, kex } = await opensshProgram();
      return { version, postQuantum: kex.some(isPostQuantum) };
    },
    certificate: async (host) => {
      const { tryCertificate } = await import('../ssh/try-certificate.ts');
      return tryCertificate(channelOptions(config, log), host);
    },
    hostKeys: async (host) => (await channel.hostKeys(host)).map(fingerprint),
    readerVersion: async (host, signal) => {
      const { digests, clockOffsetMs } = await readVersion(channel, policy, Date, host, signal);
      return { digests: new Map(digests), clockOffsetMs, host: null } satisfies TargetVersion;
    },
    runnerVersion: async (host, signal) => {
      const asked = Date.now();
      const version = await runner.version(host, signal);
      const middle = (asked + Date.now()) / 2;
      return {
        digests: new Map(Object.entries(version.actions).map(([name, digest]) => [`action ${name}`, digest])),
        clockOffsetMs: Math.round(Date.parse(version.wallclock) - middle),
        host: version.host,
        frozen: version.frozen,
        ...(version.break_glass === null ||
        (version.break_glass !== 'unreadable' && version.break_glass.reviewed)
          ? {}
          : { unreviewed: version.break_glass }),
      };
    },
    transportKeys: async (host, signal) => {
      const diagnostic = catalogOf(packageRoot, config.catalog).diagnostics.get('transport_keys');
      // The site has a catalog of its own, without it.
      if (diagnostic === undefined) return undefined;
      return readTransportKeys({ channel, policy }, diagnostic, host, signal);
    },
    close: () => channel.close(),
  });
};
