import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fingerprint } from '../../src/request/sshsig.ts';
import { labUp, type Lab, type LabHost } from '../lab/lab.ts';
import type { LabKeys } from '../lab/provisioned.ts';
import { sendPack, setUp, siteFor } from '../lab/setup-target.ts';
import { makeOperator, type McpSession, type Operator } from '../support/operator.ts';
import { startRelay, type Relay } from '../support/relay.ts';
import { makeKey } from '../support/ssh-keys.ts';
import { hostProcesses, type HostProcesses } from './host-processes.ts';
import { Records } from './records.ts';
import type { Happened } from './truth.ts';

const ROOT = join(import.meta.dirname, '../..');
const SITE = join(import.meta.dirname, 'site');
const STAGES = ['preflight', 'account', 'scripts', 'tables', 'sudo', 'sshd'];
/** Written by site/scripts/crash-probe. */
const COUNTS = 'var/lib/mcp-pra-crash';
/** How long an execution works. Milliseconds. */
export const WORK_MS = 400;
/** Executions that the host's policy may list as automatic; those of people have greater numbers. */
const MAX_AUTO = 100;
/** Made up for these labs. */
export const PASSPHRASE = 'typed by the harness';

/** One host with one operator's machine: an operator whose network is a relay of ours. */
export interface Lane {
  readonly labDir: string;
  readonly host: LabHost;
  readonly operator: Operator;
  /** A second person, whose machine connects to nothing. */
  readonly bob: Operator;
  /** A configuration of the operator's machine without an approver. */
  readonly askConfig: string;
  /** Fingerprints of the keys by which people approve. */
  readonly approvers: Readonly<Record<'alice' | 'bob', string>>;
  readonly relay: Relay;
  readonly processes: HostProcesses;
  readonly records: Records;
  /** `mcp-pra serve`, started when there is none. */
  server(): Promise<McpSession>;
  /** Forgets a server that is gone. */
  dropServer(): Promise<void>;
  /** The next number of an execution; undefined when the automatic ones are used up. */
  nextNumber(kind: 'auto' | 'person'): number | undefined;
  /** Every number given out so far. */
  numbers(): readonly number[];
  happened(n: number): Happened;
}

export interface CrashLab {
  readonly lab: Lab;
  readonly lanes: readonly Lane[];
  down(): Promise<void>;
}

/** Boots hosts, makes each a target with the harness's own catalog, and gives each an operator. Needs `dist` and root. */
export const crashLab = async (hosts: number, progress?: (line: string) => void): Promise<CrashLab> => {
  const dir = mkdtempSync(join(tmpdir(), 'mcp-pra-crash-'));
  const lab = await labUp({ hosts, ...(progress === undefined ? {} : { progress }) });
  const opened: (() => Promise<unknown>)[] = [
    () => Promise.resolve(rmSync(dir, { recursive: true, force: true })),
    () => lab.down(),
  ];
  const down = async (): Promise<void> => {
    while (opened.length > 0) await opened.pop()?.();
  };
  try {
    const key = (name: string, passphrase = ''): string => makeKey(dir, name, { passphrase }).path;
    const bobs = makeKey(dir, 'bob', { passphrase: PASSPHRASE });
    const approver = makeKey(dir, 'approver', { passphrase: PASSPHRASE });
    const approvers = { alice: fingerprint(approver.blob), bob: fingerprint(bobs.blob) };
    const keys: LabKeys = {
      reader: key('reader'),
      runner: key('runner'),
      auto: key('auto'),
      approver: approver.path,
      stranger: key('stranger'),
    };
    const lanes = await Promise.all(
      lab.hosts.map(async (host) => {
        const relay = await startRelay({ host: host.address, port: 22 });
        opened.push(async () => relay[Symbol.asyncDispose]());
        const people = { principal: 'alice', key: keys.approver };
        const operator = operatorOf(lab, host, relay, keys, join(dir, host.name), people);
        const bob = operatorOf(lab, host, relay, keys, join(dir, `${host.name}-bob`), {
          principal: 'bob',
          key: bobs.path,
        });
        await install(operator, host, keys, bobs.line, join(dir, `pack-${host.name}`));
        const askConfig = withoutApprover(operator);
        const lane = { ...(await laneOf(lab, host, operator, relay)), bob, askConfig, approvers };
        opened.push(async () => {
          await lane.dropServer();
          lane.records.close();
        });
        return lane;
      }),
    );
    return { lab, lanes, down };
  } catch (error) {
    await down();
    throw error;
  }
};

/** A configuration beside the operator's own. */
const withoutApprover = ({ config }: Operator): string => {
  const { approver: _, ...rest } = JSON.parse(readFileSync(config, 'utf8')) as Record<string, unknown>;
  const path = join(dirname(config), 'ask.yaml');
  writeFileSync(path, JSON.stringify(rest), { mode: 0o600 });
  return path;
};

const operatorOf = (
  lab: Lab,
  host: LabHost,
  relay: Relay,
  keys: LabKeys,
  home: string,
  approver: { readonly principal: string; readonly key: string },
): Operator => {
  mkdirSync(home, { mode: 0o700 });
  const [, line = ''] =
    readFileSync(lab.knownHosts, 'utf8').match(new RegExp(`^${host.name},\\S+ (ssh-ed25519 \\S+)`, 'mu')) ??
    [];
  const knownHosts = join(home, 'known_hosts');
  writeFileSync(knownHosts, `[127.0.0.1]:${String(relay.port)} ${line}\n`, { mode: 0o600 });
  return makeOperator({
    home,
    hosts: { [host.name]: { address: '127.0.0.1', port: relay.port } },
    keys: { reader: keys.reader, runner: keys.runner, auto: keys.auto },
    approver,
    knownHosts,
    more: { catalog: { builtin: false, dirs: [SITE] }, limits: { calls_per_minute: 600 } },
  });
};

/** The project's pack with the tables and scripts of the harness's catalog, as the operator's own program renders them. */
const install = async (
  operator: Operator,
  host: LabHost,
  keys: LabKeys,
  bob: string,
  pack: string,
): Promise<void> => {
  mkdirSync(pack);
  for (const part of ['package.json', 'target-scripts'])
    cpSync(join(ROOT, part), join(pack, part), { recursive: true, verbatimSymlinks: true });
  const tables = join(pack, 'target-scripts/tables');
  rmSync(tables, { recursive: true });
  const built = await operator.cli('catalog', 'build', '--out', tables);
  if (built.code !== 0) throw new Error(built.stderr);
  cpSync(join(SITE, 'scripts'), join(pack, 'target-scripts/scripts'), { recursive: true });
  await sendPack(host, pack);
  const auto = Array.from({ length: MAX_AUTO }, (_, at) => ({
    action: 'crash_low',
    args: { n: String(at + 1), ms: String(WORK_MS) },
  }));
  const policy = {
    auto,
    auto_limits: { pair_per_hour: 60, host_per_day: 1_000 },
    quorum: { MEDIUM: 1, HIGH: 2 },
    signer: { MEDIUM: 'software-key', HIGH: 'software-key' },
  };
  const { allowed_signers: signers, ...site } = siteFor(host, keys, { policy });
  const people = 'namespaces="mcp-pra-low,mcp-pra-medium,mcp-pra-high"';
  const allowed_signers = [...(signers as string[]), `bob ${people} ${bob}`];
  const { code, refusal } = await setUp(host, { ...site, allowed_signers }, ...STAGES);
  if (code !== 0) throw new Error(`${host.name}: ${refusal}`);
  await host.sh('/usr/local/lib/mcp-pra/commit-confirm confirm');
  await host.sh(`mkdir -p /${COUNTS} && touch /${COUNTS}/begun /${COUNTS}/ended`);
};

const laneOf = async (
  lab: Lab,
  host: LabHost,
  operator: Operator,
  relay: Relay,
): Promise<Omit<Lane, 'bob' | 'askConfig' | 'approvers'>> => {
  let session: Promise<McpSession> | undefined = operator.serve();
  await session; // makes the database
  const processes = await hostProcesses(lab, host.name);
  const used = { auto: 0, person: MAX_AUTO };
  const given: number[] = [];
  const times = (file: string, n: number): number =>
    readFileSync(join(host.rootDir, COUNTS, file), 'utf8')
      .split('\n')
      .filter((line) => line === `${file}=${String(n)}`).length;
  return {
    labDir: lab.dir,
    host,
    operator,
    relay,
    processes,
    records: new Records(join(operator.stateDir, 'mcp-pra.db')),
    server: async () => (session ??= operator.serve()),
    dropServer: async () => {
      const gone = await session?.catch(() => undefined);
      session = undefined;
      await gone?.close();
    },
    nextNumber: (kind) => {
      if (kind === 'auto' && used.auto === MAX_AUTO) return undefined;
      used[kind] += 1;
      given.push(used[kind]);
      return used[kind];
    },
    numbers: () => given,
    happened: (n) => ({ begun: times('begun', n), ended: times('ended', n) }),
  };
};
