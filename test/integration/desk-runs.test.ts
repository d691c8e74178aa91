import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { openProcesses } from '../../src/app/processes.ts';
import type { RequestView } from '../../src/request/desk.ts';
import type { BootTime } from '../../src/request/ports.ts';
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
const remote = (clock: TestDeskOptions['clock'] = Date): Promise<TestDesk> => {
  const { name, address } = target;
  return process({
    clock,
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

test('a dispatcher that lives is left alone, for as long as it takes; one that cannot be judged by no step of the wall clock', async () => {
  const clock = {
    wall: 0,
    up: 1_000,
    now(): number {
      return Date.now() + this.wall;
    },
    boot(): BootTime {
      return { id: 'this-boot', ms: this.up };
    },
  };
  const desk = await process({ clock });
  const { own } = openProcesses();
  const [alive, unknown] = [await propose(desk, 'rotate_demo', {}), await propose(desk, 'rotate_demo', {})];
  for (const [{ id }, patch] of [
    [alive, own === undefined ? {} : { dispatcher: own }],
    [unknown, { dispatcher: 'what nobody knows' }],
  ] as const) {
    await desk.approve(id);
    const row = { kind: 'dispatch', code: 'dispatch', actor: 'operator/test', request: id } as const;
    desk.store.transition(id, 'dispatch', patch, row);
  }
  const other = await process({ clock });
  const states = (): string[] => [alive, unknown].map(({ id }) => other.store.find(id).state);
  clock.wall = 86_400_000;
  await other.desk.reconcile();
  expect(states()).toEqual(['DISPATCHING', 'DISPATCHING']);
  clock.up += 60_000;
  await other.desk.reconcile();
  expect(states()).toEqual(['DISPATCHING', 'NEVER_STARTED']);
  clock.up += 86_400_000;
  await other.desk.reconcile();
  expect(states()).toEqual(['DISPATCHING', 'NEVER_STARTED']);
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
    cut: 'before' | 'running' = 'running',
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
      if (cut === 'before') await way.cut();
      await desk.desk.execute(MODEL, id, { waitMs: 0 });
    }
    run = id;
    if (cut === 'running') {
      await until(() => desk.store.find(id).state === 'RUNNING');
      await way.cut();
    }
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

  /** For how long the host has been silent, as the database has it; undefined where nobody counts. */
  const silence = (id: string): { lasted: number; asked: number } | undefined => {
    const raw = new Sqlite(join(state.path, 'mcp-pra.db'), { readonly: true });
    try {
      return raw
        .prepare<[string], { lasted: number; asked: number }>('SELECT * FROM silences WHERE request = ?')
        .get(id);
    } finally {
      raw.close();
    }
  };
  /** Asks once more, `ms` later: really, not between two tries of the channel. */
  const askedAgain = async (id: string, later: (ms: number) => Promise<string>, ms: number) => {
    const before = silence(id)?.asked;
    let now = await later(ms);
    while (now === 'UNKNOWN' && silence(id)?.asked === before) now = await later(0);
    return now;
  };

  test('because the action switched it off, and answers no question for five minutes: sent with no return, until it speaks', async () => {
    const { later, desk, id } = await lost('leave_demo', {});
    while (silence(id) === undefined) await later(0);
    for (let n = 0; n < 9; n += 1) expect(await askedAgain(id, later, 30_000)).toBe('UNKNOWN');
    expect(await askedAgain(id, later, 30_000)).toBe('SENT_NO_RETURN');
    expect(outcomes(desk, id).at(-1)).toBe('outcome vanish');
    const gone = await desk.desk.get(MODEL, id);
    expect(gone).toMatchObject({ state: 'SENT_NO_RETURN', terminal: true, refusal: null });
    expect(gone.next).toMatch(/^Its host was to be switched off, and has not answered since\. It was sent/u);

    await way.restore();
    while ((await desk.desk.get(MODEL, id)).state === 'SENT_NO_RETURN') continue; // between two tries of the channel
    expect(desk.store.find(id).state).toBe('RUNNING');
    expect(outcomes(desk, id).slice(-2)).toEqual(['outcome vanish', 'outcome accept']);
  });

  test('and nobody asked meanwhile: what is not asked is no silence', async () => {
    const { later, id } = await lost('leave_demo', {});
    while (silence(id) === undefined) await later(0);
    expect(await askedAgain(id, later, 3_600_000)).toBe('UNKNOWN');
    // At most a minute of it, and what this test has taken itself.
    expect(silence(id)?.lasted).toBeLessThan(250_000);
  });

  test('and has never said that it took the action: nobody knows that it is off because of that', async () => {
    const { later, desk, id } = await lost('leave_demo', {}, 'before');
    for (let n = 0; n < 15; n += 1) expect(await later(60_000)).toBe('UNKNOWN');
    expect(silence(id)).toBeUndefined();
    expect(desk.store.find(id).isClaimed).toBe(false);
  });

  test('and comes back within that time has its say', async () => {
    const { later, desk, id } = await lost('leave_demo', {});
    while (silence(id) === undefined) await later(0);
    for (let n = 0; n < 9; n += 1) expect(await askedAgain(id, later, 30_000)).toBe('UNKNOWN');
    await way.restore();
    // The host says that it is not through yet: it waits for its own end.
    while ((await desk.desk.get(MODEL, id)).state === 'UNKNOWN') continue; // between two tries of the channel
    expect(desk.store.find(id).state).toBe('RUNNING');
    expect(outcomes(desk, id).filter((row) => row === 'outcome accept').length).toBe(2);
    expect(silence(id)).toBeUndefined();
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
  expect(output).toMatch(
    /^password=\[masked:secret-\w{6}\]\n\\u\{202e\}right\n\[masked:private-key-\w{6}\]\n\[masked\]\n\[masked\]\nlast\n$/u,
  );
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

describe('a request that its host has never heard of, and that it does not burn', () => {
  const WINDOW = 480_000;
  const clock = {
    ahead: 0,
    now(): number {
      return Date.now() + this.ahead;
    },
  };
  beforeEach(() => {
    clock.ahead = 0;
  });
  /** Dispatched by a process that died before it opened the socket. */
  const unsent = async (): Promise<{ readonly desk: TestDesk; readonly id: string }> => {
    const desk = await process({ clock });
    const { id } = await propose(desk, 'rotate_demo', {});
    await desk.approve(id);
    const row = { kind: 'dispatch', code: 'dispatch', actor: 'operator/test', request: id } as const;
    desk.store.transition(id, 'dispatch', {}, row);
    desk.store.transition(id, 'lose', {}, row);
    return { desk, id };
  };

  test('because its approver is unknown there by now: it ends once the host could not take it, with the refusal', async () => {
    const { desk, id } = await unsent();
    const signers = join(target.prefix, 'etc/allowed_signers');
    const were = readFileSync(signers, 'utf8');
    target.writeAllowedSigners([]);
    try {
      expect((await follow(desk, id, 0)).state).toBe('UNKNOWN');
      clock.ahead = WINDOW - 10_000;
      expect((await follow(desk, id, 0)).state).toBe('UNKNOWN');
      clock.ahead = WINDOW + 10_000;
      const view = await follow(desk, id, 0);
      expect(view).toMatchObject({
        state: 'SENT_NO_RETURN',
        terminal: true,
        refusal: 'pra-run SIGNER_UNKNOWN',
      });
      expect(view.next).toContain('refusal has the code');
    } finally {
      writeFileSync(signers, were);
    }
    // What the host says later is nearer to the truth.
    expect((await follow(desk, id, 0)).state).toBe('NEVER_STARTED');
    expect(outcomes(desk, id).slice(-2)).toEqual(['outcome vanish', 'outcome burn']);
  });

  test('because it is in the configuration no more', async () => {
    const { id } = await unsent();
    const other = await process({ clock, hosts: [] });
    expect((await follow(other, id, 0)).state).toBe('UNKNOWN');
    clock.ahead = WINDOW + 10_000;
    expect(await follow(other, id, 0)).toMatchObject({
      state: 'SENT_NO_RETURN',
      refusal: 'whitelist HOST_UNKNOWN',
    });
  });

  test('a person ends it by their word, which is not the host’s: not before its time, and the host is asked first', async () => {
    const { desk, id } = await unsent();
    const close = (it: TestDesk, reason: string) => it.desk.close(PERSON, id, reason);
    const away = await remote(clock);
    await relay.cut();
    try {
      await expect(close(away, 'The machine is gone.')).rejects.toMatchObject({ code: 'CLOSE_EARLY' });
      clock.ahead = WINDOW + 10_000;
      await expect(close(away, '')).rejects.toMatchObject({ code: 'REASON_BAD' });
      expect(away.store.find(id).state).toBe('UNKNOWN');
      const closed = await close(away, 'The machine is gone.');
      expect(closed).toMatchObject({
        state: 'SENT_NO_RETURN',
        decision_note: 'The machine is gone.',
        receipt: null,
      });
      expect(closed.next).toMatch(/^A person closed it, not its host/u);
    } finally {
      await relay.restore();
    }
    expect(away.ledger().at(-1)).toMatchObject({
      kind: 'decision',
      code: 'close',
      actor: 'operator/cli',
      request: id,
      detail: { reason: 'The machine is gone.' },
    });
    // The host has the last word, whoever closed it.
    await expect(close(desk, 'Once more.')).rejects.toMatchObject({ code: 'STATE_CONFLICT' });
    expect(desk.store.find(id).state).toBe('NEVER_STARTED');
  });
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
