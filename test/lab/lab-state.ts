import { readFileSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** What is written about a lab when it is claimed, in `state.json` of its folder; it does not change afterwards. */
export interface LabState {
  /** Also the name of the bridge. */
  readonly id: string;
  /** The process that supervises the hosts and takes everything down. */
  readonly keeper: ProcessIdentity;
  /** True for `npm run lab up`: lives until `down`. False: lives as long as the process that asked for it. */
  readonly persistent: boolean;
  /** Our address on the bridge. */
  readonly gateway: string;
  readonly hosts: readonly HostState[];
}

export interface HostState {
  readonly name: string;
  /** A container shares this machine's kernel and clock; a virtual machine has its own. */
  readonly kind: 'container' | 'vm';
  readonly address: string;
  /** nspawn's name of it; `vb-<machine>` is its link on the bridge, so it has at most 12 characters. */
  readonly machine: string;
}

/** Kept up to date by the keeper in `hosts/<name>/status.json`. */
export interface HostStatus {
  readonly kind: 'running' | 'off';
  /** 1 for the first boot, one more after each reboot. */
  readonly boot: number;
  /** The outermost process of this boot: unshare, whose only child is nspawn; of a virtual machine, QEMU. */
  readonly pid: number;
  /** Exit code of nspawn when off: 0 means powered off. */
  readonly code: number | null;
}

/** A process that cannot be confused with a later one of the same number. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Field 22 of /proc/PID/stat, in clock ticks since boot. */
  readonly startTime: string;
}

/** Folder of every lab of this user: state that must not outlive the machine's session. */
export function labsFolder(): string {
  const base = process.env['XDG_STATE_HOME'] ?? process.env['XDG_RUNTIME_DIR'] ?? '/tmp';
  return join(base.startsWith('/') ? base : '/tmp', 'mcp-pra-lab');
}

/** Creates the folder of the labs, or refuses one that another user prepared (it may be in /tmp). */
export async function ensureLabsFolder(): Promise<string> {
  const folder = labsFolder();
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const { uid, mode } = await stat(folder);
  if (uid !== process.getuid?.() || (mode & 0o022) !== 0) {
    throw new Error(`${folder} must belong to this user and be writable by nobody else`);
  }
  return folder;
}

export function identifyProcess(pid: number): ProcessIdentity {
  return { pid, startTime: readStartTime(pid) ?? '' };
}

export function isAlive(identity: ProcessIdentity): boolean {
  return readStartTime(identity.pid) === identity.startTime;
}

function readStartTime(pid: number): string | undefined {
  try {
    // The program's name is in parentheses and may hold anything: count the fields from its end.
    const line = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = line.slice(line.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

export const hostFolder = (labFolder: string, host: string): string => join(labFolder, 'hosts', host);
/** Where the overlay of a host is mounted: its root directory. */
export const hostRoot = (labFolder: string, host: string): string =>
  join(hostFolder(labFolder, host), 'root');

export async function writeLabState(labFolder: string, state: LabState): Promise<void> {
  await writeJson(join(labFolder, 'state.json'), state);
}

/** Undefined for a folder whose lab died before it was described. */
export async function readLabState(labFolder: string): Promise<LabState | undefined> {
  return await readJson<LabState>(join(labFolder, 'state.json'));
}

export async function writeHostStatus(labFolder: string, host: string, status: HostStatus): Promise<void> {
  await writeJson(join(hostFolder(labFolder, host), 'status.json'), status);
}

export async function readHostStatus(labFolder: string, host: string): Promise<HostStatus | undefined> {
  return await readJson<HostStatus>(join(hostFolder(labFolder, host), 'status.json'));
}

/** Folders of all labs, also of dead ones. */
export async function listLabFolders(): Promise<string[]> {
  const entries = await readdir(labsFolder(), { withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isDirectory()).map((entry) => join(labsFolder(), entry.name));
}

async function writeJson(path: string, value: unknown): Promise<void> {
  const beside = `${path}.new`;
  await writeFile(beside, `${JSON.stringify(value, null, 2)}\n`, { mode: 0o600 });
  await rename(beside, path);
}

/** These files are written by the lab itself, in a folder of its own: their shape is not checked again. */
async function readJson<T>(path: string): Promise<T | undefined> {
  const text = await readFile(path, 'utf8').catch(() => undefined);
  return text === undefined ? undefined : (JSON.parse(text) as T);
}
