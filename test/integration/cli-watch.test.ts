import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { beforeEach, describe, expect, test } from 'vitest';
import { onPty, type PtyStep } from '../support/on-pty.ts';
import { approveSteps, PROGRAM } from '../support/operator.ts';
import { useOperator } from '../support/operator-home.ts';

// `mcp-pra watch` on a real pseudo-terminal, with requests that other processes file meanwhile.

const it = useOperator();

const CLOSED = '\u001b[?7h\u001b[?25h\u001b[?1049l';
const BELL = '\u0007';

const propose = async (reason = 'the log is full'): Promise<string> => {
  const done = await it.operator.cli('propose', 'rotate_demo', '-H', it.target.name, '-r', reason, '--json');
  expect(done.code).toBe(4);
  return (JSON.parse(done.stdout) as { id: string }).id;
};
const denyAll = async (): Promise<void> => {
  const open = JSON.parse((await it.operator.cli('pending', '--json')).stdout) as { id: string }[];
  for (const { id } of open) await it.operator.cli('deny', id);
};
const shown = async (id: string): Promise<Record<string, unknown>> =>
  JSON.parse((await it.operator.cli('show', id, '--json')).stdout) as Record<string, unknown>;
const watch = (steps: readonly PtyStep[], env: NodeJS.ProcessEnv = {}) =>
  onPty([process.execPath, PROGRAM, 'watch'], steps, { env: { ...it.operator.env, ...env }, rows: 24 });
let marks = 0;
/** A step after which the test goes on: `reached` resolves when what it expects was on the screen. */
const mark = (expected: string): { readonly step: PtyStep; reached(): Promise<void> } => {
  marks += 1;
  const touch = join(it.home, `mark-${String(marks)}`);
  return {
    step: { expect: expected, send: '', touch },
    reached: async () => {
      await expect.poll(() => existsSync(touch), { timeout: 50_000 }).toBe(true);
    },
  };
};

describe('deciding from the list', () => {
  beforeEach(denyAll);

  test('a request that comes in rings; d asks why, and the requester reads it', async () => {
    const ready = mark('Nothing waits');
    const watching = watch([
      ready.step,
      { expect: '1 waiting', send: 'd' },
      { expect: 'Deny rotate_demo on embedded. Why\\?', send: 'not tonight\r' },
      { expect: 'does not wait any more: DENIED', send: 'q' },
    ]);
    await ready.reached();
    const id = await propose();
    const { code, screen, missed, cooked } = await watching;
    expect({ code, missed, cooked }).toEqual({ code: 0, missed: null, cooked: true });
    expect(screen).toContain(`${BELL}\u001b]9;MEDIUM rotate_demo on embedded waits for a person${BELL}`);
    expect(screen.endsWith(CLOSED)).toBe(true);
    expect(await shown(id)).toMatchObject({ state: 'DENIED', decision_note: 'not tonight' });
  });

  test('Ctrl-C at the reason denies nothing; Enter there is no reason', async () => {
    const id = await propose();
    const kept = mark('1 waiting.*q quit');
    const watching = watch([
      { expect: 'q quit', send: 'd' },
      { expect: 'Why\\?', send: 'no \u0003' },
      kept.step,
      { expect: '', send: 'd' },
      { expect: 'Why\\?', send: '\r' },
      { expect: 'DENIED', send: 'q' },
    ]);
    expect(await watching).toMatchObject({ code: 0, missed: null, cooked: true });
    expect(await shown(id)).toMatchObject({ state: 'DENIED', decision_note: null });
    const denials = (await it.operator.ledger('deny')).filter((row) => Reflect.get(row, 'request') === id);
    expect(denials).toHaveLength(1);
  });

  test('s shows the request, Enter opens the very approval of mcp-pra approve; j and arrows choose', async () => {
    const rotations = it.target.demo.rotations();
    const [first, second] = [await propose('the first one'), await propose('the second one')];
    const { screen, ...done } = await watch([
      { expect: '2 waiting.*the first one.*q quit', send: 'j' },
      { expect: 'the second one', send: '\u001b[A' },
      { expect: 'the first one', send: '\u001bOB' },
      { expect: 'the second one', send: 's' },
      { expect: `Request ${second}.*Any key goes back`, send: 'x' },
      { expect: 'q quit', send: '\r' },
      // In one step: the ticket and the question may come at once, and a step begins after all that the last one has seen.
      { expect: 'mcp-pra ticket v1.*\\[y/N\\]', send: 'y\n' },
      ...approveSteps(it.target.approver.passphrase).slice(1),
      { expect: 'SUCCEEDED.*Any key goes back', send: 'x' },
      { expect: '1 waiting.*q quit', send: 'q' },
    ]);
    expect(done).toEqual({ code: 0, missed: null, cooked: true });
    expect(screen).not.toContain(it.target.approver.passphrase);
    expect(await shown(second)).toMatchObject({ state: 'SUCCEEDED' });
    expect(await shown(first)).toMatchObject({ state: 'PENDING' });
    expect(it.target.demo.rotations()).toBe(rotations + 1);
  });

  test('when the chosen request goes away no other one is under the finger', async () => {
    const [first, second] = [await propose('the first one'), await propose('the second one')];
    const ready = mark('the first one.*q quit');
    const watching = watch([
      ready.step,
      { expect: 'any more: DENIED', send: 'd' },
      { expect: 'Choose a request first', send: 'a' },
      { expect: '', send: 'j' },
      { expect: 'the second one', send: 'q' },
    ]);
    await ready.reached();
    await it.operator.cli('deny', first);
    expect(await watching).toMatchObject({ code: 0, missed: null });
    expect(await shown(second)).toMatchObject({ state: 'PENDING' });
  });
});

describe('the terminal is given back', () => {
  test.each<[string, PtyStep, number]>([
    ['q', { expect: 'q quit', send: 'q' }, 0],
    ['Ctrl-C', { expect: 'q quit', send: '\u0003' }, 0],
    ['the end of input', { expect: 'q quit', send: '\u0004' }, 0],
    ['SIGTERM', { expect: 'q quit', send: '', signal: 'SIGTERM' }, 130],
    ['SIGINT', { expect: 'q quit', send: '', signal: 'SIGINT' }, 130],
    ['SIGHUP', { expect: 'q quit', send: '', signal: 'SIGHUP' }, 130],
  ])('after %s', async (_, step, code) => {
    const done = await watch([step]);
    expect(done).toMatchObject({ code, missed: null, cooked: true });
    expect(done.screen.endsWith(CLOSED)).toBe(true);
  });

  test('after a failure that nobody expected', async () => {
    const script = join(import.meta.dirname, '../support/failing-screen.ts');
    const done = await onPty([process.execPath, script], [{ expect: 'ready', send: 'x' }], {
      env: it.operator.env,
    });
    expect(done).toMatchObject({ code: 1, missed: null, cooked: true });
    expect(done.screen).toContain(CLOSED);
  });

  test('while it is stopped; with fg it goes on where it was', async () => {
    const job = `"${process.execPath}" "${PROGRAM}" watch`;
    const state = `stty -a | grep -Eo -e '-?(icanon|echo)( |;|$)' | tr '\\n' ' '; echo`;
    const { screen, ...done } = await onPty(
      ['bash', '--norc', '--noprofile', '-i'],
      [
        { expect: 'shell> $', send: `${job}\n` },
        { expect: 'q quit', send: '\u001a' },
        { expect: 'Stopped.*shell> $', send: `${state}\n` },
        { expect: '\\bicanon *echo', send: 'fg\n' },
        { expect: 'q quit', send: 'q' },
        { expect: 'shell> $', send: `${state}\n` },
        { expect: '\\bicanon *echo', send: 'exit 0\n' },
      ],
      { env: { ...it.operator.env, PS1: 'shell> ' }, rows: 24 },
    );
    expect(done).toEqual({ code: 0, missed: null, cooked: true });
    expect(screen.split('\u001b[?1049h')).toHaveLength(3);
    expect(screen.split(CLOSED)).toHaveLength(3);
  });

  test('where nothing can stop it, Ctrl-Z only draws anew', async () => {
    const done = await watch([
      { expect: 'q quit', send: '\u001a' },
      { expect: '1049l.*1049h.*q quit', send: 'q' },
    ]);
    expect(done).toMatchObject({ code: 0, missed: null, cooked: true });
  });

  test('another size is drawn anew', async () => {
    const done = await watch([
      { expect: 'j k choose', send: '', size: [10, 40] },
      { expect: 'a d s', send: '', size: [24, 80] },
      { expect: 'j k choose', send: 'q' },
    ]);
    expect(done).toMatchObject({ code: 0, missed: null, cooked: true });
  });
});

describe('what reaches the terminal and the desktop', () => {
  test('nothing that the requester wrote moves a cursor; no colours with NO_COLOR', async () => {
    await denyAll();
    await propose('\u001b[2Jfine\u001b]0;title\u0007 \u202eLOW');
    const plain = await watch([{ expect: 'q quit', send: 'q' }]);
    expect(plain.screen).toContain('fine');
    expect(plain.screen).not.toMatch(/\u001b\]|\u202e|\u0007/u);
    expect(plain.screen).not.toMatch(/\u001b\[[\d;]*m/u);
    expect(plain.screen.slice(plain.screen.indexOf('waiting'))).not.toContain('\u001b[2J');
    const coloured = await watch([{ expect: 'q quit', send: 'q' }], { NO_COLOR: undefined });
    expect(coloured.screen).toMatch(/\u001b\[[\d;]*m/u);
  });

  test('notify-send gets our words as arguments, and the terminal then only rings', async () => {
    await denyAll();
    const bin = join(it.home, 'bin');
    const told = join(it.home, 'told');
    mkdirSync(bin, { recursive: true });
    writeFileSync(
      join(bin, 'notify-send'),
      `#!/bin/sh\n{ printf '%s|' "$#" "$@"; env | cut -d= -f1 | sort | tr '\\n' ' '; } > '${told}.new'\nmv '${told}.new' '${told}'\n`,
    );
    chmodSync(join(bin, 'notify-send'), 0o755);
    const ready = mark('Nothing waits');
    const sent = mark('1 waiting');
    const env = { PATH: `relative:${bin}:${process.env['PATH'] ?? ''}`, DISPLAY: ':7', SECRET: 'x' };
    const watching = watch([ready.step, sent.step, { expect: '', send: 'q' }], env);
    await ready.reached();
    await propose('-u critical; rm');
    await expect.poll(() => existsSync(told), { timeout: 50_000 }).toBe(true);
    expect(readFileSync(told, 'utf8')).toMatch(
      /^4\|--app-name=mcp-pra\|--\|mcp-pra\|MEDIUM rotate_demo on embedded waits for a person\|/u,
    );
    expect(readFileSync(told, 'utf8')).not.toContain('SECRET');
    const { screen, ...done } = await watching;
    expect(done).toEqual({ code: 0, missed: null, cooked: true });
    expect(screen).toContain(BELL);
    expect(screen).not.toContain('\u001b]9;');
  });
});

describe('without a terminal', () => {
  test('it is refused', async () => {
    const done = await it.operator.cli('watch');
    expect(done).toMatchObject({ code: 2, stdout: '' });
    expect(done.stderr).toContain('mcp-pra watch --json');
  });

  test('--json is a line for each request that begins to wait and for each that is over', async () => {
    await denyAll();
    const before = await propose('there before');
    const child = spawn(process.execPath, [PROGRAM, 'watch', '--json'], {
      env: it.operator.env,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ended = once(child, 'close');
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const next = async (): Promise<unknown> => JSON.parse(String((await lines.next()).value));
    expect(await next()).toMatchObject({ event: 'waits', request: { id: before, state: 'PENDING' } });
    const after = await propose('came in');
    expect(await next()).toMatchObject({ event: 'waits', request: { id: after, reason: 'came in' } });
    await it.operator.cli('deny', before, '-r', 'no');
    expect(await next()).toMatchObject({
      event: 'over',
      request: { id: before, state: 'DENIED', decision_note: 'no' },
    });
    child.kill('SIGTERM');
    expect(await ended).toEqual([130, null]);
    expect((await lines.next()).done).toBe(true);
  });
});
