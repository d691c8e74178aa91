import { accessSync, constants } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { capture } from './capture.ts';

/** What the lab needs of this machine, by the program that shows it is there. None of them is a daemon. */
const PACKAGES = {
  'systemd-container': 'systemd-nspawn',
  debootstrap: 'debootstrap',
  'ansible-core': 'ansible-playbook',
  'ansible-lint': 'ansible-lint',
  shellcheck: 'shellcheck',
  pyflakes3: 'pyflakes3',
  shfmt: 'shfmt',
  'openssh-client': 'ssh',
  'ssh-audit': 'ssh-audit',
  iproute2: 'ip',
  openssl: 'openssl',
  'qemu-system-x86': 'qemu-system-x86_64', // the host of kind vm
  e2fsprogs: 'mke2fs',
  buildah: 'buildah', // the image of the control node
  strace: 'strace',
} as const;

/** The one command that makes `labAvailable` say yes on a Debian machine. */
export const DEPS_COMMAND = 'npm run lab deps';

/** Whether hosts can be booted here; if not, what is missing and the one command that would fix it. */
export async function labAvailable(): Promise<{ ok: true } | { ok: false; missing: string }> {
  const packages = missingPackages();
  const fix = process.getuid?.() === 0 ? DEPS_COMMAND : `sudo ${DEPS_COMMAND}`;
  if (packages.length > 0) return { ok: false, missing: `the lab needs ${packages.join(', ')}; run: ${fix}` };
  if (process.getuid?.() !== 0) {
    return {
      ok: false,
      missing: 'the lab boots containers and needs root; run the same command with: sudo -E env "PATH=$PATH"',
    };
  }
  if (!(await readFile('/proc/filesystems', 'utf8')).includes('\toverlay\n')) {
    const { code } = await capture('modprobe', ['overlay']).catch(() => ({ code: 1 }));
    if (code !== 0)
      return {
        ok: false,
        missing: 'the lab needs overlayfs, which this kernel lacks; run: modprobe overlay',
      };
  }
  const { code } = await capture('unshare', ['--mount', '--pid', '--fork', '--mount-proc', 'true']);
  if (code !== 0) {
    return {
      ok: false,
      missing: 'this root may not make namespaces (an unprivileged container?); the lab needs a real root',
    };
  }
  return { ok: true };
}

/** Debian packages that are not on this machine. */
export function missingPackages(): string[] {
  return Object.entries(PACKAGES)
    .filter(([, program]) => !isInstalled(program))
    .map(([name]) => name);
}

/** `npm run lab deps`: installs what is missing with apt-get. Needs root. */
export async function installPackages(progress: (line: string) => void): Promise<void> {
  const packages = missingPackages();
  if (packages.length === 0) return progress('the lab has every package it needs');
  if (process.getuid?.() !== 0)
    throw new Error(`installing ${packages.join(', ')} needs root; run: sudo ${DEPS_COMMAND}`);
  progress(`installing ${packages.join(', ')}`);
  await aptGet(['update'], progress);
  await aptGet(['install', '--yes', '--no-install-recommends', ...packages], progress);
  const still = missingPackages();
  if (still.length > 0)
    throw new Error(`apt-get ended well, yet these are still missing: ${still.join(', ')}`);
}

async function aptGet(argv: readonly string[], progress: (line: string) => void): Promise<void> {
  const env = { ...(process.env as Record<string, string>), DEBIAN_FRONTEND: 'noninteractive' };
  const { code, stderr } = await capture('apt-get', ['--quiet', ...argv], {
    env,
    timeoutMs: 900_000,
    onLine: (line) => progress(`apt-get: ${line}`),
  });
  if (code !== 0) throw new Error(`apt-get ${argv[0]} ended with ${code}: ${stderr}`);
}

function isInstalled(program: string): boolean {
  return ['/usr/sbin', '/usr/bin', '/sbin', '/bin', '/usr/local/bin'].some((folder) => {
    try {
      accessSync(`${folder}/${program}`, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
