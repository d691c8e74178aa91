import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { SEED } from '../support/mutations.ts';
import { frame, newId, RunnerTarget, signingsOf, type Said, type Signing } from '../support/runner-target.ts';

// What holds of a target whatever is done to it: a ticket is used up once, no clock of anybody's choosing matters, and what was
// changed by a byte is another ticket. Repeat the changes, or look further, with MCP_PRA_SEED=<number>.

let target: RunnerTarget;
let low: Signing;
let medium: Signing;
let high: Signing;

beforeAll(() => {
  target = new RunnerTarget();
  ({ low, medium, high } = signingsOf(target.anna));
});
afterAll(() => {
  target.remove();
});
beforeEach(() => {
  for (const path of ['etc/frozen', 'state/break-glass.json'])
    rmSync(join(target.prefix, path), { force: true });
});

const freezeNow = (): Promise<Said> => target.ask('freeze', target.freeze(target.freezeTicket(), [medium]));
const breakGlass = async (): Promise<Said> => {
  target.writePolicy({ break_glass: { principals: ['anna'], actions: ['medium_thing'] } });
  const parts = target.parts(await target.propose({ action: 'medium_thing' }), [medium], {
    approval: 'break-glass',
    incident: 'inc-1',
  });
  return target.ask('medium_thing', frame(parts));
};

/** A fresh submission of each kind that claims an id. */
const SUBMISSIONS: readonly (readonly [word: string, make: () => Promise<string>])[] = [
  [
    'low_thing',
    async () =>
      target.submission(await target.propose({ args: [['unit', 'count.service']], id: newId() }), [low]),
  ],
  ['freeze', () => Promise.resolve(target.freeze(target.freezeTicket(), [medium]))],
  [
    'unfreeze',
    async () => {
      await freezeNow();
      const proposal = await target.propose({ action: 'unfreeze', args: [] });
      return target.submission(proposal, [high], { kind: 'unfreeze' });
    },
  ],
  [
    'review',
    async () => {
      await breakGlass();
      const proposal = await target.propose({ action: 'review', args: [['incident', 'inc-1']] });
      return target.submission(proposal, [{ key: target.bert, namespace: 'mcp-pra-high' }], {
        kind: 'review',
      });
    },
  ],
];

const RACERS = 20;
/** How often `count.service` was run. */
const runsSoFar = (): number => {
  const path = `${target.program}.count`;
  return existsSync(path) ? readFileSync(path, 'utf8').split('\n').length - 1 : 0;
};

describe(`${String(RACERS)} processes with one ticket`, () => {
  it.each(SUBMISSIONS)('of %s claim it once', async (word, make) => {
    const text = await make();
    const runsBefore = runsSoFar();
    const id = /^id (.*)$/mu.exec(text)?.[1] ?? '';
    const all = await Promise.all(Array.from({ length: RACERS }, () => target.ask(word, text)));
    const claims = all.filter(({ events }) => events.some(({ event }) => event === 'claimed')).length;
    const codes = all.map(({ code }) => code ?? 'ok');
    const chained = readdirSync(join(target.prefix, 'state/receipts')).filter(
      (name) => name === `${id}.json`,
    );
    const replays = codes.filter((code) => code === 'REPLAYED').length;
    process.stdout
      .write(`${word}: ${String(RACERS)} processes, ${String(claims)} claim, ${String(replays)} replays
`);
    expect([claims, chained.length]).toEqual([1, 1]);
    expect(runsSoFar() - runsBefore).toBe(word === 'low_thing' ? 1 : 0);
    // Who waited for the lock too long is told so; nobody is told anything else.
    expect(codes.filter((code) => !['ok', 'REPLAYED', 'BUSY'].includes(code))).toEqual([]);
    expect(codes.filter((code) => code === 'ok')).toHaveLength(1);
    const finals = new Set(
      all
        .filter(({ code }) => code === undefined || code === 'REPLAYED')
        .map((said) => target.receipt(said).state),
    );
    expect([...finals].filter((state) => state !== 'RUNNING')).toEqual(['SUCCEEDED']);
  });
});

describe('a wall clock that was stepped', () => {
  const PAST = { issued: '2001-01-01T00:00:00Z', expires: '2001-01-01T00:05:00Z' };
  const FUTURE = { issued: '2199-01-01T00:00:00Z', expires: '2199-01-01T00:05:00Z' };

  it.each([
    ['far behind', PAST],
    ['far ahead', FUTURE],
  ])('%s, warns and blocks nothing', async (_, times) => {
    const said = await target.ask('low_thing', target.submission(await target.propose(), [low], times));
    expect([said.exit, said.warnings, target.receipt(said).state]).toEqual([0, ['CLOCK_SKEW'], 'SUCCEEDED']);
  });

  it.each([
    ['far behind', PAST],
    ['far ahead', FUTURE],
  ])('%s, extends nothing: the offer’s age counts', async (_, times) => {
    const aged = target.forgeOffer(await target.propose(), (text) =>
      text.replace(
        /^boottime (\d+)$/mu,
        (__, ms: string) => `boottime ${String(Math.max(0, Number(ms) - 480_001))}`,
      ),
    );
    expect((await target.ask('low_thing', target.submission(aged, [low], times))).code).toBe('OFFER_EXPIRED');
  });
});

/** One change of some bytes: a bit flipped, a byte put in, taken out or replaced. */
const CHANGE = fc.record({
  how: fc.constantFrom('flip', 'insert', 'delete', 'replace'),
  at: fc.nat(),
  byte: fc.oneof(fc.constantFrom(...Buffer.from('\n \0-=:%/+0A')), fc.integer({ min: 0, max: 255 })),
});
const changed = (bytes: Buffer, { how, at, byte }: { how: string; at: number; byte: number }): Buffer => {
  const place = at % bytes.length;
  const [head, here, tail] = [bytes.subarray(0, place), bytes[place] ?? 0, bytes.subarray(place + 1)];
  const put =
    how === 'flip'
      ? [here ^ (1 << (byte % 8))]
      : how === 'insert'
        ? [byte, here]
        : how === 'replace'
          ? [byte]
          : [];
  return Buffer.concat([head, Buffer.from(put), tail]);
};

const EACH = 400;
const judged = (word: string, cases: readonly Buffer[]): string[] => {
  const judge = join(import.meta.dirname, '../support/judge-submission.py');
  const input = JSON.stringify(cases.map((bytes) => ({ word, bytes: bytes.toString('base64') })));
  const options = { input, maxBuffer: 1 << 24 };
  return JSON.parse(
    execFileSync('/usr/bin/python3', ['-IS', judge, join(target.prefix, 'bin/pra-run')], options).toString(),
  ) as string[];
};

describe(`a submission changed by one byte, seed ${String(SEED)}`, () => {
  it.each(SUBMISSIONS)('of %s is refused', async (word, make) => {
    const whole = Buffer.from(await make());
    const cases = fc
      .sample(CHANGE, { seed: SEED, numRuns: EACH })
      .map((change) => changed(whole, change))
      .filter((bytes) => !bytes.equals(whole));
    const verdicts = judged(word, [whole, ...cases]);
    expect(verdicts[0]).toBe('ok');
    const taken = cases.filter((_, index) => verdicts[index + 1] === 'ok');
    expect(taken.map((bytes) => bytes.toString('latin1'))).toEqual([]);
    expect(cases.length).toBeGreaterThan(EACH * 0.9);
    // Not all of them fell at the first hurdle: signatures were looked at too.
    expect(verdicts).toContain('SIGNATURE_BAD');
  });
});
