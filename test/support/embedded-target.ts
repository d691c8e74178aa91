import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { loadCatalog } from '../../src/catalog/load.ts';
import { renderTables } from '../../src/catalog/render/tables.ts';
import type { OpenChannelOptions } from '../../src/ssh/open-channel.ts';
import { startForcedCommandServer, type ForcedCommandServer } from './embedded/forced-command-server.ts';
import { processesOf } from './embedded/processes-of.ts';
import { makeKey, type SshKeyPair } from './ssh-keys.ts';

/** Said aloud by whoever shows the embedded target to a person. */
export const EMBEDDED_BANNER =
  "This is the embedded target: the real mcp-wrapper, pra-exec and pra-run behind an SSH server inside this program. sshd's " +
  'Match blocks and forced commands, sudo, systemd and the two separate accounts are shown only in the lab (npm run lab).';

const HERE = join(import.meta.dirname, 'embedded');
const INSTALL_TARGET = join(import.meta.dirname, '../../target-scripts/install-target');

/** The catalog of the embedded target, and the scripts its actions name. */
export const EMBEDDED_CATALOG = join(HERE, 'catalog');
export const EMBEDDED_SCRIPTS = join(EMBEDDED_CATALOG, 'scripts');

export type Policy = Readonly<Record<string, unknown>>;

/** A person who may sign here, with the passphrase of the key. */
export interface EmbeddedApprover extends SshKeyPair {
  readonly principal: string;
  readonly passphrase: string;
}

export interface EmbeddedTarget extends AsyncDisposable {
  readonly name: string;
  readonly address: '127.0.0.1';
  readonly port: number;
  /** Everything of the target: bin, lib, etc, state, run. */
  readonly prefix: string;
  /** A directory for the operator's own files: keys and known_hosts are there, it is gone after `stop`. */
  readonly operatorDir: string;
  readonly knownHostsPath: string;
  readonly knownHostsLine: string;
  readonly hostKey: SshKeyPair;
  /** Paths of private keys. */
  readonly readerKey: string;
  readonly runnerKey: string;
  readonly autoKey: SshKeyPair;
  readonly approver: EmbeddedApprover;
  readonly server: ForcedCommandServer;
  /** Where the accounts' authorized keys are; read at each login. */
  readonly authorizedKeys: { readonly reader: string; readonly runner: string };
  /** What `openChannel` needs for this target. */
  readonly sshOptions: OpenChannelOptions;
  readonly demo: {
    readonly directory: string;
    pid(): number;
    rotations(): number;
    slowRuns(): number;
  };
  /** Pids of everything that runs from the prefix now: programs, actions, the demo process. */
  processes(): readonly number[];
  /** Merges into the policy and writes it. */
  writePolicy(patch: Policy): void;
  /** Replaces allowed_signers. */
  writeAllowedSigners(lines: readonly string[]): void;
  stop(): Promise<void>;
}

const PEOPLE = 'namespaces="mcp-pra-low,mcp-pra-medium,mcp-pra-high"';

const defaultPolicy = (host: string): Policy => ({
  v: 1,
  host,
  impact: {},
  quorum: { MEDIUM: 1, HIGH: 1 },
  signer: { MEDIUM: 'software-key', HIGH: 'software-key' },
  deny: [],
  values: { restart_demo: { service: ['demo'] } },
  auto: [
    { action: 'restart_demo', args: { service: 'demo' } },
    ...[1, 2, 3, 5].map((seconds) => ({ action: 'slow_demo', args: { seconds: String(seconds) } })),
  ],
  auto_limits: { pair_per_hour: 60, host_per_day: 1_000 },
  offer_seconds: 480,
});

const install = (root: string, prefix: string, hostKey: SshKeyPair, catalogDir: string): void => {
  const tables = join(root, 'tables');
  mkdirSync(tables);
  renderTables(loadCatalog([catalogDir], { targetScripts: EMBEDDED_CATALOG }), tables);
  const owner = String(process.getuid?.() ?? 0);
  const places = ['--prefix', prefix, '--tables', tables, '--launcher', 'direct', '--owner-uid', owner];
  // No socket there: audit datagrams of a demonstration do not belong into this machine's log.
  places.push('--host-key', hostKey.path, '--log-socket', join(root, 'no-log'));
  execFileSync(INSTALL_TARGET, places, { stdio: 'pipe' });
  // Byte for byte, as install-target does with the product's own scripts.
  for (const script of readdirSync(EMBEDDED_SCRIPTS)) {
    copyFileSync(join(EMBEDDED_SCRIPTS, script), join(prefix, 'lib/scripts', script));
    chmodSync(join(prefix, 'lib/scripts', script), 0o755);
  }
  copyFileSync(join(HERE, 'demo-service'), join(prefix, 'lib/demo-service'));
  chmodSync(join(prefix, 'lib/demo-service'), 0o755);
};

const demoOf = (prefix: string): EmbeddedTarget['demo'] => {
  const directory = join(prefix, 'run/demo');
  const value = (key: string): number =>
    Number(new RegExp(`^${key}=(\\d+)$`, 'mu').exec(readFileSync(join(directory, 'process'), 'utf8'))?.[1]);
  return {
    directory,
    pid: () => value('Pid'),
    rotations: () => value('Rotations'),
    slowRuns: () => {
      const runs = join(directory, 'slow-runs');
      return readdirSync(directory).includes('slow-runs')
        ? readFileSync(runs, 'utf8').split('\n').length - 1
        : 0;
    },
  };
};

/** Ends what still runs from the prefix, also what put itself into the background. */
const endProcesses = async (prefix: string): Promise<void> => {
  for (let waited = 0; waited < 30_000; waited += 20) {
    const left = processesOf(prefix);
    if (left.length === 0) return;
    for (const pid of left) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It ended by itself in the meantime.
      }
    }
    await sleep(20);
  }
};

/**
 * A target without root and without packages: the very scripts of target-scripts/ below a temporary prefix, reached over a real SSH
 * connection, with a small catalog of its own whose actions act on a real process (EMBEDDED_BANNER says what it
 * cannot show). Needs python3 and the OpenSSH client.
 */
export const startEmbeddedTarget = async (
  options: {
    readonly name?: string;
    readonly catalogDir?: string;
    readonly policy?: Policy;
    readonly maxSessions?: number;
  } = {},
): Promise<EmbeddedTarget> => {
  const { name = 'embedded', catalogDir = EMBEDDED_CATALOG, maxSessions = 10 } = options;
  const root = mkdtempSync(join(tmpdir(), 'mcp-pra-embedded-'));
  const prefix = join(root, 'target');
  const operatorDir = join(root, 'operator');
  try {
    const hostDir = join(root, 'ssh');
    for (const directory of [operatorDir, hostDir]) mkdirSync(directory, { mode: 0o700 });
    const hostKey = makeKey(hostDir, 'host_key');
    install(root, prefix, hostKey, catalogDir);

    const [reader, runner, autoKey] = ['reader', 'runner', 'auto'].map((key) =>
      makeKey(operatorDir, key),
    ) as [SshKeyPair, SshKeyPair, SshKeyPair];
    const passphrase = randomBytes(9).toString('base64url');
    const approver = {
      ...makeKey(operatorDir, 'approver', { passphrase }),
      principal: 'operator',
      passphrase,
    };

    const etc = join(prefix, 'etc');
    let policy = { ...defaultPolicy(name), ...options.policy };
    const writePolicy = (patch: Policy): void => {
      policy = { ...policy, ...patch };
      writeFileSync(join(etc, 'policy.json'), JSON.stringify(policy));
    };
    const writeAllowedSigners = (lines: readonly string[]): void =>
      writeFileSync(join(etc, 'allowed_signers'), lines.map((line) => `${line}\n`).join(''));
    writePolicy({});
    writeAllowedSigners([
      `${approver.principal} ${PEOPLE} ${approver.line}`,
      `auto namespaces="mcp-pra-auto" ${autoKey.line}`,
    ]);
    execFileSync('ssh-keygen', ['-q', '-k', '-f', join(etc, 'revoked_signers')], { stdio: 'pipe' });

    const demo = demoOf(prefix);
    mkdirSync(demo.directory);
    execFileSync(join(prefix, 'lib/demo-service'), [demo.directory], { stdio: 'ignore' });

    const authorizedKeys = { reader: join(hostDir, 'mcp-reader'), runner: join(hostDir, 'pra-runner') };
    writeFileSync(authorizedKeys.reader, `${reader.line}\n`);
    writeFileSync(authorizedKeys.runner, `${runner.line}\n`);
    const server = await startForcedCommandServer({
      hostKeys: [hostKey.path],
      maxSessions,
      accounts: [
        {
          user: 'mcp-reader',
          keysFile: authorizedKeys.reader,
          wrapper: join(prefix, 'bin/mcp-wrapper'),
          home: root,
        },
        {
          user: 'pra-runner',
          keysFile: authorizedKeys.runner,
          wrapper: join(prefix, 'bin/pra-exec'),
          home: root,
        },
      ],
    });

    const address = '127.0.0.1' as const;
    const knownHostsLine = `${name},[${address}]:${server.port} ${hostKey.line}`;
    const knownHostsPath = join(operatorDir, 'known_hosts');
    writeFileSync(knownHostsPath, `${knownHostsLine}\n`, { mode: 0o600 });
    const stop = async (): Promise<void> => {
      await server.stop();
      await endProcesses(prefix);
      rmSync(root, { recursive: true, force: true });
    };
    return {
      name,
      address,
      port: server.port,
      prefix,
      operatorDir,
      knownHostsPath,
      knownHostsLine,
      hostKey,
      readerKey: reader.path,
      runnerKey: runner.path,
      autoKey,
      approver,
      server,
      authorizedKeys,
      sshOptions: {
        hosts: { [name]: { name, address, port: server.port, hostKeyAlias: name } },
        accounts: {
          reader: { user: 'mcp-reader', keyPath: reader.path },
          runner: { user: 'pra-runner', keyPath: runner.path },
        },
        knownHosts: [{ path: knownHostsPath }],
      },
      demo,
      processes: () => processesOf(prefix),
      writePolicy,
      writeAllowedSigners,
      stop,
      [Symbol.asyncDispose]: stop,
    };
  } catch (thrown) {
    await endProcesses(prefix);
    rmSync(root, { recursive: true, force: true });
    throw thrown;
  }
};
