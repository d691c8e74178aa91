import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { EMBEDDED_CATALOG, startEmbeddedTarget, type EmbeddedTarget } from '../support/embedded-target.ts';
import { approveHighSteps, enrolOperator, makeOperator, type Operator } from '../support/operator.ts';

// One person alone, for one incident, where the host's policy says so; then the review. The real program and the real pra-run.

let home: string;
let target: EmbeddedTarget;
let operator: Operator;

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'mcp-pra-glass-'));
  target = await startEmbeddedTarget();
  target.writePolicy({
    quorum: { MEDIUM: 2, HIGH: 1 },
    break_glass: { principals: [target.approver.principal], actions: ['rotate_demo'] },
  });
  operator = makeOperator({
    home,
    hosts: { [target.name]: { address: target.address, port: target.port } },
    keys: { reader: target.readerKey, runner: target.runnerKey, auto: target.autoKey.path },
    approver: { principal: target.approver.principal, key: target.approver.path },
    knownHosts: target.knownHostsPath,
    more: { catalog: { builtin: false, dirs: [EMBEDDED_CATALOG] } },
  });
});
afterAll(async () => {
  await target?.stop();
  rmSync(home, { recursive: true, force: true });
});

const propose = async (): Promise<string> => {
  const done = await operator.cli(
    'propose',
    'rotate_demo',
    '-H',
    target.name,
    '-r',
    'the disk is full',
    '--json',
  );
  const view: Record<string, unknown> = JSON.parse(done.stdout);
  return String(view['id']);
};
const WHY = { expect: 'cannot wait', send: 'nobody else answers the phone\n' };
/** A code of its own for each: one that was used is burned. */
const high = async () => {
  const otp = await enrolOperator(operator, target.approver);
  return approveHighSteps(target.name, target.approver.passphrase, otp.code());
};
const breakGlass = async (incident: string) =>
  operator.typed(['approve', await propose(), '--break-glass', incident], [WHY, ...(await high())]);

test('one person breaks glass, and only a review lets the next incident begin', async () => {
  const rotations = target.demo.rotations();
  const first = await breakGlass('inc-1');
  expect(first).toEqual(
    expect.objectContaining({ code: 0, missed: null, screen: expect.stringContaining('SUCCEEDED') }),
  );
  expect(first.screen).toContain('BREAK-GLASS for inc-1');
  expect(target.demo.rotations()).toBe(rotations + 1);
  expect((await operator.ledger('BREAK_GLASS'))[0]?.detail).toMatchObject({
    incident: 'inc-1',
    approver: target.approver.principal,
    reason: 'nobody else answers the phone',
  });

  // The same incident goes on within its hour; another one does not begin, and the person is told before any passphrase.
  expect((await breakGlass('inc-1')).code).toBe(0);
  const other = await operator.typed(['approve', await propose(), '--break-glass', 'inc-2'], [WHY]);
  expect(other).toMatchObject({ code: 3, screen: expect.stringContaining('BREAK_GLASS_REVIEW') });
  expect(target.demo.rotations()).toBe(rotations + 2);
  const doctor = await operator.cli('doctor');
  expect([doctor.code, doctor.stdout]).toEqual([1, expect.stringContaining('mcp-pra review inc-1')]);

  const review = await operator.typed(
    ['review', 'inc-1', '-H', target.name, '-r', 'the disk was full indeed'],
    await high(),
  );
  expect(review).toEqual(
    expect.objectContaining({ code: 0, missed: null, screen: expect.stringContaining('SUCCEEDED') }),
  );
  expect(review.screen).toContain('REVIEW MISSING');
  expect((await operator.cli('doctor')).stdout).not.toContain('mcp-pra review');
  expect((await breakGlass('inc-2')).code).toBe(0);
});

test.each(['Inc 1', '-x', 'INC', 'a'.repeat(41)])('%s is no incident', async (incident) => {
  const id = await propose();
  const { code } = await operator.typed(['approve', id, `--break-glass=${incident}`], [WHY]);
  expect(code).toBe(2);
});

test('what the policy of the host does not list is refused there', async () => {
  target.writePolicy({ break_glass: { principals: [target.approver.principal], actions: ['restart_demo'] } });
  const rotations = target.demo.rotations();
  const { code } = await breakGlass('inc-2');
  expect([code, target.demo.rotations()]).toEqual([3, rotations]);
});
