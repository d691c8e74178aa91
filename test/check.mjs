// `npm run check`: format, lint, types, shellcheck, shfmt, pyflakes, ansible-lint, generated files equal. Says each step; stops at none.
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { install, need, node, onPath, root } from './support/install.mjs';

need({ shellcheck: 'shellcheck', shfmt: 'shfmt', python3: 'python3' });
install();

const filesUnder = (dir) =>
  readdirSync(join(root, dir), { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory() ? filesUnder(join(dir, entry.name)) : entry.isFile() ? [join(dir, entry.name)] : [],
  );
const startsWith = (file, pattern) => pattern.test(readFileSync(join(root, file), 'latin1').slice(0, 64));
const scripts = ['target-scripts', 'ansible', 'test', '.ci']
  .flatMap(filesUnder)
  .filter((file) => statSync(join(root, file)).size < 200_000);
const shell = scripts.filter((file) => startsWith(file, /^#!\/bin\/(?:sh|dash|bash)/u));
const python = scripts.filter((file) => startsWith(file, /^#!.*python3/u) || file.endsWith('.py'));

const bin = (name) => join(root, 'node_modules', '.bin', name);
const steps = [
  ['format', bin('oxfmt'), ['--check', 'src', 'test', 'vitest.config.ts']],
  ['lint', bin('oxlint'), ['--type-aware', '--deny-warnings', 'src', 'test', 'vitest.config.ts']],
  ['types', bin('tsc'), ['--noEmit', '-p', '.']],
  ['shellcheck', 'shellcheck', shell],
  ['shfmt', 'shfmt', ['-d', ...shell]],
  [
    'python syntax',
    'python3',
    ['-c', 'import ast,sys\nfor f in sys.argv[1:]: ast.parse(open(f).read(), f)', ...python],
  ],
  ['generated files', node, [join(root, 'src/gen.ts'), '--check']],
];
// The lab's package list brings them; where that list is required (CI), leaving a step out would hide what it finds.
const profile = ['--offline', '-q', '--nocolor', '--strict', '--profile', 'production'];
for (const [name, command, args] of [
  ['pyflakes', 'pyflakes3', python],
  ['ansible-lint (production profile)', 'ansible-lint', [...profile, join(root, 'ansible')]],
]) {
  if (onPath(command) || process.env.MCP_PRA_LAB === 'required') steps.push([name, command, args]);
  else process.stdout.write(`skip ${command} is not installed: npm run lab deps (root) installs it\n`);
}
let failed = 0;
for (const [name, command, args, cwd = root] of steps) {
  const done = spawnSync(command, args, {
    cwd,
    encoding: 'utf8',
    env: { ...process.env, PATH: `${join(root, 'node_modules/.bin')}:${process.env.PATH}` },
  });
  const good = done.status === 0;
  if (!good) failed += 1;
  process.stdout.write(`${good ? 'ok  ' : 'FAIL'} ${name}\n`);
  if (!good) process.stdout.write(`${done.stdout ?? ''}${done.stderr ?? ''}${done.error?.message ?? ''}\n`);
}
process.stdout.write(`check: ${steps.length - failed} ok, ${failed} failed\n`);
process.exitCode = failed === 0 ? 0 : 1;
