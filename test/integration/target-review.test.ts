import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { RunnerTarget } from '../support/runner-target.ts';

// A target in the hands of somebody with a stolen key. Each case was found by trying.

let target: RunnerTarget;

beforeAll(() => {
  target = new RunnerTarget();
});
afterAll(() => {
  target.remove();
});
beforeEach(() => {
  target.writePolicy();
  target.setState('loaded', 'active');
});

describe('a stolen reader key', () => {
  // Prechecks go through mcp-wrapper and count in the same minute: 240 idle requests stop every action on the host.
  it('that used up the minute of the reader channel does not stop actions', async () => {
    const [uptime = '0'] = readFileSync('/proc/uptime', 'utf8').split(' ');
    const minute = Math.floor(Number(uptime) / 60);
    // Whichever minute it is when the wrapper looks.
    for (const used of [minute, minute + 1]) {
      writeFileSync(join(target.prefix, 'run/reader/rate'), `${String(used)}\n${'.'.repeat(240)}`);
      expect((await target.ask('prepare', target.draft())).code).toBeUndefined();
    }
  });
});

describe('a stolen auto key', () => {
  // A fence makes a durable claim, which is kept for at least 30 days: without a budget it fills the disk.
  it('cannot fence without end: its budgets count what it burnt', async () => {
    target.writePolicy({ auto_limits: { pair_per_hour: 2, host_per_day: 2 } });
    const auto = { key: target.auto, namespace: 'mcp-pra-auto' };
    for (let n = 0; n < 5; n++) await target.ask('fence', target.submission(await target.propose(), [auto]));
    expect(readdirSync(join(target.prefix, 'state/claims')).length).toBeLessThan(5);
  });
});
