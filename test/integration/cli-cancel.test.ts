import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { changedCatalog, type ChangedCatalog } from '../support/changed-catalog.ts';
import { startEmbeddedTarget, type EmbeddedTarget } from '../support/embedded-target.ts';
import { operatorOn } from '../support/operator-on-target.ts';
import { approveSteps, type Operator } from '../support/operator.ts';

// Stopping a run in the middle, as a person does it: the real program on a terminal, the real pra-run.

let catalog: ChangedCatalog;
let target: EmbeddedTarget;
let operator: Operator;

beforeAll(async () => {
  catalog = changedCatalog((folder) => {
    appendFileSync(join(folder, 'actions/slow_demo.yaml'), 'cancellable: true\n');
  });
  target = await startEmbeddedTarget({ catalogDir: catalog.dir });
  operator = operatorOn(target, catalog.site, { more: { promote: [] } });
});
afterAll(async () => {
  await target?.stop();
  catalog?.remove();
});

const passphrase = () => ({ expect: '[Pp]assphrase', send: `${target.approver.passphrase}\n` });
const begin = async (action: string, ...args: readonly string[]): Promise<string> => {
  const done = await operator.cli('propose', action, ...args, '-H', target.name, '-r', 'x', '--json');
  const { id } = JSON.parse(done.stdout) as { id: string };
  const { code, screen } = await operator.typed(
    ['approve', id, '--no-run'],
    approveSteps(target.approver.passphrase),
  );
  expect(code, screen).toBe(0);
  return id;
};

test('a run is stopped by one screen and a passphrase: effects and ticket first, then how the host says it ended', async () => {
  const id = await begin('slow_demo', 'seconds=20');
  const before = target.demo.slowRuns();
  const run = operator.cli('execute', id);
  await vi.waitUntil(() => target.demo.slowRuns() > before, { timeout: 20_000 });
  const { screen, missed } = await operator.typed(['cancel', id, '-r', 'the wrong host'], [passphrase()]);
  expect(missed, screen).toBeNull();
  const parts = [
    'Stop slow_demo',
    'INTERRUPTED',
    'mcp-pra ticket v1',
    'kind cancel',
    'the%20wrong%20host',
    'Passphrase of',
  ];
  const order = parts.map((part) => screen.indexOf(part));
  expect(Math.min(...order)).toBeGreaterThan(-1);
  expect(order).toEqual([...order].sort((a, b) => a - b));
  // No question besides: it is a stop button.
  expect(screen).not.toContain('[y/N]');
  expect(screen).toMatch(/state\s+INTERRUPTED/u);
  expect((await run).stdout).toContain('INTERRUPTED');
  expect((await operator.ledger('CANCEL'))[0]?.detail).toMatchObject({ reason: 'the wrong host' });
});

test('what cannot be stopped, or does not run, is said before anything is typed', async () => {
  const id = await begin('rotate_demo');
  const waiting = await operator.typed(['cancel', id, '-r', 'x'], []);
  expect(waiting).toMatchObject({ code: 3, screen: expect.stringContaining('STATE_CONFLICT') });
  expect(waiting.screen).not.toContain('Passphrase of');
});
