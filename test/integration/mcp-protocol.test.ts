import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startEmbeddedTarget, type EmbeddedTarget } from '../support/embedded-target.ts';
import { HOSTILE_AUTO, hostileCatalog } from '../support/hostile-catalog.ts';
import { operatorOn } from '../support/operator-on-target.ts';
import type { Operator } from '../support/operator.ts';
import { startRawMcp, type RpcMessage } from '../support/raw-mcp.ts';
import { sleepersOf } from '../support/sleepers.ts';
import { until } from '../support/ssh-test-host.ts';

// The server as a process: what is on its streams, when it ends, and what a client can do to it.

const catalog = hostileCatalog();
let target: EmbeddedTarget;
let operator: Operator;

beforeAll(async () => {
  target = await startEmbeddedTarget({ catalogDir: catalog.dir, policy: { auto: HOSTILE_AUTO } });
  operator = operatorOn(target, catalog.site);
});
afterAll(async () => {
  await target?.stop();
  catalog.remove();
});

const auditLines = (): Record<string, unknown>[] =>
  readdirSync(join(operator.stateDir, 'audit')).flatMap((file) =>
    readFileSync(join(operator.stateDir, 'audit', file), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>),
  );

test('standard output carries the protocol and nothing else, whatever comes in', async () => {
  await using server = startRawMcp(operator);
  server.write('garbage\n{"jsonrpc":"2.0"}\n\n[]\nnull\n{"half":\n\u0000\u00ff\n');
  server.write(Buffer.from([0xff, 0xfe, 0x0a]));
  const hello = await server.greet();
  expect(hello.result).toMatchObject({
    serverInfo: { name: 'mcp-pra' },
    capabilities: { tools: {} },
    instructions: expect.stringContaining('cannot approve anything'),
  });
  // No sampling, no elicitation, no logging, and nothing that changes while it runs.
  expect(hello.result?.['capabilities']).toEqual({
    tools: {},
    resources: {},
    prompts: {},
    completions: {},
  });
  server.write('more garbage\n');
  expect((await server.call('list_hosts')).text).toContain('embedded');
  expect((await server.ask('no/such/method')).error?.code).toBe(-32601);
  expect((await server.ask('tools/call', { name: 7 })).error).toBeDefined();
  expect((await server.ask('tools/call', { name: 'list_hosts', arguments: 'x' })).error).toBeDefined();
  await server.call('memory', { hosts: [target.name] });
  expect(server.lines.length).toBeGreaterThan(5);
  for (const line of server.lines) expect(JSON.parse(line)).toMatchObject({ jsonrpc: '2.0' });
});

test('progress is told to whoever asks for it, in order, and never after the answer', async () => {
  await using server = startRawMcp(operator);
  await server.greet();
  const call = async (name: string, args: Record<string, unknown>) => {
    const from = server.lines.length;
    await server.ask('tools/call', { name, arguments: args, _meta: { progressToken: name } });
    await server.ask('ping');
    const lines = server.lines.slice(from).map((line) => JSON.parse(line) as RpcMessage);
    return lines.map(({ method, params, result }) =>
      method === undefined ? Object.keys(result ?? {}) : params,
    );
  };
  expect(await call('memory', { hosts: [target.name] })).toEqual([
    { progressToken: 'memory', progress: 1, total: 1, message: 'memory: 1 of 1 hosts' },
    ['content', 'structuredContent'],
    [],
  ]);
  const run = {
    action: 'slow_demo',
    host: target.name,
    args: { seconds: 2 },
    rationale: 'Progress.',
    auto_approve: true,
  };
  const token = { progressToken: 'propose_pra_action' };
  expect(await call('propose_pra_action', run)).toEqual([
    { ...token, progress: 1, message: 'untrusted output: second 1' },
    { ...token, progress: 2, message: 'untrusted output: second 2' },
    ['content', 'structuredContent'],
    [],
  ]);
  // Nobody asked.
  const before = server.lines.length;
  await server.call('memory', { hosts: [target.name] });
  expect(server.lines.length).toBe(before + 1);
});

test('it ends with its input: when idle, with a read under way, and with a run that it follows, which goes on', async () => {
  const idle = startRawMcp(operator);
  await idle.greet();
  idle.end();
  expect(await idle.exited).toBe(0);

  const reading = startRawMcp(operator);
  await reading.greet();
  const read = reading.call('demo_sleep', { hosts: [target.name], seconds: 19 });
  read.catch(() => {});
  await until(() => sleepersOf(target).length === 1);
  reading.end();
  expect(await reading.exited).toBe(0);
  await until(() => sleepersOf(target).length === 0);
  expect(auditLines().at(-1)).toMatchObject({ code: 'CANCELLED' });

  const runs = target.demo.slowRuns();
  const following = startRawMcp(operator);
  await following.greet();
  const run = following.call('propose_pra_action', {
    action: 'slow_demo',
    host: target.name,
    args: { seconds: 3 },
    rationale: 'It goes on without us.',
    auto_approve: true,
  });
  run.catch(() => {});
  await until(() => target.demo.slowRuns() === runs + 1);
  following.end();
  expect(await following.exited).toBe(0);
  // It did not wait for the end of the run.
  expect(auditLines().at(-1)).toMatchObject({ code: 'lose' });

  await using later = startRawMcp(operator);
  await later.greet();
  const list = await later.call('list_pra_requests', { limit: 1 });
  const id = /^request ([a-z2-7]{16})/u.exec(list.text)?.[1] ?? '';
  const end = await later.call('get_pra_action', { id, wait_seconds: 20 });
  expect(end.text).toMatch(/SUCCEEDED, final[^]*second 3/u);
  expect(target.demo.slowRuns()).toBe(runs + 1);
});

test('a server that is killed in the middle of a run: the next one finds the receipt by itself', async () => {
  const runs = target.demo.slowRuns();
  const first = startRawMcp(operator);
  await first.greet();
  const run = first.call('propose_pra_action', {
    action: 'slow_demo',
    host: target.name,
    args: { seconds: 3 },
    rationale: 'Killed on the way.',
    auto_approve: true,
  });
  run.catch(() => {});
  await until(() => target.demo.slowRuns() === runs + 1);
  await until(() => auditLines().at(-1)?.['code'] === 'accept');
  const id = String(auditLines().at(-1)?.['request']);
  first.kill('SIGKILL');
  expect(await first.exited).toBe('SIGKILL');

  await using second = startRawMcp(operator);
  await second.greet();
  // Nobody asks for it: the start does.
  await until(() => auditLines().some((row) => row['request'] === id && row['code'] === 'succeed'));
  expect((await second.call('get_pra_action', { id })).text).toMatch(/SUCCEEDED, final[^]*second 3/u);
  expect(target.demo.slowRuns()).toBe(runs + 1);
});

test('a message of more than 1 MiB ends the session and nothing else', async () => {
  const server = startRawMcp(operator);
  await server.greet();
  server.write(`{"jsonrpc":"2.0","id":99,"method":"tools/list","params":{"x":"${'y'.repeat(2_000_000)}"}}\n`);
  expect(await server.exited).toBe(0);
  expect(server.lines.some((line) => line.includes('"id":99'))).toBe(false);
});

test('an almost as large one is answered, without a word of it', async () => {
  await using server = startRawMcp(operator);
  await server.greet();
  const answer = await server.call('list_hosts', { canary: 'y'.repeat(900_000) });
  expect(answer.isError).toBe(true);
  expect(answer.text).toContain('Rule: mcp INPUT_BAD');
  expect(answer.text).not.toContain('yyyy');
});

describe('names of clients', () => {
  test.each([
    ['that of the command line', 'cli', 'operator/mcp-cli'],
    ['the same in capitals', 'CLI', 'operator/mcp-CLI'],
    ['none', '', 'operator/mcp'],
    [
      'one with all sorts of characters',
      'Claude Desktop/../../\n\u202ex',
      'operator/Claude-Desktop-..-..---x',
    ],
    ['a very long one', 'x'.repeat(500_000), `operator/${'x'.repeat(60)}`],
    ['one with a slash', 'operator/auto', 'operator/operator-auto'],
  ])('%s is written down as a word', async (_, name, actor) => {
    await using server = startRawMcp(operator);
    await server.greet(name);
    await server.call('memory', { hosts: [target.name] });
    expect(auditLines().at(-1)).toMatchObject({ actor, subject: 'memory' });
    const proposal = await server.call('propose_pra_action', {
      action: 'rotate_demo',
      host: target.name,
      rationale: 'Who asks?',
    });
    expect(proposal.text).toContain(`requested by ${actor} at `);
  });
});

test('two sessions on one machine execute the same request at once, and it runs once', async () => {
  await using a = startRawMcp(operator);
  await using b = startRawMcp(operator);
  await Promise.all([a.greet('one'), b.greet('two')]);
  const proposal = await a.call('propose_pra_action', {
    action: 'slow_demo',
    host: target.name,
    args: { seconds: 1 },
    rationale: 'Both want it.',
  });
  const id = /^request ([a-z2-7]{16}): PENDING/u.exec(proposal.text)?.[1] ?? '';
  const { passphrase } = target.approver;
  const typed = await operator.typed(
    ['approve', '--no-run', id],
    [
      { expect: '\\[y/N\\]', send: 'y\n' },
      { expect: '[Pp]assphrase', send: `${passphrase}\n` },
    ],
  );
  expect(typed.code).toBe(0);
  const runs = target.demo.slowRuns();
  const answers = await Promise.all([a, b, a, b].map((one) => one.call('execute_pra_action', { id })));
  expect(answers.map(({ text }) => /^request \w+: (\w+)/u.exec(text)?.[1])).toEqual(
    Array.from({ length: 4 }, () => 'SUCCEEDED'),
  );
  expect(target.demo.slowRuns()).toBe(runs + 1);
});

describe('a configuration that cannot be used', () => {
  const brokenBy = (name: string, change: (config: Record<string, unknown>) => void): Operator => {
    const other = operatorOn(target, catalog.site, { name });
    const config = JSON.parse(readFileSync(other.config, 'utf8')) as Record<string, unknown>;
    change(config);
    writeFileSync(other.config, JSON.stringify(config));
    return other;
  };

  test.each([
    [
      'several errors in the file',
      (config: Record<string, unknown>): void => {
        config['hostz'] = {};
        config['version'] = 2;
        config['limits'] = { calls_per_minute: 0 };
      },
      ['CONFIG_INVALID', 'hostz', 'version', 'calls_per_minute', 'mcp-pra doctor'],
    ],
    [
      'names that the catalog does not have',
      (config: Record<string, unknown>): void => {
        config['policy'] = { deny_actions: ['rotate_dema'], raise: { restart_dema: 'HIGH' } };
      },
      ['CONFIG_INVALID', 'rotate_dema', 'rotate_demo', 'restart_dema', 'restart_demo'],
    ],
    [
      'a catalog that is not there',
      (config: Record<string, unknown>): void => {
        config['catalog'] = { builtin: true, dirs: ['/nonexistent/catalog'] };
      },
      ['CATALOG_INVALID'],
    ],
  ])('%s: the handshake completes, and every call says all that is wrong', async (name, change, words) => {
    const broken = brokenBy(`broken ${name}`, change);
    await using server = startRawMcp(broken);
    expect((await server.greet()).result).toMatchObject({ serverInfo: { name: 'mcp-pra' } });
    const tools = (await server.ask('tools/list')).result?.['tools'] as readonly { name: string }[];
    expect(tools.map((tool) => tool.name)).toContain('execute_pra_action');
    for (const tool of ['list_hosts', 'uptime', 'execute_pra_action', 'no_such_tool']) {
      const { text, isError } = await server.call(tool, { hosts: ['x'] });
      expect(isError).toBe(true);
      for (const word of words) expect(text).toContain(word);
    }
    server.end();
    expect(await server.exited).toBe(0);
  });

  test('no configuration at all', async () => {
    const home = join(target.operatorDir, 'nobody');
    await using server = startRawMcp({ env: { PATH: process.env['PATH'], HOME: home, LANG: 'C.UTF-8' } });
    await server.greet();
    const { text, isError } = await server.call('list_hosts');
    expect({ text, isError }).toEqual({ text: expect.stringContaining('mcp-pra init'), isError: true });
  });
});
