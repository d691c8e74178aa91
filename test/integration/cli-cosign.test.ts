import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { EMBEDDED_CATALOG, startEmbeddedTarget, type EmbeddedTarget } from '../support/embedded-target.ts';
import { onPty } from '../support/on-pty.ts';
import { approveSteps, makeOperator, PROGRAM, type Operator } from '../support/operator.ts';
import { makeKey, type SshKeyPair } from '../support/ssh-keys.ts';

// The commands of several approvers: two people with a home each, who hand each other a file.

const PASSPHRASE = `bob ${String(process.pid)} passphrase`;
let home: string;
let target: EmbeddedTarget;
let alice: Operator;
let bob: Operator;
let server: Operator;
let bobsKey: SshKeyPair;
let id: string;

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'mcp-pra-cosign-'));
  target = await startEmbeddedTarget();
  target.writePolicy({ quorum: { MEDIUM: 2, HIGH: 2 } });
  bobsKey = makeKey(home, 'bob-key', { passphrase: PASSPHRASE });
  const namespaces = 'namespaces="mcp-pra-low,mcp-pra-medium,mcp-pra-high"';
  target.writeAllowedSigners([
    `alice ${namespaces} ${target.approver.line}`,
    `bob ${namespaces} ${bobsKey.line}`,
  ]);
  const operatorOf = (name: string, approver?: { principal: string; key: string }): Operator => {
    mkdirSync(join(home, name));
    return makeOperator({
      home: join(home, name),
      hosts: { [target.name]: { address: target.address, port: target.port } },
      keys: { reader: target.readerKey, runner: target.runnerKey },
      ...(approver === undefined ? {} : { approver }),
      knownHosts: target.knownHostsPath,
      more: { catalog: { builtin: false, dirs: [EMBEDDED_CATALOG] } },
    });
  };
  alice = operatorOf('alice', { principal: 'alice', key: target.approver.path });
  bob = operatorOf('bob', { principal: 'bob', key: bobsKey.path });
  // Who proposes signs nothing: alice's database, and a configuration without an approver.
  const asServer = join(alice.home, '.config/mcp-pra/server.yaml');
  const { approver: _, ...config } = JSON.parse(readFileSync(alice.config, 'utf8')) as Record<
    string,
    unknown
  >;
  writeFileSync(asServer, JSON.stringify(config), { mode: 0o600 });
  server = { ...alice, config: asServer };
});
afterAll(async () => {
  await target?.stop();
  rmSync(home, { recursive: true, force: true });
});
beforeEach(async () => {
  const why = ['-r', 'the log is full', '--json', '--config', server.config];
  const proposed = await alice.cli('propose', 'rotate_demo', '-H', target.name, ...why);
  id = (JSON.parse(proposed.stdout) as { id: string }).id;
});

const signHere = async (): Promise<void> => {
  const { code, screen, missed } = await alice.typed(
    ['approve', id],
    approveSteps(target.approver.passphrase),
  );
  expect({ code, missed }, screen).toEqual({ code: 4, missed: null });
  expect(screen).toMatch(/1 of 2 signatures, by alice; still needed: 1 more,\s+within 15 min/u);
};
const file = (name: string): string => join(home, `${name}-${id}`);

test('the file goes to the other person, the signature comes back, and the action runs', async () => {
  expect((await alice.cli('ticket', 'export', id)).stderr).toContain('EXPORT_UNSIGNED');
  await signHere();
  const exported = await alice.cli('ticket', 'export', id, file('ticket'));
  expect(exported).toMatchObject({ code: 0, stdout: expect.stringContaining('1 of 2 signatures, by alice') });
  const again = await alice.cli('ticket', 'export', id, file('ticket'));
  expect(again).toMatchObject({ code: 2, stderr: expect.stringContaining('is not written over') });
  const printed = await alice.cli('ticket', 'export', id);
  expect(printed.stdout).toBe(readFileSync(file('ticket'), 'utf8'));

  const own = await alice.typed(['cosign', file('ticket')], []);
  expect(own).toMatchObject({ code: 3, screen: expect.stringContaining('SIGNER_TWICE') });
  const piped = await bob.cli('cosign', file('ticket'));
  expect(piped).toMatchObject({ code: 2, stderr: expect.stringContaining('TERMINAL_REQUIRED') });

  const signed = await bob.typed(
    ['cosign', file('ticket'), '--out', file('answer')],
    approveSteps(PASSPHRASE),
  );
  expect(signed, signed.screen).toMatchObject({ code: 0, missed: null });
  const parts = [
    'waits on another machine',
    'What the host says',
    'to undo',
    "requester's words",
    'mcp-pra ticket v1',
    '[y/N]',
    'Signed by bob',
  ];
  const order = parts.map((part) => signed.screen.indexOf(part));
  expect(Math.min(...order)).toBeGreaterThanOrEqual(0);
  expect(order).toEqual([...order].sort((a, b) => a - b));
  expect(signed.screen).not.toContain(PASSPHRASE);
  expect(await bob.ledger('COSIGNED')).toMatchObject([
    { host: target.name, detail: { approver: 'bob', needed: 2 } },
  ]);

  const rotations = target.demo.rotations();
  const done = await alice.cli('ticket', 'import', file('answer'), '--run');
  expect(done, done.stderr).toMatchObject({ code: 0, stdout: expect.stringContaining('SUCCEEDED') });
  expect(target.demo.rotations()).toBe(rotations + 1);
});

test('the block comes through a pipe and goes into one, and the person still types at the terminal', async () => {
  await signHere();
  await alice.cli('ticket', 'export', id, file('ticket'));
  const line = 'cat "$1" | "$2" "$3" cosign - >"$4"';
  const argv = ['sh', '-c', line, 'sh', file('ticket'), process.execPath, PROGRAM, file('answer')];
  const signed = await onPty(argv, approveSteps(PASSPHRASE), { env: bob.env, cwd: bob.home });
  expect(signed, signed.screen).toMatchObject({ code: 0, missed: null });
  expect(readFileSync(file('answer'), 'utf8')).toMatch(/^-----BEGIN MCP-PRA SIGNATURE-----\n/u);
  const took = await alice.cli('ticket', 'import', file('answer'));
  expect(took).toMatchObject({ code: 0, stdout: expect.stringContaining('mcp-pra execute') });
  expect((await alice.cli('ticket', 'import', file('answer'))).stderr).toContain('STATE_CONFLICT');
});

test('no is no, and what is no block or too large is said', async () => {
  await signHere();
  await alice.cli('ticket', 'export', id, file('ticket'));
  const no = await bob.typed(
    ['cosign', file('ticket'), '--out', file('answer')],
    [{ expect: '\\[y/N\\]', send: 'n\n' }],
  );
  expect(no).toMatchObject({ code: 4, screen: expect.stringContaining('Not signed') });
  expect(existsSync(file('answer'))).toBe(false);
  for (const [text, said] of [
    ['nothing', 'BLOCK_BAD'],
    ['x'.repeat(262_145), 'larger than 256 KiB'],
  ] as const) {
    writeFileSync(file('bad'), text);
    const taken = await alice.cli('ticket', 'import', file('bad'));
    expect(taken).toMatchObject({ code: 2, stderr: expect.stringContaining(said) });
  }
  expect((await alice.cli('ticket', 'import', file('missing'))).stderr).toContain('cannot be read');
});
