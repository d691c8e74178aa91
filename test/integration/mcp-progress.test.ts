import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startEmbeddedTarget, type EmbeddedTarget } from '../support/embedded-target.ts';
import { HOSTILE_AUTO, hostileCatalog } from '../support/hostile-catalog.ts';
import { operatorOn } from '../support/operator-on-target.ts';
import { approveSteps, type McpSession, type Operator } from '../support/operator.ts';

// What a real MCP client hears while a call waits: for a person, for a run, for its output.

interface Notice {
  readonly progress: number;
  readonly message?: string | undefined;
}

const catalog = hostileCatalog();
let target: EmbeddedTarget;
let operator: Operator;
let session: McpSession;

beforeAll(async () => {
  target = await startEmbeddedTarget({ catalogDir: catalog.dir, policy: { auto: HOSTILE_AUTO } });
  operator = operatorOn(target, catalog.site);
  session = await operator.serve();
});
afterAll(async () => {
  await session?.close();
  await target?.stop();
  catalog.remove();
});

/** Calls a tool and listens. */
const listening = (name: string, args: Record<string, unknown>) => {
  const notices: Notice[] = [];
  const answer = session.client.callTool({ name, arguments: args }, undefined, {
    timeout: 60_000,
    onprogress: (notice) => notices.push(notice),
  });
  return { notices, answer: answer.then(({ structuredContent }) => structuredContent) };
};
const propose = async (action: string, args: Record<string, unknown> = {}): Promise<string> => {
  const { data } = await session.call('propose_pra_action', {
    action,
    host: target.name,
    args,
    rationale: 'Progress.',
  });
  return String(data['id']);
};
/** Seconds that a notice says a person still has. */
const secondsIn = ({ message = '' }: Notice): number => {
  const [, minutes, seconds] = /^waiting for a person, (\d) min (\d+) s left$/u.exec(message) ?? [];
  return Number(minutes) * 60 + Number(seconds);
};
const expectGrowing = (notices: readonly Notice[]): void => {
  const numbers = notices.map(({ progress }) => progress);
  expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b));
};

test('while a person is waited for: at once and again, with the time that is left; a denial ends it with its reason', async () => {
  const id = await propose('rotate_demo');
  const { notices, answer } = listening('get_pra_action', { id, wait_seconds: 22 });
  await expect.poll(() => notices.length, { timeout: 50_000 }).toBeGreaterThanOrEqual(2);
  await operator.cli('deny', id, '--reason', 'not now');
  expect(await answer).toMatchObject({ state: 'DENIED', decision_note: 'not now' });
  const left = notices.map(secondsIn);
  expect(left).toEqual([...left].sort((a, b) => b - a));
  expect(Math.max(...left)).toBeLessThanOrEqual(300);
  expect(new Set(left).size).toBe(left.length);
  expectGrowing(notices);
});

test('a run: its state, then its output line by line, then the receipt', async () => {
  const id = await propose('slow_demo', { seconds: 2 });
  const approved = await operator.typed(
    ['approve', id, '--no-run'],
    approveSteps(target.approver.passphrase),
  );
  expect(approved).toMatchObject({ code: 0, missed: null });
  const { notices, answer } = listening('execute_pra_action', { id });
  expect(await answer).toMatchObject({ state: 'SUCCEEDED', output: expect.stringContaining('second 2') });
  const [first, ...others] = notices.map(({ message }) => message);
  expect(first).toMatch(/^waiting for embedded: (?:DISPATCHING|RUNNING)$/u);
  expect(others).toEqual(
    expect.arrayContaining(['untrusted output: second 1', 'untrusted output: second 2']),
  );
  expectGrowing(notices);
});

test('a call that does not wait tells nothing', async () => {
  const id = await propose('rotate_demo');
  const { notices, answer } = listening('get_pra_action', { id });
  expect(await answer).toMatchObject({ state: 'PENDING' });
  expect(notices).toEqual([]);
});

test('output as progress is masked, made plain and cut, and a flood of it is thinned; so is the result', async () => {
  const run = { host: target.name, rationale: 'Progress.', auto_approve: true };
  writeFileSync(
    join(target.demo.directory, 'note'),
    `\u202epassword=hunter2hunter2\u0007 ${'x'.repeat(5_000)}\n`,
  );
  const secret = listening('propose_pra_action', { ...run, action: 'print_note' });
  const view = JSON.stringify(await secret.answer);
  const told = secret.notices.map(({ message }) => message ?? '').join('');
  expect(told).toContain('untrusted output: ');
  expect(told + view).not.toMatch(/hunter2|[\u0007\u202e]/u);
  for (const { message = '' } of secret.notices) expect(message.length).toBeLessThanOrEqual(220);

  const started = performance.now();
  const flood = listening('propose_pra_action', {
    ...run,
    action: 'print_much',
    args: { lines: 140_000 },
  });
  const done = (await flood.answer) as Record<string, unknown>;
  expect(done).toMatchObject({ state: 'SUCCEEDED', output_truncated: true });
  expect(String(done['output']).length).toBeLessThanOrEqual(32_768);
  // At most ten a second.
  expect(flood.notices.length).toBeLessThanOrEqual(1 + (performance.now() - started) / 100);
  expectGrowing(flood.notices);
});
