import { expect, test } from 'vitest';
import { Policy } from '../../../src/request/policy.ts';
import type { Grant } from '../../../src/request/grant.ts';
import type { Channel, ChannelResult } from '../../../src/request/ports.ts';
import { RunnerClient, targetRefusal } from '../../../src/request/runner-client.ts';
import { targetAdvice } from '../../../src/messages/target-en.ts';

const policy = new Policy([{ name: 'web1', tags: [], groups: [] }], {
  denyActions: [],
  raise: {},
  autoApprove: true,
  rules: [],
});
const version = {
  event: 'version',
  host: 'web1',
  host_key: `SHA256:${'a'.repeat(43)}`,
  scripts: {},
  actions: {},
  policy: `sha256:${'b'.repeat(64)}`,
  boot_id: '12345678-1234-4234-8234-123456789abc',
  boottime_ms: 1,
  wallclock: '2026-11-21T00:00:00Z',
  frozen: null,
  break_glass: null,
};
const whole = `mcp-pra 1\n${JSON.stringify(version)}\n`;

/** A channel on which each exec ends as told: lost after a part of the answer, or answered in full. */
const channelOf = (...ends: readonly ('lost' | 'answered')[]) => {
  const grants: Grant[] = [];
  const channel: Channel = {
    run: (grant, options): Promise<ChannelResult> => {
      const end = ends[grants.length] ?? 'lost';
      grants.push(grant);
      const stdout = Buffer.from(end === 'lost' ? whole.slice(0, 40) : whole);
      options?.onStdout?.(stdout);
      const exit = end === 'lost' ? undefined : 0;
      return Promise.resolve({ stdout, stderr: Buffer.alloc(0), exit, durationMs: 1 });
    },
    hostKeys: () => Promise.resolve([]),
    close: () => Promise.resolve(),
  };
  return { channel, grants };
};

test('`version` whose connection is lost in the middle is asked once more, from its beginning', async () => {
  const { channel, grants } = channelOf('lost', 'answered');
  expect(await new RunnerClient(channel, policy).version('web1')).toEqual(version);
  expect(grants.map(({ line }) => line)).toEqual(['version', 'version']);
  expect(grants[1]?.seconds).toBeLessThanOrEqual(grants[0]?.seconds ?? 0);
});

test('but not a third time', async () => {
  const { channel, grants } = channelOf('lost', 'lost', 'answered');
  await expect(new RunnerClient(channel, policy).version('web1')).rejects.toMatchObject({
    code: 'ANSWER_BAD',
  });
  expect(grants).toHaveLength(2);
});

test.each(Object.entries(targetAdvice))('%s: what to do about it is said in full', (code, advice) => {
  expect(targetRefusal('web1', 'pra-run', code).hint).toBe(advice);
});
