import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { basename } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { ensureBaseTree, type Release, type Software } from './base-tree.ts';
import { withFileLock } from './file-lock.ts';
import { openHost, type LabHost } from './host.ts';
import type { KeeperMessage, KeeperOrder } from './keeper.ts';
import { isAlive, readLabState, type LabState } from './lab-state.ts';
import { labAvailable } from './packages.ts';
import { adminKeyPath, knownHostsPath, sshConfigPath } from './ssh-client-files.ts';
import { claimLock, sweepDeadLabs } from './tear-down.ts';
import { ensureVmParts } from './vm-parts.ts';

/** Debian hosts on a private bridge, with no way out of it and no name server. */
export interface Lab {
  readonly id: string;
  /** Everything the lab keeps on disk; removed by `down`. Tests may put files of their own in it. */
  readonly dir: string;
  readonly hosts: readonly LabHost[];
  /** Path of the private key of `admin`, who may use sudo for everything on every host. */
  readonly adminKey: string;
  /** Path of a known_hosts file with every key of every host, under name and address. */
  readonly knownHosts: string;
  /** Path of an ssh_config(5) with the hosts by name. */
  readonly sshConfig: string;
  /** Our own address on the bridge, which the hosts can reach. */
  readonly gateway: string;
  /** Ends every process of the lab and removes its mounts, bridge and folder. Safe to call twice. */
  down(): Promise<void>;
}

/** The project's own: a test runner may have been started with whatever Node the machine has. */
export const NODE = fileURLToPath(new URL('../../node_modules/.bin/node', import.meta.url));
const KEEPER = fileURLToPath(new URL('keeper.ts', import.meta.url));
const DOWN_TIMEOUT_MS = 120_000;

/**
 * Boots `hosts` hosts, named h1, h2, … unless `names` says otherwise, and resolves when all of them accept logins.
 * The first call on a machine builds the base tree (about a minute). The lab lives until `down`, and never longer
 * than this process: its keeper takes it down when this process ends, whichever way that is.
 */
export async function labUp(opts: {
  hosts: number;
  names?: string[];
  /** Of all hosts of the lab; Debian 12 unless said otherwise. Not with `vm`. */
  release?: Release;
  /** Of all hosts of the lab; `minimal` unless said otherwise. */
  software?: Software;
  /** One more host, `vm1`, with a kernel and a clock of its own. Only one at a time runs on this machine. */
  vm?: boolean;
  progress?: (line: string) => void;
}): Promise<Lab> {
  const { lab, keeper } = await startLab(opts, false);
  return { ...lab, down: async () => await stopOwned(keeper, lab.dir) };
}

/** As `labUp`, for a lab that stays when this process ends, until `takeDown`. */
export async function labUpPersistent(opts: {
  hosts: number;
  release?: Release;
  software?: Software;
  vm?: boolean;
  progress?: (line: string) => void;
}): Promise<Lab> {
  const { lab, keeper } = await startLab(opts, true);
  keeper.stdin.destroy();
  keeper.stdout.destroy();
  keeper.unref();
  return lab;
}

/** The lab in a folder that `labUpPersistent` (perhaps in another process) made; undefined when it is not up. */
export async function openLab(labFolder: string): Promise<Lab | undefined> {
  const state = await readLabState(labFolder);
  return state !== undefined && isAlive(state.keeper) ? describe(labFolder, state) : undefined;
}

type Keeper = ChildProcessByStdio<Writable, Readable, null>;

async function startLab(
  opts: {
    hosts: number;
    names?: string[];
    release?: Release;
    software?: Software;
    vm?: boolean;
    progress?: (line: string) => void;
  },
  persistent: boolean,
): Promise<{ lab: Lab; keeper: Keeper }> {
  const names = opts.names ?? Array.from({ length: opts.hosts }, (_, index) => `h${index + 1}`);
  checkNames(names, opts.hosts, opts.vm === true);
  const available = await labAvailable();
  if (!available.ok) throw new Error(available.missing);
  const progress = opts.progress ?? ((): void => {});
  if (opts.vm === true && opts.release !== undefined)
    throw new Error('a virtual machine is of the release that is meant where none is named');
  const base = await ensureBaseTree(progress, opts.release, opts.software);
  const vm = opts.vm === true ? await ensureVmParts(base, progress) : undefined;
  const order: KeeperOrder = { base, names, vm, persistent };
  // A session of its own: Ctrl-C in the terminal reaches the owner, and the keeper hears of it through the pipe.
  const keeper = spawn(NODE, [KEEPER, JSON.stringify(order)], {
    stdio: ['pipe', 'pipe', 'ignore'],
    detached: true,
  });
  const labFolder = await waitUntilReady(keeper, progress);
  const state = await readLabState(labFolder);
  if (state === undefined) throw new Error(`the lab in ${labFolder} was taken down`);
  return { lab: describe(labFolder, state), keeper };
}

/** Names become file names, host names and lines of configuration. */
function checkNames(names: readonly string[], hosts: number, vm: boolean): void {
  const least = vm ? 0 : 1;
  if (names.length !== hosts || new Set(names).size !== hosts || hosts < least || hosts > 99) {
    throw new Error(`a lab has 1 to 99 hosts with a name each, not ${hosts} with ${names.length} names`);
  }
  const wrong = names.find((name) => !/^[a-z][a-z0-9-]{0,30}$/.test(name));
  if (wrong !== undefined) throw new Error(`not a host name: ${wrong}`);
}

async function waitUntilReady(keeper: Keeper, progress: (line: string) => void): Promise<string> {
  for await (const line of createInterface({ input: keeper.stdout })) {
    const message = JSON.parse(line) as KeeperMessage;
    if (message.kind === 'ready') return message.labFolder;
    if (message.kind === 'progress') progress(message.line);
    else {
      await once(keeper, 'exit');
      throw new Error(`the lab did not come up: ${message.message}`);
    }
  }
  throw new Error('the keeper of the lab ended before the lab was up');
}

function describe(labFolder: string, state: LabState): Lab {
  return {
    id: basename(labFolder),
    dir: labFolder,
    hosts: state.hosts.map((host) => openHost(labFolder, host)),
    adminKey: adminKeyPath(labFolder),
    knownHosts: knownHostsPath(labFolder),
    sshConfig: sshConfigPath(labFolder),
    gateway: state.gateway,
    down: async () => await stopByPid(labFolder, state),
  };
}

async function stopOwned(keeper: Keeper, labFolder: string): Promise<void> {
  if (keeper.exitCode === null && keeper.signalCode === null) {
    const exited = once(keeper, 'exit');
    keeper.stdin.destroy();
    const timer = setTimeout(() => keeper.kill('SIGKILL'), DOWN_TIMEOUT_MS);
    await exited;
    clearTimeout(timer);
  }
  await sweepWhatIsLeft(labFolder, keeper.pid);
}

async function stopByPid(labFolder: string, state: LabState): Promise<void> {
  if (isAlive(state.keeper)) process.kill(state.keeper.pid, 'SIGTERM');
  const deadline = Date.now() + DOWN_TIMEOUT_MS;
  while (isAlive(state.keeper)) {
    if (Date.now() > deadline) process.kill(state.keeper.pid, 'SIGKILL');
    await sleep(50);
  }
  await sweepWhatIsLeft(labFolder, state.keeper.pid);
}

/** Only a keeper that was killed, or failed, leaves its folder: that is worth an error once it is cleaned up. */
async function sweepWhatIsLeft(labFolder: string, keeper: number | undefined): Promise<void> {
  // Under the lock of claims: the folder of that name may be the next lab's already.
  const keeperFailed = await withFileLock(claimLock(), async () => {
    if (!existsSync(labFolder)) return false;
    const state = await readLabState(labFolder);
    return state === undefined || state.keeper.pid === keeper;
  });
  await sweepDeadLabs();
  if (keeperFailed) throw new Error(`the keeper of ${labFolder} did not take it down; it is gone now`);
}
