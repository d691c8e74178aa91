import { readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { onPty } from '../support/on-pty.ts';
import { approveHighSteps, enrolOperator, PROGRAM } from '../support/operator.ts';
import { useOperator } from '../support/operator-home.ts';

// One person alone, for one incident, where the host's policy says so; then the review. The real program and the real pra-run.

const it = useOperator(({ approver }) => ({
  quorum: { MEDIUM: 2, HIGH: 1 },
  break_glass: { principals: [approver.principal], actions: ['rotate_demo'] },
}));

const propose = async (...more: string[]): Promise<string> => {
  const argv = ['propose', 'rotate_demo', '-H', it.target.name, '-r', 'the disk is full', '--json', ...more];
  const done = await it.operator.cli(...argv);
  const view: Record<string, unknown> = JSON.parse(done.stdout);
  return String(view['id']);
};
const WHY = { expect: 'cannot wait', send: 'nobody else answers the phone\n' };
/** A code of its own for each: one that was used is burned. */
const high = async () => {
  const otp = await enrolOperator(it.operator, it.target.approver);
  return approveHighSteps(it.target.name, it.target.approver.passphrase, otp.code());
};
const breakGlass = async (incident: string, env: NodeJS.ProcessEnv = {}) => {
  const argv = [process.execPath, PROGRAM, 'approve', await propose(), '--break-glass', incident];
  return onPty(argv, [WHY, ...(await high())], { env: { ...it.operator.env, ...env }, cwd: it.home });
};

test('one person breaks glass, and only a review lets the next incident begin', async () => {
  const rotations = it.target.demo.rotations();
  const first = await breakGlass('inc-1', { MCP_PRA_LOG: 'warn' });
  expect(first).toEqual(
    expect.objectContaining({ code: 0, missed: null, screen: expect.stringContaining('SUCCEEDED') }),
  );
  expect(first.screen).toContain('BREAK-GLASS for inc-1');
  expect(first.screen).toMatch(/"level":40,.*"code":"BREAK_GLASS".*"msg":"alarm"/u);
  expect(it.target.demo.rotations()).toBe(rotations + 1);
  expect((await it.operator.ledger('BREAK_GLASS'))[0]).toMatchObject({
    kind: 'alarm',
    detail: {
      severity: 'HIGH',
      incident: 'inc-1',
      approver: it.target.approver.principal,
      reason: 'nobody else answers the phone',
    },
  });

  // The same incident goes on within its hour; another one does not begin, and the person is told before any passphrase.
  expect((await breakGlass('inc-1')).code).toBe(0);
  const other = await it.operator.typed(['approve', await propose(), '--break-glass', 'inc-2'], [WHY]);
  expect(other).toMatchObject({ code: 3, screen: expect.stringContaining('BREAK_GLASS_REVIEW') });
  expect(it.target.demo.rotations()).toBe(rotations + 2);
  const doctor = await it.operator.cli('doctor');
  expect([doctor.code, doctor.stdout]).toEqual([1, expect.stringContaining('mcp-pra review inc-1')]);
  // Also of a host that cannot be asked; and on every HIGH sheet, wherever it is read.
  const config = readFileSync(it.operator.config, 'utf8');
  writeFileSync(it.operator.config, config.replace(`"port": ${String(it.target.port)}`, '"port": 1'));
  const silent = await it.operator.cli('doctor');
  writeFileSync(it.operator.config, config);
  expect(silent.stdout).toMatch(/does not answer; by what was sent from here[\s\S]*mcp-pra review inc-1/u);
  const shown = await it.operator.cli('show', await propose('--impact', 'HIGH'));
  expect(shown.stdout).toMatch(/REVIEW MISSING: inc-1/u);
  expect((await it.operator.cli('show', await propose())).stdout).not.toContain('REVIEW MISSING');

  const review = await it.operator.typed(
    ['review', 'inc-1', '-H', it.target.name, '-r', 'the disk was full indeed'],
    await high(),
  );
  expect(review).toEqual(
    expect.objectContaining({ code: 0, missed: null, screen: expect.stringContaining('SUCCEEDED') }),
  );
  expect(review.screen).toContain('REVIEW MISSING');
  expect((await it.operator.cli('doctor')).stdout).not.toContain('mcp-pra review');
  expect((await breakGlass('inc-2')).code).toBe(0);
});

test.each(['Inc 1', '-x', 'INC', 'a'.repeat(41)])('%s is no incident', async (incident) => {
  const id = await propose();
  const { code } = await it.operator.typed(['approve', id, `--break-glass=${incident}`], [WHY]);
  expect(code).toBe(2);
});

test('what the policy of the host does not list is refused there', async () => {
  it.target.writePolicy({
    break_glass: { principals: [it.target.approver.principal], actions: ['restart_demo'] },
  });
  const rotations = it.target.demo.rotations();
  const { code } = await breakGlass('inc-2');
  expect([code, it.target.demo.rotations()]).toEqual([3, rotations]);
});
