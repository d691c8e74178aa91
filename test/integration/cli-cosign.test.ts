import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { onPty } from '../support/on-pty.ts';
import { approveHighSteps, approveSteps, PROGRAM } from '../support/operator.ts';
import { twoPeople, type TwoPeople } from '../support/two-people.ts';

// The commands of several approvers: two people with a home each, who hand each other a file.

let home: string;
let two: TwoPeople;
let id: string;

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'mcp-pra-cosign-'));
  two = await twoPeople(home);
});
afterAll(async () => {
  await two?.target.stop();
  rmSync(home, { recursive: true, force: true });
});
const propose = async (...more: readonly string[]): Promise<string> => {
  const why = ['-r', 'the log is full', '--json', ...more];
  const proposed = await two.server.cli('propose', 'rotate_demo', '-H', two.target.name, ...why);
  return (JSON.parse(proposed.stdout) as { id: string }).id;
};
beforeEach(async () => {
  id = await propose();
});

const signHere = async (): Promise<void> => {
  const { code, screen, missed } = await two.alice.typed(['approve', id], approveSteps(two.alice.passphrase));
  expect({ code, missed }, screen).toEqual({ code: 4, missed: null });
  expect(screen).toMatch(/1 of 2 signatures, by alice; still needed: 1 more,\s+within 15 min/u);
};
const file = (name: string): string => join(home, `${name}-${id}`);

test('the file goes to the other person, the signature comes back, and the action runs', async () => {
  expect((await two.alice.cli('ticket', 'export', id)).stderr).toContain('EXPORT_UNSIGNED');
  await signHere();
  const exported = await two.alice.cli('ticket', 'export', id, file('ticket'));
  expect(exported).toMatchObject({ code: 0, stdout: expect.stringContaining('1 of 2 signatures, by alice') });
  const again = await two.alice.cli('ticket', 'export', id, file('ticket'));
  expect(again).toMatchObject({ code: 2, stderr: expect.stringContaining('is not written over') });
  const printed = await two.alice.cli('ticket', 'export', id);
  expect(printed.stdout).toBe(readFileSync(file('ticket'), 'utf8'));

  const own = await two.alice.typed(['cosign', file('ticket')], []);
  expect(own).toMatchObject({ code: 3, screen: expect.stringContaining('SIGNER_TWICE') });
  const piped = await two.bob.cli('cosign', file('ticket'));
  expect(piped).toMatchObject({ code: 2, stderr: expect.stringContaining('TERMINAL_REQUIRED') });

  const signed = await two.bob.typed(
    ['cosign', file('ticket'), '--out', file('answer')],
    approveSteps(two.bob.passphrase),
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
  expect(signed.screen).not.toContain(two.bob.passphrase);
  expect(await two.bob.ledger('COSIGNED')).toMatchObject([
    { host: two.target.name, detail: { approver: 'bob', needed: 2 } },
  ]);

  const rotations = two.target.demo.rotations();
  const done = await two.alice.cli('ticket', 'import', file('answer'), '--run');
  expect(done, done.stderr).toMatchObject({ code: 0, stdout: expect.stringContaining('SUCCEEDED') });
  expect(two.target.demo.rotations()).toBe(rotations + 1);
});

test('the block comes through a pipe and goes into one, and the person still types at the terminal', async () => {
  await signHere();
  await two.alice.cli('ticket', 'export', id, file('ticket'));
  const line = 'cat "$1" | "$2" "$3" cosign - >"$4"';
  const argv = ['sh', '-c', line, 'sh', file('ticket'), process.execPath, PROGRAM, file('answer')];
  const signed = await onPty(argv, approveSteps(two.bob.passphrase), { env: two.bob.env, cwd: two.bob.home });
  expect(signed, signed.screen).toMatchObject({ code: 0, missed: null });
  expect(readFileSync(file('answer'), 'utf8')).toMatch(/^-----BEGIN MCP-PRA SIGNATURE-----\n/u);
  const took = await two.alice.cli('ticket', 'import', file('answer'));
  expect(took).toMatchObject({ code: 0, stdout: expect.stringContaining('mcp-pra execute') });
  expect((await two.alice.cli('ticket', 'import', file('answer'))).stderr).toContain('STATE_CONFLICT');
});

test('no is no, and what is no block or too large is said', async () => {
  await signHere();
  await two.alice.cli('ticket', 'export', id, file('ticket'));
  const no = await two.bob.typed(
    ['cosign', file('ticket'), '--out', file('answer')],
    [{ expect: '\\[y/N\\]', send: 'n\n' }],
  );
  expect(no).toMatchObject({ code: 4, screen: expect.stringContaining('Not signed') });
  expect(existsSync(file('answer'))).toBe(false);
  writeFileSync(file('there'), 'mine');
  const there = await two.bob.typed(['cosign', file('ticket'), '--out', file('there')], []);
  expect(there).toMatchObject({ code: 2, screen: expect.stringContaining('not written over') });
  expect(there.screen).not.toContain('[y/N]');
  expect(readFileSync(file('there'), 'utf8')).toBe('mine');
  for (const [text, said] of [
    ['nothing', 'BLOCK_BAD'],
    ['x'.repeat(262_145), 'larger than 256 KiB'],
  ] as const) {
    writeFileSync(file('bad'), text);
    const taken = await two.alice.cli('ticket', 'import', file('bad'));
    expect(taken).toMatchObject({ code: 2, stderr: expect.stringContaining(said) });
  }
  expect((await two.alice.cli('ticket', 'import', file('missing'))).stderr).toContain('cannot be read');
});

test('HIGH takes the code of each on their own machine', async () => {
  const high = await propose('--impact', 'HIGH');
  const { alice, bob, target } = two;
  const path = (name: string): string => join(home, `${name}-${high}`);
  const missing = await alice.typed(['approve', high], []);
  expect(missing).toMatchObject({ code: 3, screen: expect.stringContaining('OTP_MISSING') });
  const codes = await two.enrol();
  const first = await alice.typed(
    ['approve', high],
    approveHighSteps(target.name, alice.passphrase, codes.alice.code()),
  );
  expect(first, first.screen).toMatchObject({ code: 4, missed: null });
  await alice.cli('ticket', 'export', high, path('ticket'));
  const wrong = await bob.typed(
    ['cosign', path('ticket'), '--out', path('answer')],
    [
      ...approveHighSteps(target.name, bob.passphrase, codes.alice.code()),
      { expect: 'Code of bob', send: '\u0003' },
    ],
  );
  expect(wrong, wrong.screen).toMatchObject({
    missed: null,
    screen: expect.stringContaining('That code is not valid now'),
  });
  expect(existsSync(path('answer'))).toBe(false);
  const second = await bob.typed(
    ['cosign', path('ticket'), '--out', path('answer')],
    approveHighSteps(target.name, bob.passphrase, codes.bob.code()),
  );
  expect(second, second.screen).toMatchObject({ code: 0, missed: null });
  expect(await bob.ledger('COSIGNED')).toContainEqual(
    expect.objectContaining({ detail: expect.objectContaining({ approver: 'bob', otp: 'code' }) }),
  );
  const rotations = target.demo.rotations();
  const done = await alice.cli('ticket', 'import', path('answer'), '--run', '--json');
  expect(JSON.parse(done.stdout), done.stderr).toMatchObject({
    state: 'SUCCEEDED',
    impact: 'HIGH',
    signed_by: ['alice', 'bob'],
  });
  expect(target.demo.rotations()).toBe(rotations + 1);
});
