import { spawnSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { openProcesses } from '../../src/app/processes.ts';
import type { RequestView } from '../../src/request/desk.ts';
import {
  MODEL,
  PERSON,
  makeStateDir,
  openTestDesk,
  type TestDesk,
  type TestDeskOptions,
} from '../support/desk-on-target.ts';
import { startEmbeddedTarget, type EmbeddedTarget } from '../support/embedded-target.ts';
import { HOSTILE_AUTO, hostileCatalog } from '../support/hostile-catalog.ts';
import { startRelay, type Relay } from '../support/relay.ts';
import { until } from '../support/ssh-test-host.ts';

// Runs on the embedded target, and everything that can happen to them on the way.

const catalog = hostileCatalog();
let target: EmbeddedTarget;
let relay: Relay;
let state: ReturnType<typeof makeStateDir>;
let desks: TestDesk[] = [];

beforeAll(async () => {
  target = await startEmbeddedTarget({ catalogDir: catalog.dir, policy: { auto: HOSTILE_AUTO } });
  relay = await startRelay(target.port);
});
afterAll(async () => {
  await relay?.[Symbol.asyncDispose]();
  await target?.stop();
  catalog.remove();
});
beforeEach(() => {
  state = makeStateDir();
});
afterEach(async () => {
  await Promise.all(desks.map((desk) => desk.close()));
  desks = [];
  state.remove();
});

/** A process of the operator; several of them share the database. */
const process = async (over: Partial<TestDeskOptions> = {}): Promise<TestDesk> => {
  const desk = await openTestDesk(target, { stateDir: state.path, catalogDir: catalog.dir, ...over });
  desks.push(desk);
  return desk;
};
/** One whose network is the relay. */
const remote = (): Promise<TestDesk> => {
  const { name, address } = target;
  return process({
    ssh: {
      hosts: { [name]: { name, address, port: relay.port, hostKeyAlias: name } },
      limits: { backOffMs: 10, backOffMaxMs: 50 },
    },
  });
};

const propose = (
  { desk }: TestDesk,
  action: string,
  args: Record<string, unknown>,
  options: Parameters<TestDesk['desk']['propose']>[2] = {},
): Promise<RequestView> =>
  desk.propose(
    MODEL,
    { action, host: target.name, args, reason: 'A test wants it.', autoApprove: true },
    options,
  );
const outcomes = (desk: TestDesk, id: string) =>
  desk
    .ledger()
    .filter((row) => row.request === id)
    .map(({ kind, code }) => `${kind} ${code}`);
const follow = (desk: TestDesk, id: string, waitMs = 20_000): Promise<RequestView> =>
  desk.desk.get(MODEL, id, { waitMs });

test('a LOW action that the host lets run by itself runs once and shows its receipt and output', async () => {
  const desk = await process();
  const pid = target.demo.pid();
  const view = await propose(desk, 'restart_demo', {}, { waitMs: 20_000 });
  expect(view).toMatchObject({
    state: 'SUCCEEDED',
    decided_by: 'auto',
    receipt: { state: 'SUCCEEDED', rc: 0 },
  });
  expect(view.rule).toContain('lists restart_demo');
  expect(target.demo.pid()).not.toBe(pid);
  expect(outcomes(desk, view.id)).toEqual([
    'proposal PREPARE',
    'proposal PROPOSED',
    'decision auto_approve',
    'dispatch dispatch',
    'outcome accept',
    'outcome succeed',
  ]);
});

test('of two processes that execute the same request at the same time, one runs it and both see the end', async () => {
  const [a, b] = [await process(), await process({ autoSigner: undefined })];
  const { id } = await a.desk.propose(MODEL, {
    action: 'slow_demo',
    host: target.name,
    args: { seconds: 1 },
    reason: 'Twice at once.',
    autoApprove: false,
  });
  await a.approve(id);
  const runs = target.demo.slowRuns();
  const views = await Promise.all([
    a.desk.execute(MODEL, id, { waitMs: 20_000 }),
    b.desk.execute(PERSON, id, { waitMs: 20_000 }),
    a.desk.execute(MODEL, id, { waitMs: 20_000 }),
  ]);
  expect(views.map((view) => view.state)).toEqual(['SUCCEEDED', 'SUCCEEDED', 'SUCCEEDED']);
  expect(target.demo.slowRuns()).toBe(runs + 1);
  expect(outcomes(a, id).filter((row) => row === 'dispatch dispatch')).toHaveLength(1);
  const again = await b.desk.execute(MODEL, id, { waitMs: 20_000 });
  expect(again.state).toBe('SUCCEEDED');
  expect(target.demo.slowRuns()).toBe(runs + 1);
});

test('a connection lost in the middle of a run is UNKNOWN for a moment; the receipt comes afterwards, with all output', async () => {
  const desk = await remote();
  const runs = target.demo.slowRuns();
  const told: string[] = [];
  const running = propose(
    desk,
    'slow_demo',
    { seconds: 3 },
    { waitMs: 20_000, onOutput: (text) => told.push(text) },
  );
  await until(() => told.join('').includes('second 1\n'));
  await relay.cut();
  await until(() => desk.ledger().at(-1)?.code === 'lose');
  expect(desk.store.list()[0]?.state).toBe('UNKNOWN');
  await relay.restore();
  const view = await running;
  expect(view.state).toBe('SUCCEEDED');
  expect(view.output).toBe('second 1\nsecond 2\nsecond 3\n');
  expect(told.join('')).toBe('second 1\nsecond 2\nsecond 3\n');
  expect(target.demo.slowRuns()).toBe(runs + 1);
  expect(outcomes(desk, view.id).slice(-4)).toEqual([
    'outcome accept',
    'outcome lose',
    'outcome accept',
    'outcome succeed',
  ]);
});

test('a host that cannot be reached at the dispatch: the request never started, and that becomes certain', async () => {
  const desk = await remote();
  const { id } = await propose(desk, 'rotate_demo', {});
  await desk.approve(id);
  const rotations = target.demo.rotations();
  await relay.cut();
  const view = await desk.desk.execute(MODEL, id, { waitMs: 500 });
  expect(view).toMatchObject({ state: 'UNKNOWN', receipt: null });
  await relay.restore();
  expect(await follow(desk, id)).toMatchObject({
    state: 'NEVER_STARTED',
    receipt: { state: 'NEVER_STARTED' },
  });
  expect(target.demo.rotations()).toBe(rotations);
  // The burnt ticket cannot run any more, whoever asks.
  expect(await desk.desk.execute(MODEL, id, { waitMs: 500 })).toMatchObject({ state: 'NEVER_STARTED' });
  expect(target.demo.rotations()).toBe(rotations);
});

test('a process that dies between its dispatch and the socket: another one that sees it gone takes over at once', async () => {
  const dead = await process();
  const { own = '' } = openProcesses();
  const dispatched = async (by: string): Promise<string> => {
    const { id } = await propose(dead, 'rotate_demo', {});
    await dead.approve(id);
    const row = { kind: 'dispatch', code: 'dispatch', actor: 'operator/test', request: id } as const;
    dead.store.transition(id, 'dispatch', { dispatcher: by }, row);
    return id;
  };
  const gone = await dispatched(own.replace(/\d+$/u, '1')); // this pid, but another birth
  const alive = await dispatched(own);

  const other = await process();
  expect(await other.desk.reconcile()).toBe(1);
  expect(other.store.find(gone).state).toBe('NEVER_STARTED');
  expect(other.store.find(alive).state).toBe('DISPATCHING');
});

test('a dispatched run names the process that dispatched it', async () => {
  const desk = await process();
  const { id } = await propose(desk, 'rotate_demo', {});
  await desk.approve(id);
  await desk.desk.execute(MODEL, id, { waitMs: 20_000 });
  expect(desk.store.find(id)).toMatchObject({ state: 'SUCCEEDED', dispatcher: openProcesses().own });
});

test('a process that dies between its dispatch and the socket, and nobody can say whether it did: another one finds out, once it must be dead', async () => {
  const clock = {
    ahead: 0,
    now(): number {
      return Date.now() + this.ahead;
    },
  };
  const dead = await process({ clock });
  const { id } = await propose(dead, 'rotate_demo', {});
  await dead.approve(id);
  const row = { kind: 'dispatch', code: 'dispatch', actor: 'operator/test', request: id } as const;
  dead.store.transition(id, 'dispatch', {}, row);

  const other = await process({ clock });
  expect(await other.desk.reconcile()).toBe(0);
  expect((await follow(other, id, 100)).state).toBe('DISPATCHING');
  clock.ahead = 61_000;
  expect(await other.desk.reconcile()).toBe(1);
  expect((await follow(other, id, 0)).state).toBe('NEVER_STARTED');
  expect(outcomes(other, id).slice(-2)).toEqual(['outcome lose', 'outcome burn']);
});

test('a process that closes while it follows a run leaves the run alone; the next one settles it', async () => {
  const first = await openTestDesk(target, { stateDir: state.path, catalogDir: catalog.dir });
  const runs = target.demo.slowRuns();
  const { id, state: seen } = await propose(first, 'slow_demo', { seconds: 3 }, { waitMs: 0 });
  expect(['DISPATCHING', 'RUNNING']).toContain(seen);
  await until(() => target.demo.slowRuns() === runs + 1);
  await first.close();

  const second = await process();
  expect(second.store.find(id).state).toBe('UNKNOWN');
  expect(await second.desk.reconcile()).toBe(1);
  const view = await second.desk.get(MODEL, id);
  expect(view).toMatchObject({ state: 'SUCCEEDED', output: 'second 1\nsecond 2\nsecond 3\n' });
  expect(target.demo.slowRuns()).toBe(runs + 1);
  // What the host says on the way is no fault of this program.
  expect(second.errors).toEqual([]);
});

describe('a host that went away in the middle of a run', () => {
  // Hosts of their own: after an action that is to switch it off a host takes no other one for two minutes.
  let host: EmbeddedTarget;
  let way: Relay;
  let run = '';
  beforeEach(async () => {
    host = await startEmbeddedTarget({ catalogDir: catalog.dir, policy: { auto: HOSTILE_AUTO } });
    way = await startRelay(host.port);
  });
  afterEach(async () => {
    spawnSync('pkill', ['-KILL', '-f', `pra-run --execute ${run}`]);
    await way[Symbol.asyncDispose]();
    await host.stop();
  });

  /** A run whose connection is lost, and a clock that is moved before each question to its host. */
  const lost = async (
    action: string,
    args: Record<string, unknown>,
  ): Promise<{
    readonly desk: TestDesk;
    readonly id: string;
    readonly later: (ms: number) => Promise<string>;
  }> => {
    const clock = {
      ahead: 0,
      now(): number {
        return Date.now() + this.ahead;
      },
    };
    const { name, address } = host;
    const hosts = { [name]: { name, address, port: way.port, hostKeyAlias: name } };
    const ssh = { hosts, limits: { backOffMs: 10, backOffMaxMs: 50 } };
    const desk = await openTestDesk(host, { stateDir: state.path, catalogDir: catalog.dir, clock, ssh });
    desks.push(desk);
    const { id, state: filed } = await propose(desk, action, args, { waitMs: 0 });
    if (filed === 'PENDING') {
      await desk.approve(id);
      await desk.desk.execute(MODEL, id, { waitMs: 0 });
    }
    run = id;
    await until(() => desk.store.find(id).state === 'RUNNING');
    await way.cut();
    await until(() => desk.store.find(id).state === 'UNKNOWN');
    const later = async (ms: number): Promise<string> => {
      await desk.open.idle(); // what is still being asked for would be left out
      clock.ahead += ms;
      await desk.desk.reconcile();
      return desk.store.find(id).state;
    };
    expect(await later(0)).toBe('UNKNOWN'); // missed from here on
    return { desk, id, later };
  };

  test('because the action switched it off, and stays away: sent with no return, after five minutes', async () => {
    const { later, desk, id } = await lost('leave_demo', {});
    expect(await later(295_000)).toBe('UNKNOWN');
    await later(5_001);
    while (desk.store.find(id).state === 'UNKNOWN') await later(0); // between two tries of the channel
    expect(desk.store.find(id).state).toBe('SENT_NO_RETURN');
    expect(outcomes(desk, id).at(-1)).toBe('outcome vanish');
  });

  test('and comes back within that time has its say', async () => {
    const { later, desk, id } = await lost('leave_demo', {});
    expect(await later(295_000)).toBe('UNKNOWN');
    await way.restore();
    // The host says that it is not through yet: it waits for its own end.
    while ((await desk.desk.get(MODEL, id)).state === 'UNKNOWN') continue; // between two tries of the channel
    expect(desk.store.find(id).state).toBe('RUNNING');
    expect(outcomes(desk, id).filter((row) => row === 'outcome accept').length).toBe(2);
  });

  test('although the action leaves it alone: it is asked for as long as that takes', async () => {
    const { later } = await lost('slow_demo', { seconds: 2 });
    expect(await later(300_001)).toBe('UNKNOWN');
    expect(await later(3_600_000)).toBe('UNKNOWN');
  });
});

test('whoever asks for an unsettled run hears from the host at once, without waiting for anything', async () => {
  const [a, b] = [await process(), await process()];
  const { id } = await propose(a, 'slow_demo', { seconds: 1 }, { waitMs: 20_000 });
  // As if the one who followed it had died before it could write down the end.
  const { id: lost } = await propose(a, 'slow_demo', { seconds: 1 }, { waitMs: 0 });
  expect((await b.desk.get(MODEL, id)).state).toBe('SUCCEEDED');
  await until(() => a.store.find(lost).state === 'RUNNING');
  expect(['RUNNING', 'SUCCEEDED']).toContain((await b.desk.get(MODEL, lost)).state);
  await follow(b, lost);
});

test('a wait ends with the run, not with its own time', async () => {
  const [a, b] = [await process(), await process()];
  const { id } = await propose(a, 'slow_demo', { seconds: 2 }, { waitMs: 0 });
  const views = await Promise.all([follow(a, id, 60_000), follow(b, id, 60_000)]);
  expect(views.map((view) => view.state)).toEqual(['SUCCEEDED', 'SUCCEEDED']);
});

test('giving up a wait does not touch the run, and no output is told after it', async () => {
  const desk = await process();
  const told: string[] = [];
  const stop = new AbortController();
  const waiting = propose(
    desk,
    'slow_demo',
    { seconds: 3 },
    { waitMs: 20_000, signal: stop.signal, onOutput: (text) => told.push(text) },
  );
  await until(() => told.length > 0);
  stop.abort();
  const { id, state: seen } = await waiting;
  expect(seen).toBe('RUNNING');
  const sofar = told.length;
  const end = await follow(desk, id);
  expect(end).toMatchObject({ state: 'SUCCEEDED', output: 'second 1\nsecond 2\nsecond 3\n' });
  expect(told.length).toBe(sofar);
});

test('output of a run is shown by a process that did not follow it: neutralised, masked, and cut where it is long', async () => {
  const [a, b] = [await process(), await process()];
  const key = 'AAAAB3NzaC1yc2EAAAADAQABAAABAQ';
  writeFileSync(
    join(target.demo.directory, 'note'),
    `password=hunter2\n\u202eright\u001b[2J\n-----BEGIN RSA PRIVATE KEY-----\n${key}\n-----END RSA PRIVATE KEY-----\nlast\n`,
  );
  const told: string[] = [];
  const { id, output } = await propose(
    a,
    'print_note',
    {},
    { waitMs: 20_000, onOutput: (text) => told.push(text) },
  );
  expect(output).toBe('password=[masked]\n\\u{202e}right\n[masked]\n[masked]\n[masked]\nlast\n');
  expect(told.join('')).toBe(output);
  expect((await b.desk.get(MODEL, id)).output).toBe(output);
  expect(JSON.stringify(a.ledger())).not.toContain('right');

  const much = await propose(a, 'print_much', { lines: 140_000 }, { waitMs: 20_000 });
  expect(much).toMatchObject({ state: 'SUCCEEDED', output_truncated: true });
  expect(much.receipt?.output?.bytes).toBeGreaterThan(800_000);
  expect((await b.desk.get(MODEL, much.id)).output).toBe(much.output);
  expect(much.output).toMatch(/^1\n2\n3\n/u);
});

test('a host that refuses to say anything settles nothing: it stays UNKNOWN until it does', async () => {
  const dead = await process();
  const { id } = await propose(dead, 'rotate_demo', {});
  await dead.approve(id);
  const row = { kind: 'dispatch', code: 'dispatch', actor: 'operator/test', request: id } as const;
  dead.store.transition(id, 'dispatch', {}, row);
  dead.store.transition(id, 'lose', {}, row);
  const disabled = join(target.prefix, 'etc/disabled');
  writeFileSync(disabled, '');
  try {
    expect((await follow(dead, id, 0)).state).toBe('UNKNOWN');
  } finally {
    rmSync(disabled);
  }
  expect((await follow(dead, id, 0)).state).toBe('NEVER_STARTED');
});

test('what the host refuses at the dispatch is REFUSED_BY_TARGET, with its code', async () => {
  const desk = await process();
  const refused = await propose(desk, 'rotate_demo', {});
  await desk.approve(refused.id);
  const frozen = join(target.prefix, 'etc/frozen');
  writeFileSync(frozen, '');
  try {
    expect(await desk.desk.execute(MODEL, refused.id, { waitMs: 20_000 })).toMatchObject({
      state: 'REFUSED_BY_TARGET',
      refusal: 'pra-run FROZEN',
      receipt: null,
    });
  } finally {
    rmSync(frozen);
  }
  expect(outcomes(desk, refused.id).slice(-2)).toEqual(['dispatch dispatch', 'outcome refuse']);
});

test('an approval that is taken back is revoked by the host itself: its receipt says that the ticket can never run', async () => {
  const it = await process();
  const { desk } = it;
  const rotations = target.demo.rotations();
  const { id } = await propose(it, 'rotate_demo', {});
  await it.approve(id);
  const view = await desk.deny(PERSON, id, 'Not now.');
  expect(view).toMatchObject({
    state: 'REVOKED',
    decision_note: 'Not now.',
    receipt: { state: 'NEVER_STARTED' },
  });
  expect(outcomes(it, id).slice(-3)).toEqual(['decision approve', 'decision deny', 'outcome revoke']);
  await expect(desk.execute(MODEL, id)).rejects.toMatchObject({ code: 'NOT_APPROVED' });
  expect(target.demo.rotations()).toBe(rotations);
});

test('while the host cannot say so, it is not called revoked; it is asked again, and nothing here runs it', async () => {
  const it = await remote();
  const { id } = await propose(it, 'rotate_demo', {});
  await it.approve(id);
  const rotations = target.demo.rotations();
  await relay.cut();
  const view = await it.desk.withdraw(MODEL, id, { waitMs: 200 });
  expect(view.state).toBe('REVOKE_UNCONFIRMED');
  await expect(it.desk.execute(MODEL, id)).rejects.toMatchObject({ code: 'NOT_APPROVED' });
  await relay.restore();
  const other = await process();
  expect(await other.desk.reconcile()).toBe(1);
  expect((await other.desk.get(MODEL, id)).state).toBe('REVOKED');
  expect(target.demo.rotations()).toBe(rotations);
});
