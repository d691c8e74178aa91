import { readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { useOperator } from '../support/operator-home.ts';

// A change freeze in policy.rules, as people and a model meet it: the real program, a real MCP client.

const SENTENCE = "Gel jusqu'à lundi: demandez à Zoé.";
const it = useOperator();

const setRules = (rules: readonly object[]): void => {
  const config: Record<string, unknown> = JSON.parse(readFileSync(it.operator.config, 'utf8'));
  writeFileSync(it.operator.config, JSON.stringify({ ...config, policy: { rules } }));
};
const propose = () => it.operator.cli('propose', 'rotate_demo', '-H', it.target.name, '-r', 'full', '--json');

test('people read the sentence of the rule, a model its name; what stops things is not refused', async () => {
  const id = String((JSON.parse((await propose()).stdout) as Record<string, unknown>)['id']);
  setRules([{ name: 'year-end', refuse: SENTENCE }]);

  const refused = await propose();
  expect(refused.code).toBe(3);
  expect(JSON.parse(refused.stdout)).toMatchObject({
    error: { code: 'RULE_REFUSED', details: [`year-end: ${SENTENCE}`] },
  });
  const session = await it.operator.serve();
  const call = { action: 'rotate_demo', host: it.target.name, args: {}, rationale: 'A test.' };
  const answer = await session.call('propose_pra_action', call);
  await session.close();
  expect(answer).toMatchObject({ isError: true, text: expect.stringContaining('RULE_REFUSED') });
  expect(answer.text).toContain('year-end');
  expect(answer.text).not.toMatch(/Gel|Zo/u);

  // It can still be read, and refused for good.
  const shown = await it.operator.cli('show', id);
  expect(shown).toMatchObject({ code: 0, stdout: expect.stringContaining('rotate_demo') });
  expect(shown.stderr).toContain(`year-end: ${SENTENCE}`);
  const approving = await it.operator.typed(['approve', id], []);
  expect(approving).toMatchObject({ code: 3, screen: expect.stringContaining('RULE_REFUSED') });
  expect(approving.screen).not.toContain('assphrase');
  expect((await it.operator.cli('deny', id)).code).toBe(0);
  const frozen = await it.operator.typed(
    ['freeze', '--host', it.target.name, '-r', 'somebody is in'],
    [{ expect: '[Pp]assphrase', send: `${it.target.approver.passphrase}\n` }],
  );
  expect(frozen).toMatchObject({ code: 0, missed: null });
});
