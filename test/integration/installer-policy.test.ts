import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

// What of a site's policy is refused before it reaches a host (installer/tables.py): a typing error must not be found out in an emergency.

const RENDER = fileURLToPath(new URL('../support/render-policy.py', import.meta.url));
const SIGNERS = ['anna namespaces="mcp-pra-high" ssh-ed25519 AAAA'];

const render = (policy: object): string =>
  execFileSync('python3', ['-B', RENDER], {
    input: JSON.stringify({ policy, allowed_signers: SIGNERS, actions: ['reload_proxy', 'restart_service'] }),
    encoding: 'utf8',
  });
const glass = (principals: readonly string[], actions: readonly string[]): string =>
  render({ break_glass: { principals, actions } });

describe('the clause break_glass', () => {
  test('is written as it is given, and is off when it is not', () => {
    expect(JSON.parse(glass(['anna'], ['reload_proxy']))).toMatchObject({
      break_glass: { principals: ['anna'], actions: ['reload_proxy'] },
    });
    expect(JSON.parse(render({}))).not.toHaveProperty('break_glass');
  });

  test.each([
    [
      'an action that there is not',
      ['anna'],
      ['reload_proxi'],
      'policy.break_glass.actions (mcp_pra_policy) names reload_proxi',
    ],
    ['a built-in word', ['anna'], ['unfreeze'], 'policy.break_glass.actions (mcp_pra_policy) names unfreeze'],
    [
      'a person who signs nothing here',
      ['ana'],
      ['reload_proxy'],
      'policy.break_glass.principals (mcp_pra_policy) names ana',
    ],
    [
      'a pattern',
      ['*'],
      ['reload_proxy'],
      'pra-run would refuse policy.break_glass (mcp_pra_policy): POLICY_BAD',
    ],
  ])('is refused with %s', (_, principals, actions, says) => {
    expect(glass(principals, actions)).toContain(`refused ${says}`);
  });

  test('is refused with another key', () => {
    expect(render({ break_glass: { principals: [], actions: [], minutes: 90 } })).toMatch(
      /^refused pra-run would refuse policy\.break_glass/u,
    );
  });
});
