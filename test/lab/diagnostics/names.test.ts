import { afterAll, beforeAll, expect, test } from 'vitest';
import { lookingLab, textOf, type LookingLab } from './looking.ts';
import { genuine } from './proof.ts';

const NAMES = {
  log: { syslog: '/var/log/syslog', 'nginx-access': '/var/log/nginx/access.log' },
  endpoint: { web: '127.0.0.1:80' },
};

let on: LookingLab;

beforeAll(async () => {
  on = await lookingLab({ names: NAMES });
});

afterAll(async () => {
  await on?.lab.down();
});

test(genuine('named_things', 'the names of its inventory, and nothing of what is behind them'), async () => {
  const { status, facts, answer } = await on.capture('named_things', 'debian-12', 'three names of two kinds');
  expect(status).toBe('ok');
  expect(facts).toEqual({
    count: 3,
    names: [
      { kind: 'endpoint', name: 'web' },
      { kind: 'log', name: 'nginx-access' },
      { kind: 'log', name: 'syslog' },
    ],
  });
  expect(textOf({ answer })).not.toMatch(/var.log|127\.0/u);

  await on.host.sh('mv /etc/mcp-pra/names /etc/mcp-pra/gone');
  const without = await on.look('named_things');
  expect(without).toMatchObject({ status: 'not_present', facts: {} });
});
