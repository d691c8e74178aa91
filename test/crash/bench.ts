// npm run bench:crash -- [--seed N] [--count N] [--hosts N] [--from I | --only I] [--moments-only]
import { parseArgs } from 'node:util';
import { disturbAt, undisturbed, type Result } from './disturb.ts';
import { crashLab, type Lane } from './lane.ts';
import { race, runOutages, runPowerOff } from './outages.ts';
import { drawMoment } from './moments.ts';
import { Report } from './report.ts';
import { allScenarios, disturbIn } from './scenarios.ts';

const say = (line: string): void => void process.stdout.write(`${line}\n`);

const number = (text: string | undefined, or: number): number => {
  if (text === undefined) return or;
  if (!/^\d{1,9}$/u.test(text)) throw new Error(`not a number: ${text}`);
  return Number(text);
};

/** Each lane takes the next piece of work when it is free. */
const share = async <T>(
  lanes: readonly Lane[],
  work: readonly T[],
  one: (lane: Lane, item: T) => Promise<void>,
) => {
  const left = [...work];
  await Promise.all(
    lanes.map(async (lane) => {
      for (let item = left.shift(); item !== undefined; item = left.shift()) await one(lane, item);
    }),
  );
};

const main = async (): Promise<boolean> => {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string' },
      count: { type: 'string' },
      hosts: { type: 'string' },
      only: { type: 'string' },
      from: { type: 'string' },
      'moments-only': { type: 'boolean' },
    },
  });
  const seed = number(values.seed, Math.floor(Math.random() * 1e9));
  const count = number(values.count, 500);
  const only = values.only === undefined ? undefined : number(values.only, 0);
  const from = number(values.from, 0);
  const momentsOnly = only !== undefined || values['moments-only'] === true;
  const hosts = number(values.hosts, only === undefined ? 2 : 1);
  const report = new Report(say);
  say(`seed ${String(seed)}, ${String(count)} moments, ${String(hosts)} hosts`);
  // One more, to be switched off.
  const crash = await crashLab(hosts + (momentsOnly ? 0 : 1), say);
  const lanes = crash.lanes.slice(0, hosts);
  const [leaving] = crash.lanes.slice(hosts);
  try {
    await Promise.all(lanes.map(undisturbed));
    say(`to run one moment again: npm run bench:crash -- --seed ${String(seed)} --only <index>`);
    const one = async (result: Promise<Result>): Promise<void> => report.add(await result);
    const poweredOff = leaving === undefined ? undefined : runPowerOff(leaving);
    if (!momentsOnly) {
      await share(lanes, allScenarios(), (lane, scenario) => one(disturbIn(lane, scenario)));
      report.close('transitions');
      const [first] = lanes;
      if (first !== undefined) {
        report.race(await race(first, 20));
        await runOutages(first, (result) => report.add(result));
      }
      report.close('outages');
    }
    const indexes = only === undefined ? Array.from({ length: count }, (_, at) => at).slice(from) : [only];
    await share(lanes, indexes, (lane, index) => one(disturbAt(lane, drawMoment(seed, index))));
    report.close('moments');
    if (poweredOff !== undefined) await one(poweredOff);
    report.close('power-off');
    await report.judgeAgain(lanes);
  } finally {
    await crash.down();
  }
  return report.summary(seed);
};

process.exitCode = (await main()) ? 0 : 1;
