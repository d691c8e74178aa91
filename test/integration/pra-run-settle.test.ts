import { existsSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { DatagramSocket } from '../support/datagram-socket.ts';
import { frame, type Json } from '../support/runner-target.ts';
import {
  END,
  fact,
  idOf,
  isGone,
  OTHER_BOOT,
  OutcomeTarget,
  until,
  VERIFY,
} from '../support/outcome-target.ts';

// What is settled later: runs whose end nobody saw, and what a boot has to say about them.

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

describe('a runner that was killed', () => {
  it.each([
    ['active', true],
    ['failed', false],
  ])('leaves INTERRUPTED, and what the verification says: %s', async (active, verified) => {
    const { parts, said, pid } = await target.begin();
    target.setState('loaded', active);
    process.kill(pid, 'SIGKILL');
    const receipt = target.receipt(await said);
    await target.openGate();
    expect(receipt).toMatchObject({ state: 'INTERRUPTED', rc: undefined, verified });
    expect(receipt.started).toBeDefined();
    expect(receipt.evidence).toContainEqual(fact('active_state', 'failed', active));
    expect(await target.settled(parts.ticketText)).toEqual(receipt);
  });

  it('after its program had ended well leaves the outcome to the verification', async () => {
    target.define({ verify: [{ ...VERIFY, within: 300 }] });
    const { parts, said, pid } = await target.begin('quick');
    await until(() => existsSync(target.statePath(`ended/${idOf(parts)}.json`)));
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
    const { said, pid } = await target.begin();
    process.kill(pid, 'SIGTERM');
    expect(target.receipt(await said)).toMatchObject({ state: 'INTERRUPTED', rc: 143, verified: false });
  });

  it('is settled once: whoever asks gets the same receipt', async () => {
    const { parts, child, said, pid } = await target.begin();
    process.kill(pid, 'SIGKILL');
    child.kill('SIGKILL');
    await said.catch(() => undefined);
    const receipts = await Promise.all(
      Array.from({ length: 8 }, async (_, at) =>
        at % 2 === 0 ? target.settled(parts.ticketText) : (await target.start(['--settle'], '').said).exit,
      ),
    );
    await target.openGate();
    const [first] = receipts;
    expect(receipts.filter((_, at) => at % 2 === 0)).toEqual(Array.from({ length: 4 }, () => first));
    expect(receipts.filter((_, at) => at % 2 === 1)).toEqual([0, 0, 0, 0]);
    expect(
      readdirSync(target.statePath('receipts')).filter((name) => name.startsWith(idOf(parts))),
    ).toHaveLength(1);
  });
});

it('a caller that is lost during the verification changes nothing', async () => {
  target.define({ verify: [{ ...VERIFY, within: 300 }] });
  const { parts, child, said } = await target.begin('quick');
  await until(() => existsSync(target.statePath(`ended/${idOf(parts)}.json`)));
  child.kill('SIGKILL');
  await said.catch(() => undefined);
  target.setState('loaded', 'active');
  expect(await target.settled(parts.ticketText)).toMatchObject({ state: 'SUCCEEDED', verified: true });
});

it('a diagnostic that is stopped together with the runner says nothing of the run', async () => {
  const { said, pid } = await target.begin();
  target.setState('loaded', 'active');
  target.diagnose(`mkdir ${target.program}.stopped 2>/dev/null && { kill -TERM ${String(pid)}; exit 1; }`);
  await target.openGate();
  expect(target.receipt(await said)).toMatchObject({ state: 'SUCCEEDED', rc: 0, verified: true });
});

it('while both channels are switched off nothing is judged; afterwards it is', async () => {
  target.define({ verify: [{ ...VERIFY, within: 300 }] });
  const { parts, said, pid } = await target.begin('quick');
  await until(() => existsSync(target.statePath(`ended/${idOf(parts)}.json`)));
  const disabled = join(target.prefix, 'etc/disabled');
  writeFileSync(disabled, '');
  await until(() => isGone(pid));
  expect(await target.settle()).toBe(0);
  expect(existsSync(target.statePath(`results/${idOf(parts)}.json`))).toBe(false);
  target.setState('loaded', 'active');
  rmSync(disabled);
  expect(target.receipt(await said)).toMatchObject({ state: 'SUCCEEDED', verified: true });
});

describe('a claim that nobody has started', () => {
  const birth = (pid: number): string =>
    readFileSync(`/proc/${String(pid)}/stat`, 'utf8')
      .replace(/^.*\) /u, '')
      .split(' ')[19] ?? '';
  const alive = { pid: process.pid, birth: birth(process.pid) };
  const gone = { ...alive, birth: '1' };

  it.each([
    ['is on its way while its launcher lives', alive, -60_000, 'RUNNING'],
    ['is on its way for ten seconds when it does not', gone, -5_000, 'RUNNING'],
    ['was interrupted after that', gone, -10_000, 'INTERRUPTED'],
  ])('%s', async (_, launcher, ms, expected) => {
    target.define({ verify: [] });
    const parts = await target.prepare('quick');
    await target.hand(parts);
    const path = target.statePath(`claims/${idOf(parts)}.json`);
    const { boottime_ms } = JSON.parse(readFileSync(path, 'utf8')) as { boottime_ms: number };
    const left = target.leave(parts, { launcher, boottime_ms: boottime_ms + ms });
    const said = await target.query('status', parts.ticketText, left);
    expect(target.receipt(said)).toMatchObject({ state: expected, started: undefined });
    rmSync(target.statePath(`claims/${left.id}.json`)); // else nobody else's turn would come
  });

  it('never is, when the runner says nothing in its time', async () => {
    target.setSeconds('START_SECONDS', 1, 'execute');
    const program = join(target.prefix, 'bin/pra-run');
    renameSync(program, `${program}.real`);
    const mute = `#!/bin/sh\n[ "$1" != --execute ] && exec ${program}.real "$@"\n`;
    writeFileSync(program, mute, { mode: 0o755 });
    const receipt = await target.run('fix').finally(() => {
      renameSync(`${program}.real`, program);
    });
    expect(receipt).toMatchObject({ state: 'INTERRUPTED', started: undefined, verified: false });
  });

  it('is not started by a runner that was told to stop just before', async () => {
    const path = join(target.prefix, 'lib/pra_run/execute.py');
    const text = readFileSync(path, 'utf8');
    const stopped = text.replace(/^( +)self\.claims\.note_begin/mu, '$1os.kill(os.getpid(), 15)\n$&');
    writeFileSync(path, stopped);
    const receipt = await target.run('fix').finally(() => {
      writeFileSync(path, text);
    });
    expect(stopped).not.toBe(text);
    expect(receipt).toMatchObject({
      state: 'INTERRUPTED',
      rc: undefined,
      started: undefined,
      verified: false,
    });
  });
});

describe('after another boot', () => {
  const receiptFile = ({ id }: { id: string }): string => target.statePath(`receipts/${id}.json`);
  const ended = async (unit = 'quick') => {
    const parts = await target.prepare(unit);
    await target.hand(parts);
    return parts;
  };

  it.each([
    [true, END.started],
    [false, undefined],
  ])(
    'a run that had not ended is INTERRUPTED, and verified, before anybody asks; begun: %s',
    async (begun, started) => {
      const parts = await ended('fix');
      const left = target.afterReboot(parts, { begun });
      expect(await target.settle()).toBe(0);
      expect(existsSync(receiptFile(left))).toBe(true);
      expect(await target.settled(parts.ticketText, left)).toMatchObject({
        state: 'INTERRUPTED',
        bootId: OTHER_BOOT,
        started,
        rc: undefined,
        verified: true,
      });
    },
  );

  it('a run had begun once its program runs: that is on the disk', async () => {
    const { parts, said } = await target.begin();
    const { time } = JSON.parse(readFileSync(target.statePath(`begun/${idOf(parts)}.json`), 'utf8')) as {
      time: string;
    };
    await target.openGate();
    expect(target.receipt(await said).started).toBe(time);
  });

  it('a fence that died before its own result burnt its id all the same: it never started', async () => {
    const parts = await target.prepare('fix');
    await target.ask('fence', frame(parts));
    const left = target.afterReboot(parts, { begun: false });
    expect(await target.settle()).toBe(0);
    expect(await target.settled(parts.ticketText, left)).toMatchObject({
      state: 'NEVER_STARTED',
      started: undefined,
    });
  });

  it('what a boot starts late still counts, also where the definition gives no time', async () => {
    const parts = await ended();
    const left = target.afterReboot(parts, {});
    // It becomes true after it was asked for the first time.
    const asked = `${target.program}.asked-late`;
    const better = join(target.root, 'unit-state-better');
    writeFileSync(better, 'LoadState=loaded\nActiveState=active\nNRestarts=0\n');
    target.diagnose(`[ -e ${asked} ] && mv ${better} ${target.root}/unit-state; : > ${asked}`);
    expect(await target.settle()).toBe(0);
    expect(await target.settled(parts.ticketText, left)).toMatchObject({
      state: 'INTERRUPTED',
      verified: true,
    });
  });

  const STOPPED = { ...END, rc: '143', is_stopped: true };
  const NOT_BEGUN = { ...END, rc: '-', is_stopped: true, started: '-', finished: '-', duration_ms: '-' };
  it.each([
    ['reboot', {}, 'active', 'SUCCEEDED', true],
    ['reboot', {}, 'failed', 'VERIFY_FAILED', false],
    ['reboot', { end: STOPPED }, 'active', 'SUCCEEDED', true],
    ['reboot', { end: { ...END, rc: '1' } }, 'active', 'FAILED', true],
    ['reboot', { begun: false }, 'active', 'INTERRUPTED', true],
    ['reboot', { end: NOT_BEGUN }, 'active', 'INTERRUPTED', true],
    ['reboot', { cancelled: true }, 'active', 'INTERRUPTED', true],
    ['reboot', { cancelled: true, end: STOPPED }, 'failed', 'INTERRUPTED', false],
    ['reboot', { cancelled: true, end: END }, 'active', 'SUCCEEDED', true],
    ['poweroff', { end: END }, 'active', 'SUCCEEDED', true],
    ['poweroff', { end: END }, 'failed', 'VERIFY_FAILED', false],
    ['poweroff', {}, 'active', 'INTERRUPTED', true],
    ['poweroff', { end: STOPPED }, 'failed', 'INTERRUPTED', false],
    ['nothing', { end: END }, 'active', 'SUCCEEDED', true],
    ['nothing', { end: STOPPED }, 'active', 'INTERRUPTED', true],
  ])('ends: %s, left %j, verification %s: %s', async (ends, left, active, expected, verified) => {
    const parts = await ended();
    const patch = target.afterReboot(parts, left, { ends });
    target.setState('loaded', active);
    expect(await target.settle()).toBe(0);
    expect(await target.settled(parts.ticketText, patch)).toMatchObject({ state: expected, verified });
  });

  it.each([
    ['reboot', {}, 'SUCCEEDED'],
    ['reboot', { begun: false }, 'INTERRUPTED'],
    ['poweroff', { end: END }, 'SUCCEEDED'],
    ['poweroff', {}, 'INTERRUPTED'],
  ])('ends: %s without a verification, left %j: %s', async (ends, left, expected) => {
    target.define({ verify: [] });
    const parts = await ended();
    const patch = target.afterReboot(parts, left, { ends });
    expect(await target.settled(parts.ticketText, patch)).toMatchObject({
      state: expected,
      verified: undefined,
    });
  });

  it('a claim that makes no sense holds up no other one, and is in the audit record', async () => {
    const bad = 'badbadbadbadbadb';
    const parts = await ended();
    const { id } = target.afterReboot(parts, {});
    writeFileSync(target.statePath(`claims/${bad}.json`), JSON.stringify({ id: bad, n: 0, boottime_ms: 0 }));
    const log = await DatagramSocket.open(join(target.root, 'log'), 'read');
    expect(await target.settle()).toBe(0);
    rmSync(target.statePath(`claims/${bad}.json`));
    expect(existsSync(receiptFile({ id }))).toBe(true);
    const expected = [
      new RegExp(`verdict=finished word=settle .* id=${id} action=thing .* state=INTERRUPTED `, 'u'),
      new RegExp(`verdict=failed word=settle code=STATE_BAD error=- id=${bad} `, 'u'),
    ];
    for (const line of expected) while (!line.test(await log.next()));
    await log.close();
  });
});

describe('a host that was to go down', () => {
  it('and is still up after its time has VERIFY_FAILED', async () => {
    target.define({ ends: 'reboot', verify: [] });
    expect(await target.run('quick')).toMatchObject({ state: 'VERIFY_FAILED', rc: 0, verified: false });
  });

  it('and stops the runner on its way leaves the outcome to the next boot', async () => {
    target.define({ ends: 'reboot', verify: [] });
    target.setSeconds('GOING_DOWN_SECONDS', 120);
    const { parts, child, said, pid } = await target.begin('quick');
    await until(() => existsSync(target.statePath(`ended/${idOf(parts)}.json`)));
    process.kill(pid, 'SIGTERM');
    await until(() => isGone(pid));
    expect(await target.settle()).toBe(0);
    expect(target.receipt(await target.query('status', parts.ticketText)).state).toBe('RUNNING');
    child.kill();
    await said.catch(() => undefined);
    target.setSeconds('GOING_DOWN_SECONDS', 1);
    const end = JSON.parse(readFileSync(target.statePath(`ended/${idOf(parts)}.json`), 'utf8')) as Json;
    const left = target.afterReboot(parts, { end });
    expect(await target.settled(parts.ticketText, left)).toMatchObject({ state: 'SUCCEEDED', rc: 0 });
  });
});

it('--settle is nothing that sudo starts', async () => {
  const said = await target.start(['--settle'], '', { SUDO_UID: '1000' }).said;
  expect(said).toMatchObject({ exit: 64, code: 'LINE_FORM' });
});
