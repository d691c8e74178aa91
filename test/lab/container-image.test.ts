import { execFileSync } from 'node:child_process';
import {
  cpSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ensureBaseTree } from './base-tree.ts';

// The Dockerfile of the control node, built by buildah. Its base is made here, for the lab has no registry of images: the lab's own
// Debian tree with the Node and the npm that run this test, at the places where the official image has them.

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const DOCKERFILE = join(ROOT, 'ansible/control-node/Dockerfile');

let dir: string;
/** The root of a container made from the image; nothing runs in it. */
let root: string;
let container: string;

const buildah = (...argv: string[]): string =>
  execFileSync('buildah', ['--root', join(dir, 'store'), '--runroot', join(dir, 'run'), ...argv], {
    encoding: 'utf8',
    cwd: ROOT,
    maxBuffer: 1 << 26,
    stdio: ['ignore', 'pipe', 'pipe'],
    // Without it buildah wants a runtime for containers; a chroot does for what the build runs.
    env: { ...process.env, BUILDAH_ISOLATION: 'chroot' },
  }).trim();

const npm = (...argv: string[]): string => execFileSync('npm', argv, { encoding: 'utf8', cwd: ROOT }).trim();

const makeBase = async (): Promise<void> => {
  const tree = await ensureBaseTree(() => undefined);
  const id = buildah('from', 'scratch');
  const at = buildah('mount', id);
  execFileSync('cp', ['-a', `${tree}/.`, at]);
  const modules = join(at, 'usr/local/lib/node_modules');
  mkdirSync(modules, { recursive: true });
  cpSync(join(npm('root', '--global'), 'npm'), join(modules, 'npm'), { recursive: true, dereference: true });
  cpSync(process.execPath, join(at, 'usr/local/bin/node'));
  symlinkSync('../lib/node_modules/npm/bin/npm-cli.js', join(at, 'usr/local/bin/npm'));
  buildah('umount', id);
  buildah('config', '--env', 'PATH=/usr/local/bin:/usr/bin:/bin', id);
  buildah('commit', '--quiet', id, 'localhost/base');
  buildah('rm', id);
};

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'mcp-pra-image-'));
  await makeBase();
  // How this machine reaches the registry of npm is told by a mount and not by the image.
  const settings = ['registry', 'cafile'].map((name) => [name, npm('config', 'get', name)] as const);
  const ca = settings.find(([name]) => name === 'cafile')?.[1] ?? 'null';
  const bundle =
    ca === 'null' ? (process.env['NODE_EXTRA_CA_CERTS'] ?? '/etc/ssl/certs/ca-certificates.crt') : ca;
  writeFileSync(join(dir, 'npmrc'), `registry=${settings[0]?.[1] ?? ''}\ncafile=/run/ca.pem\n`);
  const volumes = [`${join(dir, 'npmrc')}:/root/.npmrc:ro`, `${bundle}:/run/ca.pem:ro`];
  buildah(
    'bud',
    '--quiet',
    '--pull=never',
    '--network=host',
    ...volumes.flatMap((one) => ['--volume', one]),
    '--build-arg',
    'BASE=localhost/base',
    '--file',
    DOCKERFILE,
    '--tag',
    'localhost/mcp-pra',
    '.',
  );
  container = buildah('from', '--pull=never', 'localhost/mcp-pra');
  root = buildah('mount', container);
});

afterAll(() => {
  if (dir === undefined) return;
  try {
    buildah('rm', '--all');
    buildah('rmi', '--all', '--force');
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});

test('the image runs the program, as an account that is not root and has no name', () => {
  expect(buildah('run', container, '--', 'node', '/opt/mcp-pra/dist/main.js', '--version')).toMatch(
    /^\d+\.\d+\.\d+$/u,
  );
  expect(buildah('run', container, '--', 'id', '--user', '--real')).toBe('65532');
  const { OCIv1 } = JSON.parse(buildah('inspect', '--type', 'image', 'localhost/mcp-pra')) as {
    OCIv1: { config: { User: string; Entrypoint: string[]; Cmd: string[]; Env: string[] } };
  };
  expect(OCIv1.config).toMatchObject({
    User: '65532:65532',
    Entrypoint: ['node', '/opt/mcp-pra/dist/main.js'],
    Cmd: ['serve'],
  });
  expect(OCIv1.config.Env.filter((one) => /passw|secret=|token|key=/iu.test(one))).toEqual([]);
});

test('the state folder, of which a fresh volume takes its owner, is for that account', () => {
  expect(lstatSync(join(root, 'state'))).toMatchObject({ uid: 65532, gid: 65532 });
});

test('nothing of it can be changed by that account, and no key, test or history is in it', () => {
  const at = join(root, 'opt/mcp-pra');
  const changeable = readdirSync(at, { recursive: true, encoding: 'utf8' })
    .concat('.')
    .filter((path) => {
      const { uid, mode } = lstatSync(join(at, path));
      return uid !== 0 || ((mode & 0o022) !== 0 && (mode & 0o170000) !== 0o120000);
    });
  expect(changeable).toEqual([]);
  expect(readdirSync(at).toSorted()).toEqual([
    'CHANGELOG.md',
    'LICENSE',
    'SECURITY.md',
    'ansible',
    'catalog',
    'dist',
    'node_modules',
    'package.json',
    'target-scripts',
  ]);
  const ours = readdirSync(at, { recursive: true, encoding: 'utf8' }).filter(
    (path) => !path.startsWith('node_modules/'),
  );
  expect(
    ours.filter((path) => /(?:^|\/)(?:test|\.git|keys\.example)(?:\/|$)|\.(?:key|pem)$/u.test(path)),
  ).toEqual([]);
  // Only what package.json names for production: the development tools stay in the first stage.
  expect(readdirSync(join(at, 'node_modules'))).not.toContain('vitest');
});
