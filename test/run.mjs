// `npm test [filter…]`: unit, integration and, where it can, the lab. The last line is `N passed, N failed, N skipped`.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { install, need, node, root } from './support/install.mjs';

need({ python3: 'python3', 'ssh-keygen': 'openssh-client', ssh: 'openssh-client' });
install();

const required = process.env.MCP_PRA_LAB === 'required';
let running;
let interrupted = false;
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => {
    interrupted = true;
    running?.kill(signal);
  });
}
const run = (script, args, stdio = 'inherit') =>
  new Promise((resolve) => {
    const child = spawn(node, [join(root, script), ...args], { cwd: root, stdio });
    running = child;
    child.on('close', (code) => {
      // Whoever interrupts wants an end, not the next project; the child has taken down what it had brought up.
      if (interrupted) process.exit(130);
      resolve(code ?? 1);
    });
  });

if (required && (await run('test/lab/lab.ts', ['deps'])) !== 0) process.exit(1);
const lab = (await run('test/lab/lab.ts', ['available'])) === 0;
if (required && !lab) process.exit(1);
if ((await run('test/support/build.mjs', [])) !== 0) process.exit(1);

const reports = mkdtempSync(join(tmpdir(), 'mcp-pra-test-'));
process.on('exit', () => rmSync(reports, { recursive: true, force: true }));
// What a suite wants said at the end, a line each: a count in the middle of a long run is read by nobody.
process.env.MCP_PRA_SUMMARY = join(reports, 'summary');
const totals = { passed: 0, failed: 0, skipped: 0 };
// Said again at the very end: in a run of half an hour nobody finds the one line that matters.
const failures = [];
const describeFailure = (project, path, test, message) => {
  const lines = stripVTControlCharacters(message)
    .split('\n')
    .filter((line) => !/^\s+at (?:new Promise|.*(?:node_modules|node:))/u.test(line));
  failures.push(
    `FAILED ${project} ${relative(root, path)}${test === '' ? '' : ` > ${test}`}`,
    ...lines.slice(0, 30).map((line) => `    ${line.slice(0, 500)}`),
  );
};
let broken = false;
// The lab last and alone: its hosts want the cores for themselves.
for (const project of ['unit', 'integration', ...(lab ? ['lab'] : [])]) {
  const report = join(reports, `${project}.json`);
  const code = await run('node_modules/vitest/vitest.mjs', [
    'run',
    '--project',
    project,
    '--passWithNoTests', // a filter may leave a project without any
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${report}`,
    ...process.argv.slice(2),
  ]);
  try {
    const seen = JSON.parse(readFileSync(report, 'utf8'));
    totals.passed += seen.numPassedTests;
    totals.failed += seen.numFailedTests;
    totals.skipped += seen.numPendingTests + seen.numTodoTests;
    // A file that fails before its first test, or after its last one, counts nowhere else.
    let stillborn = 0;
    for (const { name, status, message, assertionResults } of seen.testResults) {
      const failed = assertionResults.filter((test) => test.status === 'failed');
      for (const test of failed)
        describeFailure(project, name, test.fullName, test.failureMessages.join('\n'));
      if (status !== 'failed' || failed.length > 0) continue;
      describeFailure(project, name, '', message);
      stillborn += 1;
    }
    totals.failed += stillborn;
    if (code !== 0 && seen.numFailedTests + stillborn === 0) broken = true;
  } catch {
    broken = true;
  }
}
if (broken) {
  totals.failed += 1;
  failures.push('FAILED a run ended without saying which test failed; see above');
}
if (!lab) {
  process.stdout.write(
    'Not run: the lab (booted Debian hosts). To run it: sudo MCP_PRA_LAB=required npm test\n',
  );
}
if (existsSync(process.env.MCP_PRA_SUMMARY)) process.stdout.write(readFileSync(process.env.MCP_PRA_SUMMARY));
for (const line of failures) process.stdout.write(`${line}\n`);
process.stdout.write(`${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped\n`);
process.exitCode = totals.failed === 0 && totals.passed > 0 ? 0 : 1;
