import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { RequestView } from '../../src/request/desk.ts';
import { MODEL, PERSON, type TestDesk } from '../support/desk-on-target.ts';
import { movableClock, useDesks } from '../support/desks.ts';
import { until } from '../support/ssh-test-host.ts';

// What the operator's side refuses, and that each refusal is in the ledger.

const desks = useDesks();

const process = desks.open;
const propose = (
  { desk }: TestDesk,
  action = 'rotate_demo',
  over: Partial<Parameters<TestDesk['desk']['propose']>[1]> = {},
): Promise<RequestView> =>
  desk.propose(MODEL, {
    action,
    host: desks.target.name,
    args: {},
    reason: 'A test wants it.',
    autoApprove: true,
    ...over,
  });
const refusals = (desk: TestDesk) =>
  desk
    .ledger()
    .filter((row) => row.kind === 'refusal')
    .map(({ code, subject, request, detail }) => [code, subject, request, detail?.['times']]);
const code = (expected: string) => ({ code: expected });

test('a model runs nothing that is pending, denied, withdrawn or expired; each try is in the ledger', async () => {
  const clock = movableClock();
  const it = await process({ clock });
  const rotations = desks.target.demo.rotations();
  const pending = await propose(it);
  expect(pending.state).toBe('PENDING');
  const denied = await propose(it);
  await it.desk.deny(PERSON, denied.id, 'Not now.');
  const withdrawn = await propose(it);
  await it.desk.withdraw(MODEL, withdrawn.id);
  const late = await propose(it);

  for (const { id } of [pending, denied, withdrawn])
    await expect(it.desk.execute(MODEL, id)).rejects.toMatchObject(code('NOT_APPROVED'));
  clock.ahead = 301_000;
  await expect(it.desk.execute(MODEL, late.id)).rejects.toMatchObject(code('REQUEST_EXPIRED'));
  await expect(it.desk.execute(MODEL, 'aaaaaaaaaaaaaaaa')).rejects.toMatchObject(code('REQUEST_UNKNOWN'));
  expect(refusals(it)).toEqual([
    ['NOT_APPROVED', 'execute', pending.id, undefined],
    ['NOT_APPROVED', 'execute', denied.id, undefined],
    ['NOT_APPROVED', 'execute', withdrawn.id, undefined],
    ['REQUEST_EXPIRED', 'execute', late.id, undefined],
    ['REQUEST_UNKNOWN', 'execute', undefined, undefined],
  ]);
  expect(desks.target.demo.rotations()).toBe(rotations);
});

test('an approval that nobody used in time is over', async () => {
  const clock = movableClock();
  const it = await process({ clock });
  const { id } = await propose(it);
  await it.approve(id);
  clock.ahead = 301_000;
  const rotations = desks.target.demo.rotations();
  const why = 'It was approved, but not executed in time.';
  const refused = { code: 'REQUEST_EXPIRED', message: expect.stringContaining(why) };
  await expect(it.desk.execute(MODEL, id)).rejects.toMatchObject(refused);
  // The ticket was signed: over is what its host says.
  const over = await it.desk.get(MODEL, id);
  expect(over).toMatchObject({ state: 'REVOKED', terminal: true, receipt: { state: 'NEVER_STARTED' } });
  expect(over.next).toBe(
    `${why} The host has confirmed that it never ran and never will. A person can run: mcp-pra renew ${id}.`,
  );
  await expect(it.desk.execute(MODEL, id)).rejects.toMatchObject(refused);
  expect(await it.desk.renew(PERSON, id)).toMatchObject({ state: 'PENDING', renew_of: id });
  expect(desks.target.demo.rotations()).toBe(rotations);
});

test('what expires or is decided while it is read is refused before a passphrase is asked for, and after it', async () => {
  const clock = movableClock();
  const it = await process({ clock });
  const [late, gone] = [await propose(it), await propose(it)];
  const [read, other] = [await it.desk.sheet(late.id), await it.desk.sheet(gone.id)];
  await it.desk.deny(PERSON, gone.id, '');
  expect(() => it.desk.recheck(other)).toThrow(expect.objectContaining(code('STATE_CONFLICT')));
  clock.ahead = 240_000;
  expect(() => it.desk.recheck(read)).not.toThrow();
  clock.ahead = 301_000;
  const expired = expect.objectContaining(code('REQUEST_EXPIRED'));
  expect(() => it.desk.recheck(read)).toThrow(expired);
  expect(() => it.desk.approve(PERSON, read, { principal: 'operator', signature: 'AAAA' })).toThrow(expired);
  expect(refusals(it)).toEqual([
    ['STATE_CONFLICT', 'sheet', gone.id, undefined],
    ['REQUEST_EXPIRED', 'sheet', late.id, undefined],
    ['REQUEST_EXPIRED', 'approve', late.id, undefined],
  ]);
});

test('a screen that looks at what waits every second uses up nothing', async () => {
  const it = await process({ limits: { callsPerMinute: 2, hostsPerCall: 1, resultTokens: 2_000 } });
  const { id } = await propose(it);
  for (let n = 0; n < 200; n += 1) expect(it.desk.board.waiting().map((view) => view.id)).toEqual([id]);
  expect(it.desk.board.peek(id)).toMatchObject({ state: 'PENDING' });
  expect(it.desk.list(MODEL)).toHaveLength(1);
  expect(() => it.desk.list(MODEL)).toThrow(expect.objectContaining(code('RATE_LIMITED')));
});

test('a wait for a decision ends when the time to decide is over', async () => {
  const clock = movableClock();
  const it = await process({ clock });
  const { id } = await propose(it);
  clock.ahead = 299_500;
  const view = await it.desk.get(MODEL, id, { waitMs: 60_000 });
  expect(view).toMatchObject({ state: 'EXPIRED', terminal: true });
  expect(view.next).toMatch(/^Nobody decided in time\. .* mcp-pra renew/u);
});

test('a wait for a decision ends with the decision of another process', async () => {
  const [a, b] = [await process(), await process()];
  const { id } = await propose(a);
  const waiting = a.desk.get(MODEL, id, { waitMs: 60_000 });
  await b.desk.deny(PERSON, id, 'Not \u202enow.');
  expect(await waiting).toMatchObject({ state: 'DENIED', decision_note: 'Not \\u{202e}now.' });
});

test('decisions in the wrong state are refused and written down, like any other call', async () => {
  const it = await process();
  const { id } = await propose(it);
  const sheet = await it.desk.sheet(id);
  await it.desk.deny(PERSON, id, '');
  await expect(it.desk.deny(PERSON, id, '')).rejects.toMatchObject(code('STATE_CONFLICT'));
  await expect(it.desk.withdraw(MODEL, id)).rejects.toMatchObject(code('STATE_CONFLICT'));
  const unsigned = { principal: 'operator', signature: 'AAAA' };
  expect(() => it.desk.approve(PERSON, sheet, unsigned)).toThrow(
    expect.objectContaining(code('STATE_CONFLICT')),
  );
  await expect(it.desk.sheet(id)).rejects.toMatchObject(code('STATE_CONFLICT'));
  await expect(it.desk.renew(PERSON, id)).rejects.toMatchObject(code('STATE_CONFLICT'));
  await expect(it.desk.get(MODEL, 'zzzz')).rejects.toMatchObject(code('REQUEST_UNKNOWN'));
  expect(refusals(it)).toEqual([
    ['STATE_CONFLICT', 'deny', id, undefined],
    ['STATE_CONFLICT', 'withdraw', id, undefined],
    ['STATE_CONFLICT', 'approve', id, undefined],
    ['STATE_CONFLICT', 'sheet', id, undefined],
    ['STATE_CONFLICT', 'renew', id, undefined],
    ['REQUEST_UNKNOWN', 'get', undefined, undefined],
  ]);
  expect(it.store.verifyLedger().entries).toBe(it.ledger().length);
});

test('a sheet is signed for one request: the signature of another one approves nothing', async () => {
  const it = await process();
  const [one, other] = [await propose(it), await propose(it)];
  const [sheet, mine] = [await it.desk.sheet(one.id), await it.desk.sheet(other.id)];
  await it.approve(other.id);
  const [signature = ''] = it.store.find(other.id).signatures;
  const approve = (read: typeof sheet) => () =>
    it.desk.approve(PERSON, read, { principal: 'operator', signature });
  expect(approve(sheet)).toThrow(expect.objectContaining(code('SIGNATURE_INVALID')));
  expect(approve({ ...sheet, ticket: mine.ticket })).toThrow(
    expect.objectContaining(code('SIGNATURE_INVALID')),
  );
  expect(approve({ ...sheet, namespace: 'mcp-pra-low' })).toThrow(
    expect.objectContaining(code('SIGNATURE_INVALID')),
  );
  expect(it.store.find(one.id).state).toBe('PENDING');
});

test('too many calls are refused for a while, of every kind; a loop of them fills no ledger', async () => {
  const it = await process({ limits: { callsPerMinute: 3, hostsPerCall: 20, resultTokens: 2_000 } });
  const { id } = await propose(it);
  it.desk.list(MODEL);
  await it.desk.withdraw(MODEL, id);
  const calls: (() => unknown)[] = [
    () => it.desk.list(MODEL),
    () => it.desk.withdraw(MODEL, id),
    () => it.desk.get(MODEL, id),
    () => it.desk.execute(MODEL, id),
    () => it.desk.look(MODEL, { diagnostic: 'memory', hosts: [desks.target.name], args: {} }),
  ];
  for (const call of calls) await expect((async () => call())()).rejects.toMatchObject(code('RATE_LIMITED'));
  // Another name is not another caller; the person at the command line is.
  expect(() => it.desk.list({ ...MODEL, client: 'other' })).toThrow(
    expect.objectContaining(code('RATE_LIMITED')),
  );
  for (let more = 6; more < 100; more += 1) expect(() => it.desk.list(MODEL)).toThrow('Too many calls');
  expect(it.desk.list(PERSON)).toHaveLength(1);
  expect(refusals(it)).toEqual([
    ['RATE_LIMITED', 'list', undefined, undefined],
    ['RATE_LIMITED', 'list', undefined, 10],
    ['RATE_LIMITED', 'list', undefined, 100],
  ]);
});

test('an action that the configuration forbids is not proposed, not approved and not run', async () => {
  const free = await process();
  const strict = await process({
    operator: { denyActions: ['rotate_demo'], raise: {}, autoApprove: true, rules: [] },
  });
  await expect(propose(strict)).rejects.toMatchObject(code('ACTION_DENIED'));
  const { id } = await propose(free);
  await expect(strict.desk.sheet(id)).rejects.toMatchObject(code('ACTION_DENIED'));
  await free.approve(id);
  const rotations = desks.target.demo.rotations();
  await expect(strict.desk.execute(MODEL, id)).rejects.toMatchObject(code('ACTION_DENIED'));
  const elsewhere = await process({ hosts: [{ name: 'other', tags: [], groups: [] }] });
  await expect(elsewhere.desk.execute(MODEL, id)).rejects.toMatchObject(code('HOST_UNKNOWN'));
  expect(desks.target.demo.rotations()).toBe(rotations);
  expect(free.store.find(id).state).toBe('APPROVED');
});

test('an impact that the configuration raises needs a person, and so does everything without auto_approve', async () => {
  const raised = await process({
    operator: { denyActions: [], raise: { restart_demo: 'MEDIUM' }, autoApprove: true, rules: [] },
  });
  expect(await propose(raised, 'restart_demo')).toMatchObject({ state: 'PENDING', impact: 'MEDIUM' });
  const off = await process({ operator: { denyActions: [], raise: {}, autoApprove: false, rules: [] } });
  expect(await propose(off, 'restart_demo')).toMatchObject({ state: 'PENDING', impact: 'LOW' });
  const on = await process();
  expect(await propose(on, 'restart_demo', { autoApprove: false })).toMatchObject({ state: 'PENDING' });
  expect(await propose(on, 'slow_demo', { args: { seconds: 4 } })).toMatchObject({ state: 'PENDING' });
});

test('an auto key that cannot sign leaves the request to a person', async () => {
  const it = await process({ autoSigner: () => Promise.reject(new Error('secret of the signer')) });
  const view = await propose(it, 'restart_demo');
  expect(view).toMatchObject({ state: 'PENDING', decided_by: null });
  expect(view.rule).toContain('the auto key could not sign');
  expect(it.errors).toHaveLength(1);
  expect(JSON.stringify([view, it.ledger()])).not.toContain('secret of the signer');
  expect((await it.approve(view.id)).state).toBe('APPROVED');
});

test('a reason is one line of what can be seen, and it is needed', async () => {
  const it = await process();
  const view = await propose(it, 'rotate_demo', { reason: ' broken\n\n\u202eAPPROVED  by root\t' });
  expect(view.reason).toBe('broken \\u{202e}APPROVED by root');
  const sheet = await it.desk.sheet(view.id);
  expect(sheet.ticket).toContain('\nreason broken%20\\u{202e}APPROVED%20by%20root\n');
  for (const reason of ['', ' \n ', 'x'.repeat(401), 'é'.repeat(100)])
    await expect(propose(it, 'rotate_demo', { reason })).rejects.toMatchObject(code('REASON_BAD'));
});

test('a host that takes longer for its offer than the call may last is a deadline, and nothing is filed', async () => {
  const it = await process();
  // The target does one `prepare` at a time and reads its facts first: the diagnostic's own program is made slow.
  const verb = join(desks.target.prefix, 'lib/verbs/demo_process');
  const idle = desks.target.processes().length;
  const text = readFileSync(verb, 'utf8');
  writeFileSync(verb, text.replace(/^run\t.*$/mu, 'run\tprocess\t/usr/bin/sleep\t3'));
  try {
    const call = it.desk.propose(
      MODEL,
      { action: 'rotate_demo', host: desks.target.name, args: {}, reason: 'x', autoApprove: false },
      { signal: AbortSignal.timeout(1_000) },
    );
    await expect(call).rejects.toMatchObject({ code: 'DEADLINE', message: expect.stringContaining('1 s') });
    expect(it.store.list()).toEqual([]);
    expect(it.ledger().map((row) => row.code)).toEqual(['PREPARE', 'DEADLINE']);
  } finally {
    writeFileSync(verb, text);
    // The target finishes what it began; until then it is busy.
    await until(() => desks.target.processes().length === idle);
  }
});

test('what a target refuses at the proposal names its layer, its rule and what to do', async () => {
  const it = await process();
  const disabled = join(desks.target.prefix, 'etc/disabled');
  writeFileSync(disabled, '');
  try {
    await expect(propose(it)).rejects.toMatchObject({
      code: 'TARGET_REFUSED',
      message: `${desks.target.name} refused: layer pra-exec, rule DISABLED.`,
    });
  } finally {
    rmSync(disabled);
  }
  expect(it.ledger().at(-1)).toMatchObject({
    kind: 'refusal',
    code: 'TARGET_REFUSED',
    subject: 'rotate_demo',
    detail: { host: desks.target.name, layer: 'pra-exec', code: 'DISABLED' },
  });
});

test('an expired request is renewed as a new one that names it', async () => {
  const clock = movableClock();
  const it = await process({ clock });
  const old = await propose(it);
  clock.ahead = 301_000;
  const renewed = await it.desk.renew(PERSON, old.id);
  expect(renewed).toMatchObject({ state: 'PENDING', renew_of: old.id, reason: old.reason, impact: 'MEDIUM' });
  expect(renewed.id).not.toBe(old.id);
});
