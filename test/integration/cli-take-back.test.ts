import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { changedCatalog, type ChangedCatalog } from '../support/changed-catalog.ts';
import { startEmbeddedTarget, type EmbeddedTarget } from '../support/embedded-target.ts';
import { operatorOn } from '../support/operator-on-target.ts';
import { approveSteps, type Operator } from '../support/operator.ts';

// Taking back what was approved, and what has run: the real program, the real pra-run.

let catalog: ChangedCatalog;
let target: EmbeddedTarget;
let operator: Operator;

beforeAll(async () => {
  catalog = changedCatalog((folder) => {
    appendFileSync(
      join(folder, 'actions/slow_demo.yaml'),
      'undo_action: {action: restart_demo, args: {service: demo}}\n',
    );
  });
  target = await startEmbeddedTarget({ catalogDir: catalog.dir });
  operator = operatorOn(target, catalog.site, { more: { promote: [] } });
});
afterAll(async () => {
  await target?.stop();
  catalog?.remove();
});

interface Shown {
  readonly id: string;
  readonly state: string;
  readonly next: string;
  readonly undo_of: string | null;
  readonly args: Readonly<Record<string, string>>;
}
const json = async (...argv: readonly string[]): Promise<Shown> =>
  JSON.parse((await operator.cli(...argv, '--json')).stdout) as Shown;
const propose = async (...action: readonly string[]): Promise<string> =>
  (await json('propose', ...action, '-H', target.name, '-r', 'x')).id;
const approve = async (id: string, ...more: readonly string[]): Promise<string> => {
  const { code, screen } = await operator.typed(
    ['approve', id, ...more],
    approveSteps(target.approver.passphrase),
  );
  expect(code, screen).toBe(0);
  return screen;
};

describe('unapprove', () => {
  test('takes an approval back with no key: the host signs that it never ran, and it never does', async () => {
    const id = await propose('rotate_demo');
    await approve(id, '--no-run');
    const rotations = target.demo.rotations();
    const { code, stdout } = await operator.cli('unapprove', id, '-r', 'the wrong host');
    expect([code, stdout]).toEqual([
      0,
      expect.stringContaining(`${target.name} signed that ${id} never ran`),
    ]);
    expect(await json('show', id)).toMatchObject({
      state: 'REVOKED',
      decision_note: 'the wrong host',
      receipt: { state: 'NEVER_STARTED' },
    });
    expect((await operator.cli('execute', id)).code).toBe(3);
    expect(target.demo.rotations()).toBe(rotations);
    // Once more: told, not done again.
    expect((await operator.cli('unapprove', id)).code).toBe(0);
    expect(await operator.ledger('revoke')).toHaveLength(1);
  });

  test('of what nobody has signed is refused, and says what to do instead', async () => {
    const id = await propose('rotate_demo');
    const { code, stderr } = await operator.cli('unapprove', id);
    expect([code, stderr]).toEqual([3, expect.stringContaining('NOT_SIGNED')]);
    expect(stderr).toContain(`mcp-pra deny ${id}`);
    expect((await json('show', id)).state).toBe('PENDING');
  });

  test('of what ran comes too late, and says so', async () => {
    const id = await propose('rotate_demo');
    await approve(id);
    const { code, stdout } = await operator.cli('unapprove', id);
    expect([code, stdout]).toEqual([1, expect.stringMatching(/Too late: .* SUCCEEDED/u)]);
  });
});

describe('undo', () => {
  test('proposes what the definition says, shown at the approval before: for a run that has ended', async () => {
    const id = await propose('slow_demo', 'seconds=1');
    const early = await operator.cli('undo', id);
    expect([early.code, early.stderr]).toEqual([3, expect.stringContaining('STATE_CONFLICT')]);
    const screen = await approve(id);
    expect(screen).toContain('mcp-pra undo proposes restart_demo service=demo');
    expect((await json('show', id)).next).toContain(`mcp-pra undo ${id}`);

    const { id: back } = await json('undo', id);
    const request = await json('show', back);
    expect(request).toMatchObject({
      state: 'PENDING',
      action: 'restart_demo',
      args: { service: 'demo' },
      undo_of: id,
    });
    expect((await operator.cli('show', back)).stdout).toMatch(new RegExp(`takes back +${id}`, 'u'));
    const pid = target.demo.pid();
    await approve(back);
    expect(target.demo.pid()).not.toBe(pid);
  });

  test('of what declares no way back is refused', async () => {
    const id = await propose('rotate_demo');
    await approve(id);
    const { code, stderr } = await operator.cli('undo', id);
    expect([code, stderr]).toEqual([3, expect.stringContaining('UNDO_NONE')]);
  });
});
