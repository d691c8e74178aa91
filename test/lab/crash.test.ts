import { appendFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { disturbAt, undisturbed } from '../crash/disturb.ts';
import { crashLab, type CrashLab, type Lane } from '../crash/lane.ts';
import { drawMoment } from '../crash/moments.ts';
import { race, runOutages } from '../crash/outages.ts';
import { Report } from '../crash/report.ts';
import { allScenarios, disturbIn } from '../crash/scenarios.ts';
import { labAvailable } from './lab.ts';

// A small crash harness (docs/crash.md); `npm run bench:crash` has 500 moments and a host that is switched off. Each run has moments
// of its own: a failure says which, and they can be run again from the seed.

const available = await labAvailable();
if (!available.ok && process.env['MCP_PRA_LAB'] === 'required') throw new Error(available.missing);

const SEED = Number(process.env['MCP_PRA_SEED'] ?? Date.now() % 1_000_000_000);
const MOMENTS = 16;

let crash: CrashLab;
const lines: string[] = [];
const report = new Report((line) => lines.push(line));
const said = (): string => lines.join('\n');

beforeAll(async () => {
  crash = await crashLab(2);
});

afterAll(async () => {
  report.summary(SEED);
  const { MCP_PRA_SUMMARY: file } = process.env;
  if (file !== undefined) appendFileSync(file, `${lines.at(-1) ?? ''}\n`);
  await crash?.down();
});

/** Each host takes the next piece of work when it is free. */
const share = async <T>(work: readonly T[], one: (lane: Lane, item: T) => Promise<void>): Promise<void> => {
  const left = [...work];
  await Promise.all(
    crash.lanes.map(async (lane) => {
      for (let item = left.shift(); item !== undefined; item = left.shift()) await one(lane, item);
    }),
  );
};

const LIMIT = { timeout: 900_000 };

describe.skipIf(!available.ok)('a crash', () => {
  test(
    'of twenty executors of one approval: one dispatches, one execution, and all see the same end',
    LIMIT,
    async () => {
      const [lane] = crash.lanes as [Lane];
      const result = await race(lane, 20);
      expect(result).toMatchObject({ together: 20, dispatched: 1, begun: 1, outcome: 'SUCCEEDED' });
      expect(new Set(result.codes)).toEqual(new Set([0]));
    },
  );

  test(
    'at every transition and every step on the host ends in the one state that is true',
    LIMIT,
    async () => {
      await share(allScenarios(), async (lane, scenario) => report.add(await disturbIn(lane, scenario)));
      report.close('transitions');
      expect(report.problems, said()).toEqual([]);
    },
  );

  test(`at random moments (seed ${String(SEED)}) does too`, LIMIT, async () => {
    await Promise.all(crash.lanes.map(undisturbed));
    const indexes = Array.from({ length: MOMENTS }, (_, index) => index);
    await share(indexes, async (on, index) => report.add(await disturbAt(on, drawMoment(SEED, index))));
    report.close(`moments of seed ${String(SEED)}`);
    expect(report.problems, said()).toEqual([]);
  });

  test(
    'of the network or of the host itself in the middle of an action ends in what became of it',
    LIMIT,
    async () => {
      const [, lane] = crash.lanes as [Lane, Lane];
      await runOutages(lane, (result) => report.add(result));
      report.close('outages');
      expect(report.problems, said()).toEqual([]);
    },
  );

  test('leaves nothing that changes later, and ledgers that hold', LIMIT, async () => {
    await report.judgeAgain(crash.lanes);
    expect(report.problems, said()).toEqual([]);
  });
});
