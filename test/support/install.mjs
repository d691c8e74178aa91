// Brings what a fresh clone lacks before any of our own code can run: plain JavaScript for whatever Node is there.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
/** The Node that the project brings as a dev dependency. */
export const node = join(root, 'node_modules', '.bin', process.platform === 'win32' ? 'node.cmd' : 'node');

const stamp = join(root, 'node_modules', '.mcp-pra-installed');
const lock = () => readFileSync(join(root, 'package-lock.json'), 'utf8');

const fresh = () => existsSync(stamp) && existsSync(node) && readFileSync(stamp, 'utf8') === lock();

/** Runs `npm ci` unless node_modules already is what the lock file says. Exits with npm's code when it fails. */
export const install = () => {
  if (fresh()) return;
  process.stderr.write('Installing what package-lock.json names (npm ci)…\n');
  const done = spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    stdio: ['ignore', 'ignore', 'inherit'],
    shell: process.platform === 'win32',
  });
  if (done.error !== undefined || done.status !== 0) {
    process.stderr.write('npm ci did not succeed; is the npm registry reachable?\n');
    process.exit(done.status ?? 1);
  }
  const version = spawnSync(node, ['--version'], { encoding: 'utf8' });
  if (version.status !== 0 || Number(version.stdout.slice(1).split('.')[0]) < 24) {
    process.stderr.write(
      'npm did not run the install script of the package "node" (ignore-scripts?). Run: npm ci --ignore-scripts=false\n',
    );
    process.exit(1);
  }
  writeFileSync(stamp, lock());
};

/** Programs this command needs besides Node and npm: one sentence with the one command when any is missing. */
export const need = (programs) => {
  const missing = Object.entries(programs).filter(([name]) => !onPath(name));
  if (missing.length === 0) return;
  const packages = [...new Set(missing.map(([, debian]) => debian))].join(' ');
  process.stderr.write(
    `Missing: ${missing.map(([name]) => name).join(', ')}. On Debian or Ubuntu run: sudo apt-get install -y ${packages}\n`,
  );
  process.exit(2);
};

/** True when PATH has an executable of that name. */
export const onPath = (name) =>
  (process.env.PATH ?? '').split(':').some((dir) => {
    try {
      return dir !== '' && (statSync(join(dir, name)).mode & 0o111) !== 0;
    } catch {
      return false;
    }
  });

/** Runs a script of ours under the project's own Node and exits with its code; signals reach the child first. */
export const runUnderNode = (script, args) => {
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => {});
  const done = spawnSync(node, [join(root, script), ...args], { cwd: root, stdio: 'inherit' });
  process.exit(done.status ?? 1);
};
