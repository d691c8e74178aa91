// The process that owns a lab: it makes the bridge and the hosts, restarts a host that rebooted, and takes everything
// down when its owner is gone. Started by lab-life.ts; not a command of its own.
//   argv[2]  JSON of KeeperOrder
//   stdin    a pipe whose other end the owner holds open for as long as it wants the lab
//   stdout   one JSON message a line (KeeperMessage) until `ready` or `failed`
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { withFileLock } from './file-lock.ts';
import { makeHostTree, makeKey } from './host-tree.ts';
import {
  ensureLabsFolder,
  hostFolder,
  identifyProcess,
  writeHostStatus,
  writeLabState,
  type HostState,
  type LabState,
} from './lab-state.ts';
import {
  bridgeExists,
  bridgeName,
  createBridge,
  isAddressRangeTaken,
  labAddress,
  LAB_NUMBERS,
} from './network.ts';
import { killHost, REBOOT_CODE, startHost } from './nspawn.ts';
import { adminKeyPath, writeKnownHosts, writeSshConfig } from './ssh-client-files.ts';
import { waitForSshd } from './sshd-answer.ts';
import { claimLock, removeDeadLabs, removeLab } from './tear-down.ts';
import { makeVmDisks, startVm } from './vm.ts';
import type { VmParts } from './vm-parts.ts';

export interface KeeperOrder {
  readonly base: string;
  readonly names: readonly string[];
  /** Parts of a virtual machine; with them there is one more host, `vm1`. */
  readonly vm: VmParts | undefined;
  readonly persistent: boolean;
}

export type KeeperMessage =
  | { readonly kind: 'progress'; readonly line: string }
  | { readonly kind: 'ready'; readonly labFolder: string }
  | { readonly kind: 'failed'; readonly message: string };

interface ClaimedLab {
  readonly folder: string;
  readonly state: LabState;
}

const BOOT_TIMEOUT_MS = 60_000;
/** Emulated, on a machine that does other things too. */
const VM_BOOT_TIMEOUT_MS = 600_000;
const VM_NAME = 'vm1';

const order = JSON.parse(process.argv[2] ?? '') as KeeperOrder;
const stop = new AbortController();
let isReady = false;

for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => stop.abort());
// The owner let go of the pipe or died, however that came. A persistent lab only needs it until it is up.
process.stdin.on('close', () => {
  if (!(order.persistent && isReady)) stop.abort();
});
process.stdin.resume();
process.stdout.on('error', () => {});

let lab: ClaimedLab | undefined;
let vmTurn: (() => Promise<void>) | undefined;
const supervisors: Promise<void>[] = [];
try {
  if (order.vm !== undefined) vmTurn = await waitForVmTurn();
  lab = await claimLab();
  await bringUp(lab);
  isReady = true;
  tell({ kind: 'ready', labFolder: lab.folder });
  if (!stop.signal.aborted) await once(stop.signal, 'abort');
} catch (error) {
  const message = error instanceof Error ? error.message : String(error);
  tell({ kind: 'failed', message: `${message}${await consoleTails()}` });
} finally {
  stop.abort();
  await Promise.all(supervisors);
  if (lab !== undefined) {
    const { folder, state } = lab;
    await withFileLock(claimLock(), async () => await removeLab(folder, state));
  }
  await vmTurn?.();
  process.stdin.destroy();
}

/** One virtual machine at a time on this machine. Resolves with what gives the turn to the next. */
async function waitForVmTurn(): Promise<() => Promise<void>> {
  const over = Promise.withResolvers<void>();
  const mine = Promise.withResolvers<void>();
  const waiting = (): void => tell({ kind: 'progress', line: 'vm: another lab has one, waiting' });
  const lock = join(await ensureLabsFolder(), 'vm.lock');
  const held = withFileLock(
    lock,
    async () => {
      mine.resolve();
      await over.promise;
    },
    waiting,
  );
  await Promise.race([mine.promise, held, once(stop.signal, 'abort')]);
  return async () => {
    over.resolve();
    await held;
  };
}

/** Takes the first free number; the bridge is the claim that holds machine-wide, whatever folder others use. */
async function claimLab(): Promise<ClaimedLab> {
  const folder = await ensureLabsFolder();
  return await withFileLock(claimLock(), async () => {
    await removeDeadLabs();
    for (let number = 0; number < LAB_NUMBERS; number++) {
      const id = bridgeName(number);
      if (bridgeExists(id) || (await isAddressRangeTaken(number))) continue;
      const labFolder = join(folder, id);
      const state = describeLab(number);
      await mkdir(labFolder, { mode: 0o700 });
      await writeLabState(labFolder, state);
      if (await createBridge(id, state.gateway)) return { folder: labFolder, state };
      await removeLab(labFolder, undefined);
    }
    throw new Error('no free addresses for another lab');
  });
}

function describeLab(number: number): LabState {
  return {
    id: bridgeName(number),
    keeper: identifyProcess(process.pid),
    persistent: order.persistent,
    gateway: labAddress(number, 1),
    hosts: [...order.names, ...(order.vm === undefined ? [] : [VM_NAME])].map((name, index) => ({
      name,
      kind: index < order.names.length ? 'container' : 'vm',
      address: labAddress(number, 11 + index),
      machine: `pra${number}-${index + 1}`,
    })),
  };
}

async function bringUp({ folder, state }: ClaimedLab): Promise<void> {
  tell({
    kind: 'progress',
    line: `lab ${state.id}: booting ${state.hosts.map((host) => host.name).join(', ')}`,
  });
  await makeKey(adminKeyPath(folder), 'ed25519', `admin@${state.id}`);
  await settleAll(state.hosts, async (host) => {
    stop.signal.throwIfAborted();
    const layers = host.kind === 'vm' ? `${order.vm?.layer}:${order.base}` : order.base;
    await makeHostTree(folder, layers, state, host);
    if (host.kind === 'vm') await makeVmDisks(folder, host);
    stop.signal.throwIfAborted();
    // A host that cannot be started ends the lab: the reason reaches whoever waits for it.
    supervisors.push(supervise(folder, state.id, host).catch((error: unknown) => stop.abort(error)));
  });
  await writeKnownHosts(folder, state);
  await writeSshConfig(folder, state);
  await settleAll(state.hosts, async (host) => {
    const timeoutMs = host.kind === 'vm' ? VM_BOOT_TIMEOUT_MS : BOOT_TIMEOUT_MS;
    await waitForSshd(folder, host, { minimumBoot: 1, timeoutMs, signal: stop.signal });
  });
}

/** Boots a host again each time it reboots; leaves it off when it was powered off or cannot boot. */
async function supervise(labFolder: string, bridge: string, host: HostState): Promise<void> {
  for (let boot = 1; !stop.signal.aborted; boot++) {
    const { child, kill, wantsReboot } = await startBoot(labFolder, bridge, host);
    const exited = once(child, 'exit') as Promise<[number | null]>;
    stop.signal.addEventListener('abort', kill);
    if (stop.signal.aborted) kill();
    const pid = child.pid ?? 0;
    await writeHostStatus(labFolder, host.name, { kind: 'running', boot, pid, code: null });
    const [code] = await exited;
    stop.signal.removeEventListener('abort', kill);
    if (wantsReboot(code) && !stop.signal.aborted) continue;
    await writeHostStatus(labFolder, host.name, { kind: 'off', boot, pid, code });
    return;
  }
}

interface Boot {
  readonly child: ChildProcess;
  readonly kill: () => void;
  readonly wantsReboot: (code: number | null) => boolean;
}

async function startBoot(labFolder: string, bridge: string, host: HostState): Promise<Boot> {
  if (host.kind === 'vm' && order.vm !== undefined) {
    const { process: child, wantsReboot } = await startVm(labFolder, bridge, host, order.vm);
    return { child, kill: () => child.kill('SIGKILL'), wantsReboot };
  }
  const child = await startHost(labFolder, bridge, host);
  return { child, kill: () => killHost(child), wantsReboot: (code) => code === REBOOT_CODE };
}

/** As Promise.all, but nothing is still running when it rejects: what follows may be the tear-down. */
async function settleAll<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const results = await Promise.allSettled(items.map(work));
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}

function tell(message: KeeperMessage): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

/** The last lines of each host's console, for a lab that did not come up. */
async function consoleTails(): Promise<string> {
  let text = '';
  for (const { name } of lab?.state.hosts ?? []) {
    const path = join(hostFolder(lab?.folder ?? '', name), 'console.log');
    const tail = await readFile(path, 'utf8').catch(() => '');
    if (tail !== '') text += `\n--- console of ${name}\n${tail.split('\n').slice(-20).join('\n')}`;
  }
  return text;
}
