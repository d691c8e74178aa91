import { fileURLToPath } from 'node:url';
import { catalogOf, withPromoted } from './app/catalogs.ts';
import { channelOptions, followedKey, openApproverKey } from './app/keys.ts';
import { openDoctor } from './app/doctor.ts';
import { systemClock } from './app/system-clock.ts';
import { hostKeyRotation } from './app/host-key-rotation.ts';
import { proveLogin } from './app/prove-login.ts';
import { otpStatuses } from './app/otp-statuses.ts';
import { openProcesses } from './app/processes.ts';
import { openRevocation } from './app/revocation.ts';
import type { Catalog } from './catalog/types.ts';
import { detailsOf } from './cli/print-error.ts';
import type { CliApp, CliParts, ServeFrom } from './cli/cli-parts.ts';
import { requireKnownNames, type Config } from './config.ts';
import { asPraError, PraError } from './errors.ts';
import type { Log } from './log.ts';
import { openDesk, type OpenDesk } from './request/open-desk.ts';
import type { Channel, Store } from './request/ports.ts';
import { sessionSource } from './request/session-source.ts';
import { hostKeyNames } from './ssh/host-key-names.ts';
import { openChannel } from './ssh/open-channel.ts';
import { signTicket } from './approver/sign.ts';

/** Everything that is open while the program works on a configuration. */
interface Opened {
  readonly desk: OpenDesk;
  readonly store: Store;
  readonly channel: Channel;
  close(): Promise<void>;
}

/** The folder with package.json, catalog/, ansible/: one above both src/ and dist/. */
const packageRoot = fileURLToPath(new URL('..', import.meta.url));

/** Unsettled requests are asked for at the start of `serve` and then this often. */
const RECONCILE_MS = 30_000;

/** The composition root: what the commands get. Nothing is opened before a command asks for it. */
export const compose = (version: string, log: Log): CliParts => {
  const open = (config: Config): Promise<Opened> => openParts(config, log);
  return {
    version,
    packageRoot,
    program: { node: process.execPath, script: process.argv[1] ?? '' },
    openApp: async (config): Promise<CliApp> => {
      const opened = await open(config);
      return {
        desk: opened.desk.person,
        store: opened.store,
        approver: async () => {
          if (config.approver === undefined) throw new PraError('APPROVER_MISSING');
          const { openApprover } = await import('./app/approver.ts');
          return openApprover(config.approver, { store: opened.store, clock: systemClock });
        },
        otpStatuses: () => otpStatuses(opened.store),
        otpNotices: () => opened.store.otp.notices(),
        forgetOtpByForce: (principal, entry) => opened.store.otp.forget(principal, entry, undefined),
        close: () => opened.close(),
      };
    },
    openDoctor: (config) => openDoctor(config, packageRoot, log),
    openRevocation: (config) => openRevocation(config, packageRoot, log),
    appendLedger: async (config, entry) => {
      const { openStore } = await import('./store/open.ts');
      const store = await openStore({ dir: config.stateDir, clock: systemClock });
      try {
        store.append(entry);
      } finally {
        store.close();
      }
    },
    serve: (from) => serve(from, version, open, log),
    loadCatalog: (choice) => Promise.resolve().then(() => catalogOf(packageRoot, choice)),
    makeApproverKey: async (want) => {
      const { makeApproverKey } = await import('./approver/enrol.ts');
      return makeApproverKey(want);
    },
    hostKeyNames: (config) => hostKeyNames(channelOptions(config, log)),
    makeNextKey: async (account, { path, passphrase }, comment) => {
      const { makeKeyLike } = await import('./ssh/make-key.ts');
      await makeKeyLike(account, { keyPath: path, passphrase }, { path: `${path}.next`, comment });
    },
    hostKeyRotation: hostKeyRotation(log),
    signApproverRotation: async (path, passphrase, statement) => {
      const { rotationStatement, signRotation } = await import('./approver/sign.ts');
      const key = await openApproverKey(path, passphrase);
      const { principal, old, next } = statement;
      return { text: rotationStatement(principal, old, next), signature: signRotation(statement, key) };
    },
    proveLogin: (config, want) => proveLogin(config, want, log),
    trustHostKey: async (config, want) => {
      const { trustHostKey } = await import('./ssh/trust-host-key.ts');
      return trustHostKey(channelOptions(config, log), want);
    },
  };
};

const openParts = async (config: Config, log: Log): Promise<Opened> => {
  const loaded = catalogOf(packageRoot, config.catalog);
  requireKnownNames(config, loaded);
  const catalog = withPromoted(loaded, config);
  // Before the store: what may throw here must not leave a database open.
  const channel = openChannel(channelOptions(config, log));
  const { openStore } = await import('./store/open.ts');
  const executeMs = config.approvals.executeSeconds * 1_000;
  const store = await openStore({
    dir: config.stateDir,
    clock: systemClock,
    executeMs,
    onWarning: (code) => log.warn('store', { code }),
    onAlarm: ({ code, actor, host, request, seq }) => log.warn('alarm', { code, actor, host, request, seq }),
  });
  const { auto } = config.keys;
  const autoKey = followedKey('auto', auto?.path ?? '', auto?.passphrase);
  const desk = openDesk({
    catalog,
    hosts: config.hosts.map(({ name, tags, groups }) => ({ name, tags, groups })),
    operator: config.policy,
    limits: config.limits,
    channel,
    store,
    clock: systemClock,
    processes: openProcesses(),
    executeMs,
    autoSigner:
      auto === undefined
        ? undefined
        : async (ticket) =>
            signTicket({ ticketText: ticket.toString(), namespace: 'mcp-pra-auto', key: await autoKey() }),
    source: sessionSource(process.env),
    onError: (thrown) => log.error('background', thrown),
  });
  return {
    desk,
    store,
    channel,
    close: async () => {
      await channel.close();
      await desk.idle();
      store.close();
    },
  };
};

/** `mcp-pra serve`: the model's desk on standard input and output, until input ends. */
const serve = async (
  from: ServeFrom,
  version: string,
  open: (config: Config) => Promise<Opened>,
  log: Log,
): Promise<void> => {
  const mcp = import('./mcp/server.ts');
  const shared = { version, onError: (thrown: unknown) => log.error('mcp', thrown) };
  const broken = async (error: PraError, details: readonly string[]): Promise<void> => {
    log.error('configuration', error);
    const catalog = shippedCatalog();
    const service = { kind: 'broken', catalog, error, details } as const;
    await (await mcp).serve({ ...shared, service, principal: 'operator' });
  };
  if (from.kind === 'broken') return broken(from.error, from.details);

  let opened: Opened;
  try {
    opened = await open(from.config);
  } catch (thrown) {
    const error = asPraError(thrown);
    return broken(error, detailsOf(error));
  }
  const settle = (): void => {
    opened.desk.person.reconcile().catch((thrown: unknown) => log.error('reconcile', thrown));
  };
  settle();
  const timer = setInterval(settle, RECONCILE_MS);
  try {
    const logNames = Object.keys(from.config.names.logs);
    const service = { kind: 'ready', desk: opened.desk.model, logNames } as const;
    await (await mcp).serve({ ...shared, service, principal: from.config.principal });
  } finally {
    clearInterval(timer);
    await opened.close();
  }
};

/** So that the client of a broken configuration sees the tools it will have; none when the program itself is broken. */
const shippedCatalog = (): Catalog => {
  try {
    return catalogOf(packageRoot, { builtin: true, dirs: [] });
  } catch {
    return { diagnostics: new Map(), actions: new Map(), triages: new Map(), digest: '' };
  }
};
