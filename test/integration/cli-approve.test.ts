import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { EMBEDDED_CATALOG, startEmbeddedTarget, type EmbeddedTarget } from '../support/embedded-target.ts';
import { onPty } from '../support/on-pty.ts';
import { approveSteps, enrolOperator, makeOperator, PROGRAM, type Operator } from '../support/operator.ts';

let home: string;
let target: EmbeddedTarget;
let operator: Operator;

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'mcp-pra-cli-'));
  target = await startEmbeddedTarget();
  operator = makeOperator({
    home,
    hosts: {
      [target.name]: { address: target.address, port: target.port },
      away: { address: '127.0.0.1', port: 1 },
    },
    keys: { reader: target.readerKey, runner: target.runnerKey, auto: target.autoKey.path },
    approver: { principal: target.approver.principal, key: target.approver.path },
    knownHosts: target.knownHostsPath,
    more: { catalog: { builtin: false, dirs: [EMBEDDED_CATALOG] } },
  });
});
afterAll(async () => {
  await target?.stop();
  rmSync(home, { recursive: true, force: true });
});

const propose = async (...more: string[]): Promise<Record<string, unknown>> => {
  const done = await operator.cli(
    'propose',
    'rotate_demo',
    '-H',
    target.name,
    '-r',
    'the log is full',
    '--json',
    ...more,
  );
  const view: Record<string, unknown> = JSON.parse(done.stdout);
  expect(done.code).toBe(4);
  return view;
};

describe('approving', () => {
  let id: string;
  let rotations: number;
  beforeEach(async () => {
    id = String((await propose())['id']);
    rotations = target.demo.rotations();
  });

  test('a person at a terminal reads the offer, types yes and the passphrase, and it runs once', async () => {
    const { code, screen, missed } = await operator.typed(
      ['approve', id.slice(0, 6)],
      approveSteps(target.approver.passphrase),
    );
    expect({ code, missed, screen }).toEqual({
      code: 0,
      missed: null,
      screen: expect.stringContaining('SUCCEEDED'),
    });
    const order = [
      'What the host says',
      'to undo',
      "requester's words",
      'mcp-pra ticket v1',
      '[y/N]',
      'SUCCEEDED',
    ];
    const places = order.map((part) => screen.indexOf(part));
    expect(places).toEqual([...places].sort((a, b) => a - b));
    expect(Math.min(...places)).toBeGreaterThan(0);
    expect(screen).not.toContain(target.approver.passphrase);
    expect(target.demo.rotations()).toBe(rotations + 1);
    expect((await operator.cli('execute', id)).code).toBe(0);
    expect(target.demo.rotations()).toBe(rotations + 1);
  });

  test('a pipe is refused before anything else, whatever the flags and variables', async () => {
    for (const more of [[], ['--json'], ['--no-run']]) {
      const { code, stdout, stderr } = await operator.cli('approve', id, ...more);
      expect(code).toBe(2);
      expect(stdout + stderr).toContain('TERMINAL_REQUIRED');
    }
    for (const flag of ['--yes', '--force', '--passphrase=x', '--passphrase-file=x', '-y']) {
      const { code, stderr } = await operator.cli('approve', id, flag);
      expect(code).toBe(2);
      expect(stderr).toContain('unknown option');
    }
    expect((await operator.cli('execute', id)).code).toBe(3);
    expect(target.demo.rotations()).toBe(rotations);
  });

  test.each([
    ['no', 'n\n'],
    ['nothing', '\n'],
    ['anything else', 'yess\n'],
  ])('%s is a no, and the request stays pending', async (_, answer) => {
    const { code, screen } = await operator.typed(['approve', id], [{ expect: '\\[y/N\\]', send: answer }]);
    expect({ code, screen }).toEqual({ code: 4, screen: expect.stringContaining('Not approved') });
    expect((await operator.cli('execute', id)).stderr).toContain('NOT_APPROVED');
  });

  test('a wrong passphrase may be corrected, three of them may not', async () => {
    const wrong = { expect: 'Passphrase of', send: 'not it\n' };
    const yes = { expect: '\\[y/N\\]', send: 'y\n' };
    const failed = await operator.typed(['approve', id], [yes, wrong, wrong, wrong]);
    expect(failed).toMatchObject({ code: 2, missed: null });
    expect(failed.screen).not.toContain('not it');
    expect(target.demo.rotations()).toBe(rotations);
    const right = { expect: 'does not open[\\s\\S]*Passphrase of', send: `${target.approver.passphrase}\n` };
    const done = await operator.typed(['approve', id, '--no-run'], [yes, wrong, right]);
    expect(done).toMatchObject({ code: 0, screen: expect.stringContaining(`mcp-pra execute ${id}`) });
    expect(target.demo.rotations()).toBe(rotations);
    expect((await operator.cli('execute', id)).code).toBe(0);
    expect(target.demo.rotations()).toBe(rotations + 1);
  });

  test.each([
    ['at the question', [{ expect: '\\[y/N\\]', send: '\u0003' }]],
    [
      'at the passphrase',
      [
        { expect: '\\[y/N\\]', send: 'y\n' },
        { expect: 'Passphrase of', send: 'abc\u0003' },
      ],
    ],
  ])('Ctrl-C %s ends with 130 and leaves the terminal as it was', async (_, steps) => {
    // stty prints the terminal's state after the program: raw mode has no echo and no icanon.
    const shell = `"$0" "$@"; echo "code=$?"; stty -a | grep -Eo -e '-?(icanon|echo|isig)( |;|$)' | tr '\\n' ' '`;
    const { screen } = await onPty(
      ['sh', '-c', shell, process.execPath, PROGRAM, 'approve', id],
      steps,
      operator,
    );
    expect(screen).toContain('code=130');
    expect(screen).toMatch(/code=130[\s\S]*\bisig\b/u);
    expect(screen).toMatch(/code=130[\s\S]*(?<!-)icanon/u);
    expect(screen).toMatch(/code=130[\s\S]*(?<!-)echo/u);
    expect(target.demo.rotations()).toBe(rotations);
  });

  test('d denies from the question, with a reason that the requester reads', async () => {
    const { code, missed } = await operator.typed(
      ['approve', id],
      [
        { expect: 'In short.*rotate_demo @ embedded.*d: deny it.*\\[y/N\\]', send: 'd\n' },
        { expect: 'Deny rotate_demo on embedded. Why\\?', send: 'wrong night\n' },
      ],
    );
    expect({ code, missed }).toEqual({ code: 0, missed: null });
    const shown = await operator.cli('show', id, '--json');
    expect(JSON.parse(shown.stdout)).toMatchObject({ state: 'DENIED', decision_note: 'wrong night' });
    expect(target.demo.rotations()).toBe(rotations);
  });

  test('what somebody else decided while it was read costs nobody a passphrase', async () => {
    const reading = join(home, `reading-${id}`);
    const denied = join(home, `denied-${id}`);
    const typed = operator.typed(
      ['approve', id],
      [
        { expect: '\\[y/N\\]', send: '', touch: reading },
        { expect: '', send: 'y\n', after: denied },
        { expect: 'STATE_CONFLICT', send: '' },
      ],
    );
    await expect.poll(() => existsSync(reading), { timeout: 50_000 }).toBe(true);
    await operator.cli('deny', id);
    writeFileSync(denied, '');
    const { code, screen, missed } = await typed;
    expect({ code, missed }).toEqual({ code: 3, missed: null });
    expect(screen).not.toContain('Passphrase');
  });

  test('HIGH wants the name of the host: yes is a no', async () => {
    await enrolOperator(operator, target.approver);
    const high = String((await propose('--impact', 'HIGH'))['id']);
    const question = 'HIGH +rotate_demo.*type the name of the host.*: ';
    const refused = await operator.typed(['approve', high], [{ expect: question, send: 'y\n' }]);
    expect(refused).toMatchObject({ code: 4, missed: null });
    const named = await operator.typed(
      ['approve', high],
      [
        { expect: question, send: `${target.name}\n` },
        { expect: 'Passphrase', send: '\u0003' },
      ],
    );
    expect(named).toMatchObject({ code: 130, missed: null, cooked: true });
    const denied = await operator.typed(
      ['approve', high],
      [
        { expect: question, send: 'd\n' },
        { expect: 'Why\\?', send: '\n' },
      ],
    );
    expect(denied).toMatchObject({ code: 0, missed: null });
  });

  test('a denied request tells the requester why and never runs', async () => {
    expect((await operator.cli('deny', id, '--reason', 'wrong host')).code).toBe(0);
    const shown = await operator.cli('show', id);
    expect(shown.stdout).toContain('wrong host');
    const { code, screen } = await operator.typed(['approve', id], []);
    expect(code).toBe(3);
    expect(screen).toContain('STATE_CONFLICT');
  });
});

describe('without a terminal', () => {
  test('a LOW action that the host lets run by itself exits 0 with its receipt', async () => {
    const before = target.demo.pid();
    const done = await operator.cli(
      'propose',
      'restart_demo',
      'service=demo',
      '-H',
      target.name,
      '-r',
      'leaks',
      '--auto',
    );
    expect(done).toMatchObject({ code: 0, stderr: '' });
    expect(done.stdout).toContain('Receipt (signed by the host');
    expect(target.demo.pid()).not.toBe(before);
  });

  test.each([
    ['an unknown command', ['lok'], 2, /unknown command 'lok'/u],
    ['a missing option', ['propose', 'rotate_demo', '-H', 'embedded'], 2, /required option '-r, --reason/u],
    ['an argument that is not name=value', ['look', 'uptime', 'x', '-H', 'embedded'], 2, /USAGE/u],
    [
      'an unknown host',
      ['look', 'uptime', '-H', 'elsewhere'],
      3,
      /whitelist HOST_UNKNOWN[\s\S]*Known hosts: embedded, away/u,
    ],
    ['an unknown group', ['look', 'uptime', '-g', 'none'], 2, /There is no group/u],
    ['an unknown action', ['propose', 'rm', '-H', 'embedded', '-r', 'x'], 3, /catalog ACTION_UNKNOWN/u],
    [
      'a bad value',
      ['propose', 'restart_demo', 'service=x;y', '-H', 'embedded', '-r', 'x'],
      3,
      /catalog ARGUMENT_BAD/u,
    ],
    ['a request that is not there', ['show', 'zzzz2222'], 3, /approval REQUEST_UNKNOWN/u],
    ['a host that is away', ['propose', 'rotate_demo', '-H', 'away', '-r', 'x'], 5, /ssh UNREACHABLE/u],
    [
      'a fingerprint of another form',
      ['hosts', 'trust', 'embedded', '--fingerprint', 'MD5:x'],
      2,
      /SHA256: and 43/u,
    ],
  ])('%s', async (_, argv, code, says) => {
    const done = await operator.cli(...argv);
    expect(done.stderr).toMatch(says);
    expect(done.code).toBe(code);
    expect(done.stdout).toBe('');
  });

  test('with --json an error is an object on standard output', async () => {
    const done = await operator.cli('look', 'uptime', '-H', 'elsewhere', '--json');
    expect(JSON.parse(done.stdout)).toMatchObject({
      error: { code: 'HOST_UNKNOWN', layer: 'whitelist', exit: 3 },
    });
    expect(done).toMatchObject({ code: 3, stderr: '' });
  });

  test('look gives facts for people and the whole result as JSON', async () => {
    const people = await operator.cli('look', 'demo_process', '-H', target.name);
    expect(people.stdout).toContain(`pid        ${String(target.demo.pid())}`);
    const machine = await operator.cli('look', 'demo_process', '-H', `${target.name},away`, '--json');
    expect(machine.code).toBe(5);
    const report: { results: { host: string; status: string }[] } = JSON.parse(machine.stdout);
    expect(report.results.map(({ host, status }) => [host, status])).toEqual([
      ['embedded', 'ok'],
      ['away', 'unreachable'],
    ]);
  });

  test('doctor names what fails and what to do; the good host is all ok', async () => {
    const good = await operator.cli('doctor', '--host', target.name);
    expect(good).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('definitions are the same on both sides'),
    });
    const all = await operator.cli('doctor', '--json');
    const findings: { level: string; text: string; fix?: string }[] = JSON.parse(all.stdout);
    expect(all.code).toBe(1);
    const failures = findings.filter(({ level }) => level === 'fail');
    expect(failures).toEqual([
      { level: 'fail', text: expect.stringContaining('away: no host key'), fix: expect.any(String) },
    ]);
  });

  test('the ledger verifies and its tail is one JSON object a line', async () => {
    const verified = await operator.cli('audit', 'verify');
    expect(verified).toMatchObject({ code: 0, stderr: '' });
    const tail = await operator.cli('audit', 'tail', '-n', '2', '--json');
    const rows = tail.stdout.trimEnd().split('\n');
    expect(rows).toHaveLength(2);
    for (const row of rows) expect(JSON.parse(row)).toHaveProperty('hash');
  });

  test('catalog build writes tables, into no folder of somebody else, and diff compares with them', async () => {
    const out = join(home, 'tables');
    expect((await operator.cli('catalog', 'build', '--out', out)).code).toBe(0);
    expect(existsSync(join(out, 'verbs/demo_process'))).toBe(true);
    expect((await operator.cli('catalog', 'diff', '--against', out)).stdout).toContain('No difference');
    const other = await operator.cli('catalog', 'build', '--out', home);
    expect(other).toMatchObject({ code: 2 });
    expect(other.stderr).toContain('was not made by catalog build');
  });

  test('colours are never sent into a pipe', async () => {
    const done = await operator.cli('doctor', '--host', target.name);
    expect(done.stdout).not.toContain('\u001b');
  });
});

test('Ctrl-C ends the watching, not the action; its receipt is there afterwards', async () => {
  const before = target.demo.slowRuns();
  const argv = ['propose', 'slow_demo', 'seconds=5', '-H', target.name, '-r', 'takes a while', '--auto'];
  const child = spawn(process.execPath, [PROGRAM, ...argv], {
    env: operator.env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const said = text(child.stderr);
  const ended = once(child, 'exit');
  await expect.poll(() => target.demo.slowRuns(), { timeout: 50_000 }).toBe(before + 1);
  child.kill('SIGINT');
  expect(await ended).toEqual([130, null]);
  expect(await said).toMatch(/The action goes on; to see it: mcp-pra show [a-z2-7]{16}[\s\S]*CANCELLED/u);
  const listed: { id: string; action: string }[] = JSON.parse(
    (await operator.cli('pending', '--all', '--json')).stdout,
  );
  const id = listed.find(({ action }) => action === 'slow_demo')?.id ?? '';
  expect(await operator.cli('execute', id)).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('Receipt (signed'),
  });
  expect(target.demo.slowRuns()).toBe(before + 1);
});
