import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { EMBEDDED_CATALOG, startEmbeddedTarget, type EmbeddedTarget } from '../support/embedded-target.ts';
import { makeOperator, type Operator } from '../support/operator.ts';

// A change freeze in policy.rules, as people and a model meet it: the real program, a real MCP client.

const SENTENCE = "Gel jusqu'à lundi: demandez à Zoé.";
let home: string;
let target: EmbeddedTarget;
let operator: Operator;

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'mcp-pra-rules-'));
  target = await startEmbeddedTarget();
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

const setRules = (rules: readonly object[]): void => {
  const config: Record<string, unknown> = JSON.parse(readFileSync(operator.config, 'utf8'));
  writeFileSync(operator.config, JSON.stringify({ ...config, policy: { rules } }));
};
const propose = () => operator.cli('propose', 'rotate_demo', '-H', target.name, '-r', 'full', '--json');

test('people read the sentence of the rule, a model its name; what stops things is not refused', async () => {
  const id = String((JSON.parse((await propose()).stdout) as Record<string, unknown>)['id']);
  setRules([{ name: 'year-end', refuse: SENTENCE }]);

  const refused = await propose();
  expect(refused.code).toBe(3);
  expect(JSON.parse(refused.stdout)).toMatchObject({
    error: { code: 'RULE_REFUSED', details: [`year-end: ${SENTENCE}`] },
  });
  const session = await operator.serve();
  const call = { action: 'rotate_demo', host: target.name, args: {}, rationale: 'A test.' };
  const answer = await session.call('propose_pra_action', call);
  await session.close();
  expect(answer).toMatchObject({ isError: true, text: expect.stringContaining('RULE_REFUSED') });
  expect(answer.text).toContain('year-end');
  expect(answer.text).not.toMatch(/Gel|Zo/u);

  // It can still be read, and refused for good.
  const shown = await operator.cli('show', id);
  expect(shown).toMatchObject({ code: 0, stdout: expect.stringContaining('rotate_demo') });
  expect(shown.stderr).toContain(`year-end: ${SENTENCE}`);
  const approving = await operator.typed(['approve', id], []);
  expect(approving).toMatchObject({ code: 3, screen: expect.stringContaining('RULE_REFUSED') });
  expect(approving.screen).not.toContain('assphrase');
  expect((await operator.cli('deny', id)).code).toBe(0);
  const frozen = await operator.typed(
    ['freeze', '--host', target.name, '-r', 'somebody is in'],
    [{ expect: '[Pp]assphrase', send: `${target.approver.passphrase}\n` }],
  );
  expect(frozen).toMatchObject({ code: 0, missed: null });
});
