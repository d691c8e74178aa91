import { posix } from 'node:path';
import { capture, type Captured } from './capture.ts';
import { runInGuest } from './guest-agent.ts';
import { hostRoot, readHostStatus, type HostState, type HostStatus } from './lab-state.ts';
import { setLink } from './network.ts';
import { findInit } from './nspawn.ts';
import { waitForSshd } from './sshd-answer.ts';
import { guestAgentPath } from './vm.ts';

/** A booted Debian host, a container or a virtual machine. What its methods do happens as root inside, without ssh. */
export interface LabHost {
  readonly name: string;
  readonly address: string;
  /**
   * Runs a program as root in all namespaces of the host. A non-zero exit is a result; a timeout (default 180 s)
   * kills the program and rejects.
   */
  run(
    argv: readonly string[],
    opts?: { input?: string | Buffer; timeoutMs?: number },
  ): Promise<{ code: number; stdout: string; stderr: string }>;
  /** Standard output, trimmed, of a line of POSIX sh (`-eu`); rejects with standard error when it fails. Limits as those of `run`. */
  sh(line: string, opts?: { input?: string | Buffer; timeoutMs?: number }): Promise<string>;
  /** Writes a file as root:root with `mode` (default 0644), making missing folders. An existing file is replaced. */
  writeFile(path: string, content: string, mode?: number): Promise<void>;
  /** Reads a text file; rejects when it cannot be read. */
  readFile(path: string): Promise<string>;
  /** Reboots and resolves when sshd accepts logins again. The files stay, processes and /run do not. */
  reboot(): Promise<void>;
  /** Cuts or restores the host's network link from outside. A reboot also restores it. */
  link(up: boolean): Promise<void>;
  /**
   * The host's `/` as this machine sees it. Absolute symbolic links in it lead to this machine's files. Of a virtual
   * machine only the tree that its disk was made from.
   */
  readonly rootDir: string;
}

const REBOOT_TIMEOUT_MS = 240_000;
const VM_REBOOT_TIMEOUT_MS = 600_000;
const INSIDE = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  HOME: '/root',
  LANG: 'C.UTF-8',
};

/** The handle on a host that the keeper of the lab in `labFolder` has booted. */
export function openHost(labFolder: string, host: HostState): LabHost {
  const run: LabHost['run'] = async (argv, opts = {}) => {
    const { pid } = await runningStatus(labFolder, host);
    if (host.kind === 'vm')
      return await runInGuest(guestAgentPath(labFolder, host.name), argv, { env: INSIDE, ...opts });
    const init = findInit(pid);
    if (init === undefined) throw new Error(`${host.name} is just starting or stopping`);
    return await nsenter(init, argv, opts);
  };
  return {
    name: host.name,
    address: host.address,
    rootDir: hostRoot(labFolder, host.name),
    run,
    async sh(line, opts) {
      const { code, stdout, stderr } = await run(['/bin/sh', '-euc', line], opts);
      if (code !== 0) throw new Error(`${line} on ${host.name}: ${stderr}`);
      return stdout.trim();
    },
    async writeFile(path, content, mode = 0o644) {
      const script =
        'set -e; umask 077; mkdir -p -m 0755 "$2"; cat >"$1.new"; chmod "$3" "$1.new"; mv -T "$1.new" "$1"';
      const argv = ['/bin/sh', '-c', script, 'sh', path, posix.dirname(path), mode.toString(8)];
      const { code, stderr } = await run(argv, { input: content });
      if (code !== 0) throw new Error(`${path} on ${host.name} cannot be written: ${stderr}`);
    },
    async readFile(path) {
      const { code, stdout, stderr } = await run(['cat', '--', path]);
      if (code !== 0) throw new Error(`${path} on ${host.name} cannot be read: ${stderr}`);
      return stdout;
    },
    async reboot() {
      const { boot } = await runningStatus(labFolder, host);
      // The answer may be lost with the host: whether it rebooted is seen from the number of its boots.
      await run(['systemctl', '--no-block', 'reboot']);
      const timeoutMs = host.kind === 'vm' ? VM_REBOOT_TIMEOUT_MS : REBOOT_TIMEOUT_MS;
      await waitForSshd(labFolder, host, { minimumBoot: boot + 1, timeoutMs });
    },
    async link(up) {
      await setLink(host.machine, up);
    },
  };
}

async function runningStatus(labFolder: string, host: HostState): Promise<HostStatus> {
  const status = await readHostStatus(labFolder, host.name);
  if (status?.kind !== 'running') throw new Error(`${host.name} is off`);
  return status;
}

async function nsenter(
  init: number,
  argv: readonly string[],
  opts: { input?: string | Buffer; timeoutMs?: number },
): Promise<Captured> {
  const all = ['--target', String(init), '--all', '--root', '--wd', '--', ...argv];
  return await capture('nsenter', all, { ...opts, env: INSIDE });
}
