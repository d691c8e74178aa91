import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { fact, idOf, OutcomeTarget, PRECHECK, until, VERIFY } from '../support/outcome-target.ts';

// What a run is said to have come to: its verification, facts before and after.

let target: OutcomeTarget;

beforeAll(() => {
  target = new OutcomeTarget();
});
afterAll(() => {
  target.remove();
});
beforeEach(() => {
  target.reset();
});

describe('a program that ended well', () => {
  it('succeeded when its verification holds; the receipt has the facts before and after', async () => {
    expect(await target.run('fix')).toMatchObject({
      state: 'SUCCEEDED',
      rc: 0,
      verified: true,
      evidence: [
        fact('active_state', 'failed', 'active'),
        fact('load_state', 'loaded', 'loaded'),
        fact('restarts', '0', '1'),
      ],
    });
  });

  it('shows further facts where the definition names them', async () => {
    target.define({ precheck: [], verify: [{ ...VERIFY, evidence: ['restarts'] }] });
    expect((await target.run('fix')).evidence).toEqual([
      fact('active_state', 'failed', 'active'),
      fact('restarts', '0', '1'),
    ]);
  });

  it('has VERIFY_FAILED when it does not', async () => {
    expect(await target.run('quick')).toMatchObject({
      state: 'VERIFY_FAILED',
      rc: 0,
      verified: false,
      output: { bytes: 24 },
      evidence: [fact('active_state', 'failed', 'failed'), {}, {}],
    });
  });

  it('has VERIFY_FAILED when the facts cannot be read: an absent fact is as expected by nobody', async () => {
    target.define({ verify: [{ ...VERIFY, expect: [{ fact: 'active_state', op: 'ne', value: 'failed' }] }] });
    expect(await target.run('vanish')).toMatchObject({
      state: 'VERIFY_FAILED',
      verified: false,
      evidence: [fact('active_state', 'failed', undefined), {}, fact('restarts', '0', undefined)],
    });
  });

  it('is asked about until it holds, within its time and no longer', async () => {
    target.define({ verify: [{ ...VERIFY, within: 60 }] });
    const { parts, said } = await target.begin('late');
    await until(() => existsSync(target.statePath(`ended/${idOf(parts)}.json`)));
    expect(target.receipt(await target.query('status', parts.ticketText)).state).toBe('RUNNING');
    writeFileSync(`${target.program}.late`, '');
    expect(target.receipt(await said)).toMatchObject({ state: 'SUCCEEDED', verified: true });
    target.setState('loaded', 'failed');
    target.define({ verify: [{ ...VERIFY, within: 1 }] });
    expect(await target.run('late')).toMatchObject({ state: 'VERIFY_FAILED', verified: false });
    writeFileSync(`${target.program}.late`, '');
    await until(() => !existsSync(`${target.program}.late`));
  });

  it('has no verdict and no evidence where the action has no verification', async () => {
    target.define({ verify: [] });
    const parts = await target.prepare('quick');
    expect(target.receipt(await target.hand(parts))).toMatchObject({
      state: 'SUCCEEDED',
      verified: undefined,
      evidence: [],
    });
    expect(existsSync(target.statePath(`ended/${idOf(parts)}.json`))).toBe(false);
  });

  it('is judged by each of several checks', async () => {
    const other = {
      ...VERIFY,
      diagnostic: 'other_state',
      expect: [{ fact: 'restarts', op: 'ge', value: 2 }],
    };
    const verb = readFileSync(join(target.prefix, 'lib/verbs/unit_state'), 'utf8');
    writeFileSync(join(target.prefix, 'lib/verbs/other_state'), verb);
    target.define({ verify: [VERIFY, other] });
    expect(await target.run('fix')).toMatchObject({ state: 'VERIFY_FAILED', verified: false });
    target.define({ verify: [VERIFY, { ...other, expect: [{ fact: 'restarts', op: 'ge', value: 1 }] }] });
    expect(await target.run('fix')).toMatchObject({ state: 'SUCCEEDED', verified: true });
    rmSync(join(target.prefix, 'lib/verbs/other_state'));
    // What could not be verified afterwards is not even offered.
    expect(await target.ask('prepare', target.draft({ action: 'thing' }))).toMatchObject({
      code: 'TABLE_BAD',
    });
  });

  it('asks a diagnostic once for precheck and verification, before and after', async () => {
    const asked = `${target.program}.asked`;
    mkdirSync(asked);
    const count = (): number => readdirSync(asked).length;
    target.diagnose(`: > ${asked}/$$`);
    const parts = await target.prepare('fix');
    expect(count()).toBe(1);
    await target.hand(parts);
    expect(count()).toBe(3);
  });
});

describe('a program that failed', () => {
  it.each([
    ['active', true],
    ['failed', false],
  ])('stays FAILED, whatever the verification says: %s', async (active, verified) => {
    target.setState('loaded', active);
    target.define({ verify: [{ ...VERIFY, within: 300 }] });
    expect(await target.run('fail')).toMatchObject({ state: 'FAILED', rc: 3, verified });
  });
});

describe('stable facts', () => {
  it.each([
    [{ restarts: 2 }, '12', 'SUCCEEDED'],
    [{ restarts: 2 }, '8', 'SUCCEEDED'],
    [{ restarts: 2 }, '13', 'STALE'],
    [{ restarts: 2 }, '7', 'STALE'],
    [{ restarts: 2 }, '', 'STALE'],
    [{}, '11', 'STALE'],
    [{}, '10', 'SUCCEEDED'],
  ])('tolerance %j, from 10 to "%s": %s', async (tolerance, restarts, expected) => {
    target.define({ precheck: [{ ...PRECHECK, tolerance }], verify: [] });
    target.setState('loaded', 'active', '10');
    const parts = await target.prepare('quick');
    target.setState('loaded', 'active', restarts);
    const said = await target.hand(parts);
    expect(said.code ?? target.receipt(said).state).toBe(expected);
  });

  it('that are words must stay as they were', async () => {
    target.define({ precheck: [{ ...PRECHECK, tolerance: { restarts: 5 } }], verify: [] });
    const parts = await target.prepare('quick');
    target.setState('masked', 'active');
    expect(await target.hand(parts)).toMatchObject({ code: 'STALE', exit: 77 });
  });
});

describe('evidence', () => {
  const compare = (before: readonly string[][], after: readonly string[][]): string[][] => {
    const program =
      'import json,sys; sys.path.insert(0, sys.argv[1]); from pra_run.evidence import compare; print(json.dumps(compare(*json.load(sys.stdin))))';
    const scripts = join(import.meta.dirname, '../../target-scripts');
    const options = { input: JSON.stringify([before, after]) };
    return JSON.parse(
      execFileSync('/usr/bin/python3', ['-IBSc', program, scripts], options).toString(),
    ) as string[][];
  };

  it('has values of at most 192 characters, cut between characters', () => {
    const fits = 'x'.repeat(192);
    expect(compare([['d', 'f', fits]], [['d', 'f', `${fits}x`]])).toEqual([
      ['d', 'f', fits, `${'x'.repeat(183)}%E2%80%A6`],
    ]);
    const [[, , , after]] = compare([], [['d', 'f', '%C3%A9'.repeat(40)]]) as [
      [string, string, string, string],
    ];
    expect(after).toBe(`${'%C3%A9'.repeat(30)}%E2%80%A6`);
  });

  it('leaves out what a receipt has no room for, the least telling first', () => {
    const lines = Array.from({ length: 40 }, (_, at) => ['d', `f${String(90 - at)}`, 'x'.repeat(192)]);
    const kept = compare(lines, lines);
    expect(kept.length).toBeGreaterThan(15);
    expect(kept.map(([, name]) => name)).toEqual(
      lines
        .slice(0, kept.length)
        .map(([, name]) => name)
        .toSorted((a = '', b = '') => (a < b ? -1 : 1)),
    );
    expect(kept.map((line) => `evidence ${line.join(' ')}\n`).join('').length).toBeLessThanOrEqual(7_168);
  });
});
