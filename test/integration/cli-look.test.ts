import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { onPty, type PtyResult, type PtyStep } from '../support/on-pty.ts';
import { EMBEDDED_CATALOG, startEmbeddedTarget, type EmbeddedTarget } from '../support/embedded-target.ts';
import { operatorOn } from '../support/operator-on-target.ts';
import { PROGRAM, type Operator } from '../support/operator.ts';

// `mcp-pra look`: the list, the menu on a real pseudo-terminal, tables and JSON.

let target: EmbeddedTarget;
let operator: Operator;

beforeAll(async () => {
  target = await startEmbeddedTarget();
  const hosts = {
    [target.name]: { address: target.address, port: target.port, tags: ['demo'] },
    away: { address: target.address, port: 9, tags: ['prod'] },
  };
  operator = operatorOn(target, EMBEDDED_CATALOG, {
    hosts,
    more: { groups: { all: [target.name, 'away'] }, limits: { calls_per_minute: 600 } },
  });
});
afterAll(() => target?.stop());

const menu = (steps: readonly PtyStep[], columns = 80): Promise<PtyResult> =>
  onPty([process.execPath, PROGRAM, 'look'], steps, { env: operator.env, columns, rows: 50, seconds: 60 });
const typed = (expected: string, send: string): PtyStep => ({ expect: expected, send: `${send}\r` });

describe('the list', () => {
  test('has every diagnostic by topic; of a topic, what each takes', async () => {
    const { code, stdout } = await operator.cli('look', '--list');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^demo \(3\)\n {2}demo_output {3}A diagnostic with much output$/mu);
    const demo = await operator.cli('look', '--list', 'demo');
    expect(demo.stdout).toContain('seconds [1] How long it takes.');
    expect(demo.stdout).toContain('mcp-pra look demo_sleep --host HOST');
    expect(demo.stdout).not.toContain('memory');
    const none = await operator.cli('look', '--list', 'nothing');
    expect(none).toMatchObject({ code: 2, stderr: expect.stringContaining('Topics: demo, ') });
  });

  test('as JSON', async () => {
    const { stdout } = await operator.cli('look', '--list', '--json');
    const all = JSON.parse(stdout) as { name: string; params: unknown[] }[];
    expect(all.map(({ name }) => name)).toEqual(expect.arrayContaining(['demo_sleep', 'memory', 'uptime']));
    expect(all.find(({ name }) => name === 'demo_sleep')).toMatchObject({
      params: [{ name: 'seconds', default: '1' }],
    });
  });

  test('without a terminal there is no menu: the list, and how to ask', async () => {
    const { code, stdout, stderr } = await operator.cli('look');
    expect(code).toBe(2);
    expect(stdout).toBe((await operator.cli('look', '--list')).stdout);
    expect(stderr).toContain('The menu needs a terminal');
  });
});

test('a person gets all of an answer, and --differences what is not the same on all hosts', async () => {
  const { stdout } = await operator.cli('look', 'demo_output', '--host', target.name, '--json');
  const report = JSON.parse(stdout) as { results: { left_out: unknown; next_cursor: unknown }[] };
  expect(report.results).toMatchObject([{ left_out: null, next_cursor: null }]);
  const compared = await operator.cli('look', 'memory', '--group', 'all', '--differences');
  expect(compared.code).toBe(5);
  expect(compared.stdout).toContain('Nothing differs.');
  expect(compared.stdout).toContain('away is not compared: unreachable');
});

describe('the menu', () => {
  test('by numbers: topic, diagnostic, hosts; the answer, the line that asks the same, and the topics again', async () => {
    const { code, screen, missed, cooked } = await menu([
      typed('topic or diagnostic: ', '3'),
      typed('1 {2}memory.*diagnostic: ', '1'),
      typed('hosts \\(several with commas\\): ', '1'),
      typed('the same again: mcp-pra look memory --host embedded.*topic or diagnostic: ', 'q'),
    ]);
    expect({ code, missed, cooked }).toEqual({ code: 0, missed: null, cooked: true });
    expect(screen).toMatch(/ {2}total {8}[0-9.]+ [KMGT]iB/u);
    expect(screen).toContain('memory on 1 host(s): 1 ok');
  });

  test('by names and their beginnings, a group, a default, and a value that is not allowed', async () => {
    const { code, missed, screen } = await menu([
      typed('topic or diagnostic: ', 'demo_s'),
      typed('group of 2.*hosts \\(several with commas\\): ', 'nobody'),
      typed('none of them.*hosts \\(several with commas\\): ', 'all'),
      typed('seconds \\[1\\]: ', '61'),
      typed('It must be a whole number from 0 to 60.*seconds \\[1\\]: ', ''),
      typed('--host embedded --host away seconds=1.*topic or diagnostic: ', ''),
    ]);
    expect({ code, missed }).toEqual({ code: 0, missed: null });
    expect(screen).toContain('demo_sleep on 2 host(s): 1 ok, 1 unreachable');
  });

  test('Enter goes back one question; an unclear word asks again; Ctrl-C ends it', async () => {
    const { code, missed, cooked } = await menu([
      typed('topic or diagnostic: ', 'demo_'),
      typed('none of them, or several.*topic or diagnostic: ', '0'),
      typed('none of them, or several.*topic or diagnostic: ', 'demo'),
      typed('diagnostic: ', ''),
      typed('topic or diagnostic: ', 'uptime'),
      typed('hosts \\(several with commas\\): ', ''),
      { expect: 'topic or diagnostic: ', send: '\u0003' },
    ]);
    expect({ code, missed, cooked }).toEqual({ code: 130, missed: null, cooked: true });
  });

  test('fits a narrow terminal', async () => {
    const { screen, missed } = await menu(
      [typed('topic or diagnostic: ', 'demo_process'), typed('hosts .*: ', 'q')],
      44,
    );
    expect(missed).toBe(null);
    for (const line of screen.split(/\r?\n/u)) expect(line.length).toBeLessThanOrEqual(44);
    expect(screen).toMatch(/demo_output, demo_p[^\n]*…/u);
  });
});

test('tables for people, exact values for programs', async () => {
  const people = await operator.cli('look', 'disk_usage', '-H', target.name);
  expect(people.stdout).toMatch(/^ {4}mount .* size .* used %/mu);
  expect(people.stdout).toMatch(/[0-9]+\.[0-9] [MGT]iB/u);
  const programs = await operator.cli('look', 'disk_usage', '-H', target.name, '--json');
  expect(programs.stdout).toMatch(/"size_bytes": ?[0-9]{7,}/u);
  const near = await operator.cli('look', 'disk', '-H', target.name);
  expect(near).toMatchObject({ code: 3, stderr: expect.stringContaining('Names like it: disk_usage') });
});
