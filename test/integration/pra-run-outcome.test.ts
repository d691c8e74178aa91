import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Receipt } from '../../src/request/types.ts';
import { frame, RunnerTarget, type Json, type Said, type SubmissionParts } from '../support/runner-target.ts';

// What a run is said to have come to: its verification, facts before and after, and what is settled later.

let target: RunnerTarget;

/** Seconds that outcome.py waits after a boot and for a host to go down; short here. */
const AFTER_BOOT = 2;
const GOING_DOWN = 1;
const OTHER_BOOT = '00000000-0000-0000-0000-000000000000';

const CHECK = {
  diagnostic: 'unit_state',
  args: { unit: '{unit}' },
  parse: 'kv',
  facts: {
    load_state: { from: 'LoadState', type: 'string' },
    active_state: { from: 'ActiveState', type: 'string' },
    restarts: { from: 'NRestarts', type: 'integer' },
  },
};
const VERIFY = {
  ...CHECK,
  expect: [{ fact: 'active_state', op: 'eq', value: 'active' }],
  within: 0,
};
const PRECHECK = { ...CHECK, stable: ['load_state', 'restarts'], tolerance: {}, expect: [] };

/** Installs the action `thing` with these parts. */
const define = (parts: Json): void =>
  target.writeAction('thing', {
    argv: [target.program, '{unit}'],
    precheck: [PRECHECK],
    verify: [VERIFY],
    impact: 'MEDIUM',
    ...parts,
  });

beforeAll(() => {
  target = new RunnerTarget();
  const units = ['quick', 'fail', 'wait', 'fix', 'late', 'vanish'].map((name) => `${name}.service`);
  target.policy['values'] = { thing: { unit: units } };
  const outcome = join(target.prefix, 'lib/pra_run/outcome.py');
  const text = readFileSync(outcome, 'utf8');
  const short = text
    .replace(/^AFTER_BOOT_SECONDS = 30 /mu, `AFTER_BOOT_SECONDS = ${String(AFTER_BOOT)} `)
    .replace(/^GOING_DOWN_SECONDS = 120$/mu, `GOING_DOWN_SECONDS = ${String(GOING_DOWN)}`);
  if (short.length > text.length - 3) throw new Error('the constants are called otherwise');
  writeFileSync(outcome, short);
});
afterAll(() => {
  target.remove();
});
let diagnostic = '';
/** Has the diagnostic do something first. It cannot write to files, only make them (mcp-wrapper). */
const diagnose = (line: string): void =>
  writeFileSync(
    `${target.program}-state`,
    diagnostic.replace('\n', () => `\n${line}\n`),
  );

beforeEach(() => {
  diagnostic ||= readFileSync(`${target.program}-state`, 'utf8');
  writeFileSync(`${target.program}-state`, diagnostic);
  target.writePolicy();
  target.setState('loaded', 'failed');
  define({});
});

const state = (path: string): string => join(target.prefix, 'state', path);
const until = async (isTrue: () => boolean): Promise<void> => {
  while (!isTrue()) await sleep(10);
};
const idOf = ({ ticketText }: SubmissionParts): string => /^id (.*)$/mu.exec(ticketText)?.[1] ?? '';

const prepare = async (unit: string): Promise<SubmissionParts> => {
  const proposal = await target.propose({
    action: 'thing',
    args: [['unit', `${unit}.service`]],
    impact: 'MEDIUM',
  });
  return target.parts(proposal, [{ key: target.anna, namespace: 'mcp-pra-medium' }]);
};
const hand = async (parts: SubmissionParts): Promise<Said> => target.ask('thing', frame(parts));
/** The receipt of one run. */
const run = async (unit: string): Promise<Receipt> => target.receipt(await hand(await prepare(unit)));

/** The final receipt, asked for as a caller would. */
const settled = async (ticketText: string, patch: { id?: string } = {}): Promise<Receipt> => {
  for (;;) {
    const receipt = target.receipt(await target.query('status', ticketText, { wait: 20, ...patch }));
    if (receipt.state !== 'RUNNING') return receipt;
  }
};

const fact = (name: string, before: string | undefined, after: string | undefined) => ({
  diagnostic: 'unit_state',
  fact: name,
  before,
  after,
});

/** A run that waits for its gate, in a process of its own whose caller can be lost. */
const begin = async (unit = 'wait') => {
  const parts = await prepare(unit);
  const { child, said } = target.start(['thing'], frame(parts));
  const started = join(target.prefix, `run/pra-run/started/${idOf(parts)}.json`);
  await until(() => existsSync(started));
  const { pid } = JSON.parse(readFileSync(started, 'utf8')) as { pid: number };
  const output = state(`output/${idOf(parts)}`);
  await until(() => existsSync(output) && readFileSync(output, 'utf8') !== ''); // the program runs
  return { parts, child, said, pid };
};
const openGate = async (): Promise<void> => {
  writeFileSync(`${target.program}.gate`, '');
  await until(() => !existsSync(`${target.program}.gate`));
};

/** What a host finds after a reboot: the claim of an ended run under another id, of another boot, and what was left beside it. */
const afterReboot = (parts: SubmissionParts, end: Json | undefined): { id: string } => {
  const id = idOf(parts).replace(/^./u, (letter) => (letter === 'a' ? 'b' : 'a'));
  const claim = JSON.parse(readFileSync(state(`claims/${idOf(parts)}.json`), 'utf8')) as Json;
  if (end !== undefined) writeFileSync(state(`ended/${id}.json`), JSON.stringify(end));
  writeFileSync(state(`claims/${id}.json`), JSON.stringify({ ...claim, id, boot_id: OTHER_BOOT }));
  return { id };
};
const END = {
  rc: '0',
  is_stopped: false,
  boottime_ms: 1,
  started: '2026-11-20T10:00:00Z',
  finished: '2026-11-20T10:00:01Z',
  duration_ms: '1000',
  output: '- 0',
};

describe('a program that ended well', () => {
  it('succeeded when its verification holds; the receipt has the facts before and after', async () => {
    expect(await run('fix')).toMatchObject({
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

  it('has VERIFY_FAILED when it does not', async () => {
    expect(await run('quick')).toMatchObject({
      state: 'VERIFY_FAILED',
      rc: 0,
      verified: false,
      output: { bytes: 24 },
      evidence: [fact('active_state', 'failed', 'failed'), {}, {}],
    });
  });

  it('has VERIFY_FAILED when the facts cannot be read: an absent fact is as expected by nobody', async () => {
    define({ verify: [{ ...VERIFY, expect: [{ fact: 'active_state', op: 'ne', value: 'failed' }] }] });
    expect(await run('vanish')).toMatchObject({
      state: 'VERIFY_FAILED',
      verified: false,
      evidence: [fact('active_state', 'failed', undefined), {}, fact('restarts', '0', undefined)],
    });
  });

  it('is asked about until it holds, within its time and no longer', async () => {
    define({ verify: [{ ...VERIFY, within: 60 }] });
    const { parts, said } = await begin('late');
    await until(() => existsSync(state(`ended/${idOf(parts)}.json`)));
    expect(target.receipt(await target.query('status', parts.ticketText)).state).toBe('RUNNING');
    writeFileSync(`${target.program}.late`, '');
    expect(target.receipt(await said)).toMatchObject({ state: 'SUCCEEDED', verified: true });
    target.setState('loaded', 'failed');
    define({ verify: [{ ...VERIFY, within: 1 }] });
    expect(await run('late')).toMatchObject({ state: 'VERIFY_FAILED', verified: false });
    writeFileSync(`${target.program}.late`, '');
    await until(() => !existsSync(`${target.program}.late`));
  });

  it('has no verdict and no evidence where the action has no verification', async () => {
    define({ verify: [] });
    const parts = await prepare('quick');
    expect(target.receipt(await hand(parts))).toMatchObject({
      state: 'SUCCEEDED',
      verified: undefined,
      evidence: [],
    });
    expect(existsSync(state(`ended/${idOf(parts)}.json`))).toBe(false);
  });

  it('is judged by each of several checks', async () => {
    const other = {
      ...VERIFY,
      diagnostic: 'other_state',
      expect: [{ fact: 'restarts', op: 'ge', value: 2 }],
    };
    const verb = readFileSync(join(target.prefix, 'lib/verbs/unit_state'), 'utf8');
    writeFileSync(join(target.prefix, 'lib/verbs/other_state'), verb);
    define({ verify: [VERIFY, other] });
    expect(await run('fix')).toMatchObject({ state: 'VERIFY_FAILED', verified: false });
    define({ verify: [VERIFY, { ...other, expect: [{ fact: 'restarts', op: 'ge', value: 1 }] }] });
    expect(await run('fix')).toMatchObject({ state: 'SUCCEEDED', verified: true });
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
    diagnose(`: > ${asked}/$$`);
    const parts = await prepare('fix');
    expect(count()).toBe(1);
    await hand(parts);
    expect(count()).toBe(3);
  });
});

describe('a program that failed', () => {
  it.each([
    ['active', true],
    ['failed', false],
  ])('stays FAILED, whatever the verification says: %s', async (active, verified) => {
    target.setState('loaded', active);
    define({ verify: [{ ...VERIFY, within: 300 }] });
    expect(await run('fail')).toMatchObject({ state: 'FAILED', rc: 3, verified });
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
    define({ precheck: [{ ...PRECHECK, tolerance }], verify: [] });
    target.setState('loaded', 'active', '10');
    const parts = await prepare('quick');
    target.setState('loaded', 'active', restarts);
    const said = await hand(parts);
    expect(said.code ?? target.receipt(said).state).toBe(expected);
  });

  it('that are words must stay as they were', async () => {
    define({ precheck: [{ ...PRECHECK, tolerance: { restarts: 5 } }], verify: [] });
    const parts = await prepare('quick');
    target.setState('masked', 'active');
    expect(await hand(parts)).toMatchObject({ code: 'STALE', exit: 77 });
  });
});

describe('a runner that was killed', () => {
  it.each([
    ['active', true],
    ['failed', false],
  ])('leaves INTERRUPTED, and what the verification says: %s', async (active, verified) => {
    const { parts, said, pid } = await begin();
    target.setState('loaded', active);
    process.kill(pid, 'SIGKILL');
    const receipt = target.receipt(await said);
    await openGate();
    expect(receipt).toMatchObject({ state: 'INTERRUPTED', rc: undefined, verified });
    expect(receipt.started).toBeDefined();
    expect(receipt.evidence).toContainEqual(fact('active_state', 'failed', active));
    expect(await settled(parts.ticketText)).toEqual(receipt);
  });

  it('after its program had ended well leaves the outcome to the verification', async () => {
    define({ verify: [{ ...VERIFY, within: 300 }] });
    const { parts, said, pid } = await begin('quick');
    await until(() => existsSync(state(`ended/${idOf(parts)}.json`)));
    process.kill(pid, 'SIGKILL');
    target.setState('loaded', 'active');
    expect(target.receipt(await said)).toMatchObject({
      state: 'SUCCEEDED',
      rc: 0,
      verified: true,
      output: { bytes: 24 },
    });
  });

  it('with its unit says so, with the exit code of the program that it stopped', async () => {
    const { said, pid } = await begin();
    process.kill(pid, 'SIGTERM');
    expect(target.receipt(await said)).toMatchObject({ state: 'INTERRUPTED', rc: 143, verified: false });
  });

  it('is settled once: whoever asks gets the same receipt', async () => {
    const { parts, child, said, pid } = await begin();
    process.kill(pid, 'SIGKILL');
    child.kill('SIGKILL');
    await said.catch(() => undefined);
    const receipts = await Promise.all(
      Array.from({ length: 8 }, async (_, at) =>
        at % 2 === 0 ? settled(parts.ticketText) : (await target.start(['--settle'], '').said).exit,
      ),
    );
    await openGate();
    const [first] = receipts;
    expect(receipts.filter((_, at) => at % 2 === 0)).toEqual(Array.from({ length: 4 }, () => first));
    expect(receipts.filter((_, at) => at % 2 === 1)).toEqual([0, 0, 0, 0]);
    expect(readdirSync(state('receipts')).filter((name) => name.startsWith(idOf(parts)))).toHaveLength(1);
  });
});

it('a caller that is lost during the verification changes nothing', async () => {
  define({ verify: [{ ...VERIFY, within: 300 }] });
  const { parts, child, said } = await begin('quick');
  await until(() => existsSync(state(`ended/${idOf(parts)}.json`)));
  child.kill('SIGKILL');
  await said.catch(() => undefined);
  target.setState('loaded', 'active');
  expect(await settled(parts.ticketText)).toMatchObject({ state: 'SUCCEEDED', verified: true });
});

it('while both channels are switched off nothing is judged; afterwards it is', async () => {
  define({ verify: [{ ...VERIFY, within: 300 }] });
  const { parts, said, pid } = await begin('quick');
  await until(() => existsSync(state(`ended/${idOf(parts)}.json`)));
  const disabled = join(target.prefix, 'etc/disabled');
  writeFileSync(disabled, '');
  await until(
    () =>
      !existsSync(`/proc/${String(pid)}`) ||
      / [ZX] /u.test(readFileSync(`/proc/${String(pid)}/stat`, 'utf8')),
  );
  expect((await target.start(['--settle'], '').said).exit).toBe(0);
  expect(existsSync(state(`results/${idOf(parts)}.json`))).toBe(false);
  target.setState('loaded', 'active');
  rmSync(disabled);
  expect(target.receipt(await said)).toMatchObject({ state: 'SUCCEEDED', verified: true });
});

describe('after another boot', () => {
  const SETTLE = async (): Promise<void> => {
    expect((await target.start(['--settle'], '').said).exit).toBe(0);
  };
  const receiptFile = ({ id }: { id: string }): string => state(`receipts/${id}.json`);

  it('a run that had not ended is INTERRUPTED, and verified, before anybody asks', async () => {
    const parts = await prepare('fix');
    await hand(parts);
    const left = afterReboot(parts, undefined);
    await SETTLE();
    expect(existsSync(receiptFile(left))).toBe(true);
    expect(await settled(parts.ticketText, left)).toMatchObject({
      state: 'INTERRUPTED',
      bootId: OTHER_BOOT,
      started: undefined,
      rc: undefined,
      verified: true,
    });
  });

  it('a fence that died before its own result burnt its id all the same: it never started', async () => {
    const parts = await prepare('fix');
    await target.ask('fence', frame(parts));
    const left = afterReboot(parts, undefined);
    await SETTLE();
    expect(await settled(parts.ticketText, left)).toMatchObject({
      state: 'NEVER_STARTED',
      started: undefined,
    });
  });

  it('what a boot starts late still counts, also where the definition gives no time', async () => {
    const parts = await prepare('quick');
    await hand(parts);
    const left = afterReboot(parts, undefined);
    // It becomes true after it was asked for the first time.
    const asked = `${target.program}.asked-late`;
    const better = join(target.root, 'unit-state-better');
    writeFileSync(better, 'LoadState=loaded\nActiveState=active\nNRestarts=0\n');
    diagnose(`[ -e ${asked} ] && mv ${better} ${target.root}/unit-state; : > ${asked}`);
    await SETTLE();
    expect(await settled(parts.ticketText, left)).toMatchObject({ state: 'INTERRUPTED', verified: true });
  });

  it.each([
    ['reboot', undefined, 'active', 'SUCCEEDED', true],
    ['reboot', undefined, 'failed', 'VERIFY_FAILED', false],
    ['reboot', { ...END, rc: '143', is_stopped: true }, 'active', 'SUCCEEDED', true],
    ['reboot', { ...END, rc: '1' }, 'active', 'FAILED', true],
    ['poweroff', END, 'active', 'SUCCEEDED', true],
    ['poweroff', END, 'failed', 'VERIFY_FAILED', false],
    ['poweroff', undefined, 'active', 'INTERRUPTED', true],
    ['poweroff', { ...END, rc: '143', is_stopped: true }, 'failed', 'INTERRUPTED', false],
    ['nothing', END, 'active', 'SUCCEEDED', true],
    ['nothing', { ...END, rc: '143', is_stopped: true }, 'active', 'INTERRUPTED', true],
  ])('ends: %s, end %j, verification %s: %s', async (ends, end, active, expected, verified) => {
    define({ verify: [VERIFY] });
    const parts = await prepare('quick');
    await hand(parts);
    const left = afterReboot(parts, end);
    const claim = JSON.parse(readFileSync(state(`claims/${left.id}.json`), 'utf8')) as Json;
    writeFileSync(state(`claims/${left.id}.json`), JSON.stringify({ ...claim, ends }));
    target.setState('loaded', active);
    await SETTLE();
    expect(await settled(parts.ticketText, left)).toMatchObject({ state: expected, verified });
  });

  it.each([
    ['reboot', undefined, 'SUCCEEDED'],
    ['poweroff', END, 'SUCCEEDED'],
    ['poweroff', undefined, 'INTERRUPTED'],
  ])('ends: %s without a verification, end %j: %s', async (ends, end, expected) => {
    define({ verify: [] });
    const parts = await prepare('quick');
    await hand(parts);
    const left = afterReboot(parts, end);
    const claim = JSON.parse(readFileSync(state(`claims/${left.id}.json`), 'utf8')) as Json;
    writeFileSync(state(`claims/${left.id}.json`), JSON.stringify({ ...claim, ends }));
    expect(target.receipt(await target.query('status', parts.ticketText, left))).toMatchObject({
      state: expected,
      verified: undefined,
    });
  });
});

describe('a host that was to go down', () => {
  it('and is still up after its time has VERIFY_FAILED', async () => {
    define({ ends: 'reboot', verify: [] });
    expect(await run('quick')).toMatchObject({ state: 'VERIFY_FAILED', rc: 0, verified: false });
  });

  it('and stops the runner on its way leaves the outcome to the next boot', async () => {
    define({ ends: 'reboot', verify: [] });
    const outcome = join(target.prefix, 'lib/pra_run/outcome.py');
    const text = readFileSync(outcome, 'utf8');
    writeFileSync(outcome, text.replace(/^GOING_DOWN_SECONDS = .*$/mu, 'GOING_DOWN_SECONDS = 120'));
    const { parts, child, said, pid } = await begin('quick');
    await until(() => existsSync(state(`ended/${idOf(parts)}.json`)));
    process.kill(pid, 'SIGTERM');
    await until(
      () =>
        !existsSync(`/proc/${String(pid)}`) ||
        / [ZX] /u.test(readFileSync(`/proc/${String(pid)}/stat`, 'utf8')),
    );
    expect((await target.start(['--settle'], '').said).exit).toBe(0);
    expect(target.receipt(await target.query('status', parts.ticketText)).state).toBe('RUNNING');
    child.kill();
    await said.catch(() => undefined);
    writeFileSync(outcome, text);
    const end = JSON.parse(readFileSync(state(`ended/${idOf(parts)}.json`), 'utf8')) as Json;
    const left = afterReboot(parts, end);
    expect(await settled(parts.ticketText, left)).toMatchObject({ state: 'SUCCEEDED', rc: 0 });
  });
});

it('--settle is nothing that sudo starts', async () => {
  const said = await target.start(['--settle'], '', { SUDO_UID: '1000' }).said;
  expect(said).toMatchObject({ exit: 64, code: 'LINE_FORM' });
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
