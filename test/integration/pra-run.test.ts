import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Ticket } from '../../src/request/types.ts';
import { DatagramSocket } from '../support/datagram-socket.ts';
import { isAlive } from '../support/is-alive.ts';
import {
  frame,
  RunnerTarget,
  type Json,
  type Said,
  type Signing,
  type SubmissionParts,
} from '../support/runner-target.ts';

// What pra-run does once it says yes: runs of real programs, their receipts, and what happens when things break.

let target: RunnerTarget;
let low: Signing;
let auto: Signing;
const sha256 = (data: Buffer | string): string => createHash('sha256').update(data).digest('hex');

beforeAll(() => {
  target = new RunnerTarget();
  low = { key: target.anna, namespace: 'mcp-pra-low' };
  auto = { key: target.auto, namespace: 'mcp-pra-auto' };
});
afterAll(() => {
  target.remove();
});
beforeEach(() => {
  target.writePolicy();
  target.setState('loaded', 'active');
});

const gate = (): string => `${target.program}.gate`;
/** Resolves once a file is there, or gone. */
const until = async (path: string, isThere: boolean): Promise<void> => {
  while (existsSync(path) !== isThere) await sleep(10);
};
/** Lets `wait.service` go on, which takes the gate away. */
const openGate = async (): Promise<void> => {
  writeFileSync(gate(), '');
  await until(gate(), false);
};

/** Makes the diagnostic of the prechecks wait once it is asked; what lets it go on, now and from then on. */
const holdDiagnostic = (): (() => Promise<void>) => {
  const diagnostic = readFileSync(`${target.program}-state`, 'utf8');
  const slow = `touch ${target.program}.inside; until rm ${gate()} 2>/dev/null; do sleep 0.05; done`;
  rmSync(`${target.program}.inside`, { force: true });
  writeFileSync(`${target.program}-state`, diagnostic.replace('\n', `\n${slow}\n`));
  return async () => {
    await openGate();
    writeFileSync(`${target.program}-state`, diagnostic);
  };
};

const unit = (name: string): Json => ({ args: [['unit', `${name}.service`]] });

const prepare = async (
  name: string,
  signings: readonly Signing[] = [low],
  draft: Json = {},
  ticket: Partial<Ticket> = {},
): Promise<SubmissionParts & { readonly action: string }> => {
  const proposal = await target.propose({ ...unit(name), ...draft });
  return { ...target.parts(proposal, signings, ticket), action: proposal.offer.action };
};

const hand = async (parts: SubmissionParts & { readonly action: string }): Promise<Said> =>
  target.ask(parts.action, frame(parts));
const run = async (...parts: Parameters<typeof prepare>): Promise<Said> => hand(await prepare(...parts));
const idOf = ({ ticketText }: SubmissionParts): string => /^id (.*)$/mu.exec(ticketText)?.[1] ?? '';
const state = (path: string): string => join(target.prefix, 'state', path);

/** Starts an action and resolves when its first output has come; the caller decides what happens to the connection. */
const startWaiting = async (
  signings: readonly Signing[] = [low],
  draft: Json = {},
): Promise<{
  parts: SubmissionParts & { action: string };
  child: ReturnType<RunnerTarget['start']>['child'];
  said: Promise<Said>;
}> => {
  const parts = await prepare('wait', signings, draft);
  const { child, said } = target.start([parts.action], frame(parts));
  await new Promise<void>((resolve) => {
    let text = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      if (text.includes('"output"')) resolve();
    });
  });
  return { parts, child, said };
};

const budget = (limits: Json): void =>
  target.writePolicy({ auto_limits: { pair_per_hour: 60, host_per_day: 1000, ...limits } });

const made = (): number =>
  readdirSync(state('claims')).filter(
    (name) => (JSON.parse(readFileSync(state(`claims/${name}`), 'utf8')) as Json)['is_auto'] === true,
  ).length;

const ages = (claims: readonly Json[], boot: string, now: number): Json => {
  const program =
    'import json,sys; sys.path.insert(0, sys.argv[1]); from pra_run.auto_budget import auto_ages; print(json.dumps(auto_ages(*json.load(sys.stdin))))';
  const scripts = join(import.meta.dirname, '../../target-scripts');
  const options = { input: JSON.stringify([claims, boot, now]) };
  return JSON.parse(
    execFileSync('/usr/bin/python3', ['-IBSc', program, scripts], options).toString(),
  ) as Json;
};

const claimAt = (id: string, boot: string, boottime: number, n: number): Json => ({
  id,
  boot_id: boot,
  boottime_ms: boottime,
  n,
});

/** Runs the word where the state directory is another filesystem, then says what is in it. */
const onDisk = (script: string, parts: SubmissionParts): { answer: string; files: string } => {
  writeFileSync(join(target.root, 'submission'), frame(parts));
  const program = `set -e; mount -t tmpfs -o size=1m,mode=0700 tmpfs "$1/target/state"; cd "$1/target/state"; mkdir claims results output receipts; ${script}
    "$1/target/bin/pra-run" low_thing < "$1/submission" || true; echo; echo FILES; find . -type f | sort`;
  const text = execFileSync('unshare', ['-m', 'sh', '-c', program, 'sh', target.root], {
    stdio: ['ignore', 'pipe', 'pipe'],
  }).toString();
  const [answer = '', files = ''] = text.split('FILES\n');
  return { answer, files };
};

const receiptOf = (answer: string): string =>
  String(
    (JSON.parse(answer.split('\n').find((line) => line.includes('"receipt"')) ?? '{}') as Json)['receipt'],
  );

/** The next audit record of pra-run, without what differs each time. The prechecks' own, of mcp-wrapper, are passed over. */
const nextOfOurs = async (log: DatagramSocket): Promise<string> => {
  for (;;) {
    const [, record] = /^<86>\w{3} [ \d]{2} [\d:]{8} pra-run\[\d+\]: (.*)$/u.exec(await log.next()) ?? [];
    if (record !== undefined) return record.replace(/ms=\d+$/u, 'ms=n');
  }
};

describe('a run', () => {
  it('claims, gives the output and then a receipt that says all of it', async () => {
    const parts = await prepare('quick');
    const said = await hand(parts);
    expect(said.events.map(({ event }) => event)).toEqual(['claimed', 'output', 'receipt']);
    expect(said.events[0]).toEqual({ event: 'claimed', id: idOf(parts), durable: true });
    expect(said.output).toBe('restarted quick.service\n');
    expect(target.receipt(said)).toMatchObject({
      id: idOf(parts),
      host: 'web1',
      action: 'low_thing',
      ticket: sha256(parts.ticketText),
      state: 'SUCCEEDED',
      rc: 0,
      output: { sha256: sha256('restarted quick.service\n'), bytes: 24 },
      durable: true,
    });
  });

  it('keeps the exit code and standard error of a failure', async () => {
    const said = await run('fail');
    expect([said.exit, said.output]).toEqual([0, 'cannot\n']);
    expect(target.receipt(said)).toMatchObject({ state: 'FAILED', rc: 3 });
    expect(target.receipt(await run('dead'))).toMatchObject({ state: 'FAILED', rc: 137 });
  });

  it('keeps as many bytes as the definition says, and lets the program finish', async () => {
    const said = await run('loud');
    expect(said.output).toBe('0123456789\n'.repeat(100).slice(0, 1000));
    expect(target.receipt(said)).toMatchObject({
      state: 'SUCCEEDED',
      output: { sha256: sha256(said.output), bytes: 1000 },
    });
    expect(existsSync(`${target.program}.loud`)).toBe(true);
  });

  it('stops at the time limit, with everything it started, also what ignores TERM', async () => {
    const said = await run('hang', [low], { action: 'short_thing' });
    expect([said.output, target.receipt(said)]).toMatchObject(['hanging\n', { state: 'FAILED', rc: 124 }]);
    const child = readFileSync(`${target.program}.child`, 'utf8').trim();
    expect(isAlive(child)).toBe(false);
  });

  it('gives the program an environment, a directory and descriptors of its own, and nothing of the caller', async () => {
    const parts = await prepare('look');
    const { said } = target.start(['low_thing'], frame(parts), {
      SECRET: 'x',
      LD_PRELOAD: '',
      PYTHONPATH: '/tmp',
      PATH: '/tmp',
    });
    expect((await said).output.split('\n')).toEqual([
      'HOME=/',
      'LC_ALL=C.UTF-8',
      'PAGER=cat',
      'PATH=/usr/sbin:/usr/bin:/sbin:/bin',
      'PWD=/',
      'SYSTEMD_COLORS=0',
      'SYSTEMD_PAGER=',
      'TERM=dumb',
      'TZ=UTC',
      '/',
      '5', // 0, 1, 2, the listed directory, and the line `total`
      'in=',
      '',
    ]);
  });

  it('leaves output and claims to their owner alone', async () => {
    const parts = await prepare('quick');
    await hand(parts);
    const id = idOf(parts);
    for (const path of [`claims/${id}.json`, `results/${id}.json`, `receipts/${id}.json`, `output/${id}`]) {
      expect(statSync(state(path)).mode & 0o777).toBe(0o600);
    }
    for (const path of ['claims', 'results', 'receipts', 'output'])
      expect(statSync(state(path)).mode & 0o777).toBe(0o700);
    expect(readdirSync(state('claims')).filter((name) => name.startsWith('.'))).toEqual([]);
    expect(JSON.parse(readFileSync(state(`claims/${id}.json`), 'utf8'))).toMatchObject({
      ticket: parts.ticketText,
      signatures: parts.signatures,
      principals: ['anna'],
    });
  });

  it('warns of a clock that is off, and of a software key where HIGH should have more; neither refuses', async () => {
    const issued = { issued: '2020-01-01T00:00:00Z', expires: '2020-01-01T00:05:00Z' };
    expect(await run('quick', [low], {}, issued)).toMatchObject({ exit: 0, warnings: ['CLOCK_SKEW'] });
    const high = await run('quick', [{ key: target.anna, namespace: 'mcp-pra-high' }], { impact: 'HIGH' });
    expect(high).toMatchObject({ exit: 0, warnings: ['SOFTWARE_KEY'] });
  });
});

describe('receipts', () => {
  it('are a chain: each final one names the one before', async () => {
    let before = String((await run('quick')).events.at(-1)?.['receipt']);
    for (const name of ['fail', 'quick']) {
      const receipt = String((await run(name)).events.at(-1)?.['receipt']);
      expect(receipt).toContain(`previous sha256:${sha256(before)}\n`);
      before = receipt;
    }
  });
});

describe('a connection that ends', () => {
  it.each<[string, NodeJS.Signals]>([
    ['hangs up', 'SIGHUP'],
    ['is killed', 'SIGKILL'],
    ['is stopped', 'SIGTERM'],
  ])('does not end the action when it %s; the receipt is there afterwards', async (_, signal) => {
    const { parts, child, said } = await startWaiting();
    process.kill(-Number(child.pid), signal);
    await said;
    const running = target.receipt(await target.query('status', parts.ticketText));
    expect(running).toMatchObject({ state: 'RUNNING', rc: undefined, finished: undefined });
    expect(running.started).toBeDefined();
    await openGate();
    const result = await target.query('result', parts.ticketText, { wait: 20 });
    expect([result.output, target.receipt(result)]).toMatchObject([
      'waiting\nthrough\n',
      { state: 'SUCCEEDED', rc: 0 },
    ]);
  });

  it('does not end the action when nobody reads the answer any more', async () => {
    const { parts, child, said } = await startWaiting();
    child.stdout?.destroy();
    await openGate();
    expect((await said).exit).toBe(0);
    expect(target.receipt(await target.query('status', parts.ticketText, { wait: 20 }))).toMatchObject({
      state: 'SUCCEEDED',
    });
  });
});

describe('status and result', () => {
  it('want the ticket’s hash, and say the same of an unknown id and a wrong hash', async () => {
    const parts = await prepare('quick');
    await hand(parts);
    const { ticketText } = parts;
    for (const word of ['status', 'result'] as const) {
      expect(await target.query(word, ticketText, { ticket: '0'.repeat(64) })).toMatchObject({
        code: 'ID_UNKNOWN',
        exit: 77,
        events: [],
      });
      expect(await target.query(word, ticketText, { id: 'a'.repeat(16) })).toMatchObject({
        code: 'ID_UNKNOWN',
        exit: 77,
        events: [],
      });
      expect(await target.ask(word, '')).toMatchObject({ code: 'QUERY_FORM', exit: 64, events: [] });
    }
  });

  it('give output from an offset, and always the same receipt', async () => {
    const parts = await prepare('quick');
    const first = await hand(parts);
    const result = await target.query('result', parts.ticketText, { offset: 10 });
    expect(result.output).toBe('quick.service\n');
    expect(result.events[0]).toMatchObject({ event: 'output', offset: 10 });
    expect(result.events.at(-1)).toEqual(first.events.at(-1));
    expect(
      (await target.query('result', parts.ticketText, { offset: 24 })).events.map(({ event }) => event),
    ).toEqual(['receipt']);
    expect((await target.query('status', parts.ticketText)).events).toEqual([first.events.at(-1)]);
  });
});

describe('a ticket', () => {
  it('runs once: handed in again it gives its receipt and is refused', async () => {
    const parts = await prepare('count');
    const first = await hand(parts);
    const again = await hand(parts);
    expect(again).toMatchObject({ code: 'REPLAYED', exit: 77, events: [first.events.at(-1)] });
    expect(readFileSync(`${target.program}.count`, 'utf8')).toBe('run\n');
  });

  it('runs once when it is handed in by many at the same time', async () => {
    rmSync(`${target.program}.count`);
    const parts = await prepare('count');
    const all = await Promise.all([1, 2, 3, 4].map(async () => hand(parts)));
    expect(all.map(({ code }) => String(code)).toSorted()).toEqual([
      'REPLAYED',
      'REPLAYED',
      'REPLAYED',
      'undefined',
    ]);
    await target.query('status', parts.ticketText, { wait: 20 });
    expect(readFileSync(`${target.program}.count`, 'utf8')).toBe('run\n');
  });

  it('does not take an id that another ticket has', async () => {
    const proposal = await target.propose();
    await target.ask('low_thing', target.submission(proposal, [low]));
    const other = await target.ask('low_thing', target.submission(proposal, [low], { reason: 'another' }));
    expect(other).toMatchObject({ code: 'ID_CONFLICT', exit: 77, events: [] });
  });

  it('that was replayed by its signer gets no second run for a second signature', async () => {
    const proposal = await target.propose(unit('quick'));
    const parts = target.parts(proposal, [low]);
    await target.ask('low_thing', frame(parts));
    const bert = target.sign(parts.ticketText, { key: target.bert, namespace: 'mcp-pra-low' });
    expect(await target.ask('low_thing', frame({ ...parts, signatures: [bert] }))).toMatchObject({
      code: 'REPLAYED',
    });
  });
});

describe('fence', () => {
  it('burns an id that never started', async () => {
    const parts = await prepare('quick');
    const fenced = await target.ask('fence', frame(parts));
    expect([fenced.exit, target.receipt(fenced)]).toMatchObject([
      0,
      { state: 'NEVER_STARTED', rc: undefined, started: undefined, output: undefined },
    ]);
    expect(await hand(parts)).toMatchObject({ code: 'REPLAYED', events: [fenced.events.at(-1)] });
    expect(await target.ask('fence', frame(parts))).toMatchObject({ exit: 0, events: fenced.events });
    expect((await target.query('status', parts.ticketText)).events).toEqual(fenced.events);
  });

  it('gives the receipt of what did start', async () => {
    const parts = await prepare('quick');
    const said = await hand(parts);
    expect(await target.ask('fence', frame(parts))).toMatchObject({ exit: 0, events: [said.events.at(-1)] });
  });

  it('does not care how old the offer is', async () => {
    target.writePolicy({ offer_seconds: 1 });
    const proposal = await target.propose();
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    expect(await target.ask('low_thing', target.submission(proposal, [low]))).toMatchObject({
      code: 'OFFER_EXPIRED',
    });
    expect((await target.ask('fence', target.submission(proposal, [low]))).exit).toBe(0);
  });

  it('says nothing of an id of another boot: whether it ran there nobody knows', async () => {
    const proposal = target.forgeOffer(await target.propose(), (text) =>
      text.replace(/boot-id ..../u, 'boot-id 0000'),
    );
    expect(await target.ask('fence', target.submission(proposal, [low]))).toMatchObject({
      code: 'OFFER_BOOT',
      exit: 77,
      events: [],
    });
  });

  it('cares whose the offer is', async () => {
    const forged = target.forgeOffer(await target.propose(), (text) => text, target.anna);
    expect(await target.ask('fence', target.submission(forged, [low]))).toMatchObject({
      code: 'OFFER_SIGNATURE',
      events: [],
    });
  });

  it('is nothing for a bare runner key', async () => {
    const proposal = await target.propose();
    const stranger = target.submission(proposal, [{ key: target.stranger, namespace: 'mcp-pra-low' }]);
    expect(await target.ask('fence', stranger)).toMatchObject({
      code: 'SIGNER_UNKNOWN',
      exit: 77,
      events: [],
    });
    expect(await target.ask('fence', '')).toMatchObject({ code: 'SUBMISSION_FORM', events: [] });
    expect((await target.ask('low_thing', target.submission(proposal, [low]))).exit).toBe(0);
  });
});

describe('one at a time', () => {
  let waiting: Awaited<ReturnType<typeof startWaiting>> | undefined;
  afterEach(async () => {
    if (waiting !== undefined) await openGate();
    await waiting?.said;
    waiting = undefined;
  });

  it('a second person has to wait, and so has an automatic run', async () => {
    const [person, automatic] = [await prepare('quick'), await prepare('quick', [auto])];
    waiting = await startWaiting();
    expect(await hand(person)).toMatchObject({ code: 'BUSY', exit: 75, events: [] });
    expect(await hand(automatic)).toMatchObject({ code: 'BUSY', exit: 75, events: [] });
    expect((await target.ask('fence', frame(person))).exit).toBe(0);
  });

  it('an automatic run holds up no person, but another automatic one', async () => {
    const [person, automatic] = [await prepare('quick'), await prepare('quick', [auto])];
    waiting = await startWaiting([auto]);
    expect(await hand(automatic)).toMatchObject({ code: 'BUSY', exit: 75 });
    expect((await hand(person)).exit).toBe(0);
  });

  it('who waits for the claim of another is refused when the host was frozen meanwhile', async () => {
    const [person, automatic] = [await prepare('quick'), await prepare('quick', [auto])];
    const program =
      'import fcntl,sys; f=open(sys.argv[1],"a"); fcntl.flock(f,fcntl.LOCK_EX); print(flush=True); sys.stdin.read()';
    const holder = spawn('python3', ['-c', program, join(target.prefix, 'run/pra-run/claim.lock')]);
    await once(holder.stdout, 'data');
    const said = hand(person);
    expect(await hand(automatic)).toMatchObject({ code: 'BUSY', exit: 75 });
    writeFileSync(join(target.prefix, 'etc/frozen'), '');
    holder.stdin.end();
    const { code, events } = await said;
    rmSync(join(target.prefix, 'etc/frozen'));
    expect([code, events]).toEqual(['FROZEN', []]);
    expect((await hand(person)).exit).toBe(0);
  });

  it.each([
    ['SIGNER_REVOKED', () => target.revoke(target.anna)],
    ['SIGNER_UNKNOWN', () => target.writeSigners('# nobody\n')],
  ])(
    'who waits for the claim of another is refused when the signer was thrown out meanwhile: %s',
    async (rule, revoke) => {
      const person = await prepare('quick');
      const program =
        'import fcntl,sys; f=open(sys.argv[1],"a"); fcntl.flock(f,fcntl.LOCK_EX); print(flush=True); sys.stdin.read()';
      const path = join(target.prefix, 'run/pra-run/claim.lock');
      const holder = spawn('python3', ['-c', program, path]);
      await once(holder.stdout, 'data');
      const { child, said } = target.start([person.action], frame(person));
      // It looks at the signatures first: once it has the lock's file open, they were good.
      const waits = (): boolean =>
        readdirSync(`/proc/${String(child.pid)}/fd`).some((fd) => {
          try {
            return readlinkSync(`/proc/${String(child.pid)}/fd/${fd}`) === path;
          } catch {
            return false;
          }
        });
      while (!waits()) await sleep(5);
      revoke();
      holder.stdin.end();
      const { code, events } = await said;
      target.writeSigners();
      target.revoke();
      expect([code, events]).toEqual([rule, []]);
      expect((await hand(person)).exit).toBe(0);
    },
  );

  it.each([
    ['DISABLED', 'etc/disabled'],
    ['FROZEN', 'run/pra-run/frozen'],
  ])('what root switches off while a diagnostic is asked is not begun: %s', async (rule, path) => {
    const fact = {
      diagnostic: 'unit_state',
      args: { unit: 'quick.service' },
      parse: 'kv',
      facts: { active_state: { from: 'ActiveState', type: 'string' } },
      expect: [{ fact: 'active_state', op: 'eq', value: 'active' }],
      evidence: [],
      within: 0,
    };
    const verify = [fact];
    target.writeAction('checked', {
      argv: [target.program, 'quick.service'],
      params: [],
      precheck: [],
      verify,
    });
    const person = await prepare('quick', [low], { action: 'checked', args: [] });
    const opened = holdDiagnostic();
    const said = hand(person);
    await until(`${target.program}.inside`, true);
    writeFileSync(join(target.prefix, path), '');
    await opened();
    const { code, events } = await said;
    rmSync(join(target.prefix, path));
    expect([code, events]).toEqual([rule, []]);
    expect((await hand(person)).exit).toBe(0);
  });

  it('who stops something does not wait for the diagnostics of others', async () => {
    const [person, other] = [await prepare('quick'), await prepare('quick')];
    const opened = holdDiagnostic();
    const said = hand(person);
    await until(`${target.program}.inside`, true);
    expect(target.receipt(await target.ask('fence', frame(other))).state).toBe('NEVER_STARTED');
    const signing = { key: target.anna, namespace: 'mcp-pra-medium' };
    const frozen = await target.ask('freeze', target.freeze(target.freezeTicket(), [signing]));
    await opened();
    const { code } = await said;
    rmSync(join(target.prefix, 'etc/frozen'));
    expect([target.receipt(frozen).state, code]).toEqual(['SUCCEEDED', 'FROZEN']);
  });

  it('one prepare', async () => {
    const opened = holdDiagnostic();
    const first = target.start(['prepare'], target.draft());
    await until(`${target.program}.inside`, true);
    const second = await target.ask('prepare', target.draft());
    await opened();
    expect(second).toMatchObject({ code: 'BUSY', exit: 75, events: [] });
    expect((await first.said).exit).toBe(0);
  });
});

describe('a run that was interrupted', () => {
  it('is said to be, once, and its ticket stays used', async () => {
    const { parts, child, said } = await startWaiting();
    const id = idOf(parts);
    const start = JSON.parse(readFileSync(join(target.prefix, `run/pra-run/started/${id}.json`), 'utf8')) as {
      pid: number;
    };
    process.kill(start.pid, 'SIGKILL'); // the runner, as the OOM killer would
    const receipt = target.receipt(await said);
    expect(receipt).toMatchObject({ state: 'INTERRUPTED', rc: undefined, output: { bytes: 8 } });
    child.kill();
    await openGate(); // the program itself was left behind
    expect(target.receipt(await target.query('status', parts.ticketText))).toEqual(receipt);
    expect(await hand(parts)).toMatchObject({ code: 'REPLAYED' });
    expect((await target.start(['--execute', id], '').said).exit).toBe(70);
  });

  it('by a reboot is INTERRUPTED too', async () => {
    const { parts, said } = await startWaiting();
    const id = idOf(parts);
    await openGate();
    await said;
    // As it would be found after the reboot: a claim of another boot, and nothing else.
    const claim = JSON.parse(readFileSync(state(`claims/${id}.json`), 'utf8')) as Json;
    const other = 'c'.repeat(16);
    writeFileSync(
      state(`claims/${other}.json`),
      JSON.stringify({ ...claim, id: other, boot_id: '00000000-0000-0000-0000-000000000000' }),
    );
    const ticket = { id: other, ticket: String(claim['ticket_hash']).slice('sha256:'.length) };
    expect((await target.start(['--execute', other], '').said).exit).toBe(70);
    const receipt = target.receipt(await target.query('status', parts.ticketText, ticket));
    expect(receipt).toMatchObject({
      state: 'INTERRUPTED',
      bootId: '00000000-0000-0000-0000-000000000000',
      started: undefined,
    });
    expect((await target.start(['--execute', other], '').said).exit).toBe(70);
  });

  it('by a stop of its unit says so and stops what it started', async () => {
    const { parts, said } = await startWaiting();
    const start = JSON.parse(
      readFileSync(join(target.prefix, `run/pra-run/started/${idOf(parts)}.json`), 'utf8'),
    ) as { pid: number };
    process.kill(start.pid, 'SIGTERM');
    expect(target.receipt(await said)).toMatchObject({ state: 'INTERRUPTED', rc: 143 });
  });
});

describe('the auto key', () => {
  it('has a budget for each pair and hour', async () => {
    await run('quick', [auto]);
    const used = readdirSync(state('claims')).filter((name) => {
      const claim = JSON.parse(readFileSync(state(`claims/${name}`), 'utf8')) as Json;
      return claim['is_auto'] === true && JSON.stringify(claim['args']) === '[["unit","quick.service"]]';
    }).length;
    budget({ pair_per_hour: used });
    expect(await run('quick', [auto])).toMatchObject({ code: 'AUTO_LIMITED', exit: 75, events: [] });
    expect((await run('quick', [low])).exit).toBe(0);
    budget({ pair_per_hour: used + 1 });
    expect((await run('quick', [auto])).exit).toBe(0);
  });

  it('has a budget for the host and day', async () => {
    budget({ host_per_day: made() });
    expect(await run('count', [auto])).toMatchObject({ code: 'AUTO_LIMITED', exit: 75 });
    budget({ host_per_day: made() + 1 });
    expect((await run('count', [auto])).exit).toBe(0);
  });

  it('waits for the definition’s cooldown; a replay is still called a replay', async () => {
    const parts = await prepare('quick', [auto]);
    await hand(parts);
    target.writeAction('low_thing', { argv: [target.program, '{unit}'], cooldown: 3600 });
    const next = await run('quick', [auto]);
    const replayed = await hand(parts);
    target.writeAction('low_thing', { argv: [target.program, '{unit}'] });
    expect([next.code, replayed.code]).toEqual(['AUTO_LIMITED', 'REPLAYED']);
  });
});

describe('ages of automatic runs', () => {
  it('are never overestimated: only what boots were seen to live counts', () => {
    const claims = [
      claimAt('old', 'a', 1000, 0),
      claimAt('older', 'a', 400, 0),
      claimAt('mid', 'b', 5000, 1),
      claimAt('new', 'c', 70, 2),
    ];
    expect(ages(claims, 'c', 100)).toEqual({
      old: 0 + 5000 + 100,
      older: 600 + 5000 + 100,
      mid: 100,
      new: 30,
    });
    // Boots whose order nothing shows do not count for each other.
    expect(ages([claimAt('x', 'a', 10, 3), claimAt('y', 'b', 20, 3)], 'c', 5)).toEqual({ x: 5, y: 5 });
  });
});

describe('version', () => {
  it('says what is installed, by digest', async () => {
    const { exit, events } = await target.ask('version');
    expect(exit).toBe(0);
    const { policy, actions, scripts } = events[0] as {
      policy: string;
      actions: Json;
      scripts: Record<string, { version: string; sha256: string }>;
    };
    expect(events[0]).toMatchObject({
      event: 'version',
      host: 'web1',
      boot_id: readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim(),
    });
    expect(policy).toBe(`sha256:${sha256(readFileSync(join(target.prefix, 'etc/policy.json')))}`);
    expect(actions['medium_thing']).toBe(sha256('medium_thing'));
    expect(scripts['pra-run']?.sha256).toBe(sha256(readFileSync(join(target.prefix, 'bin/pra-run'))));
  });
});

describe('the audit record', () => {
  it('is one datagram a call, and one for the end of a run, of our words only', async () => {
    const log = await DatagramSocket.open(join(target.root, 'log'), 'read');
    try {
      const parts = await prepare('quick');
      const id = idOf(parts);
      expect(await nextOfOurs(log)).toBe(
        `v=1 verdict=ok word=prepare code=- error=- id=${id} action=low_thing principal=- incident=- state=- ms=n`,
      );
      await hand(parts);
      expect([await nextOfOurs(log), await nextOfOurs(log)].toSorted()).toEqual([
        `v=1 verdict=finished word=execute code=- error=- id=${id} action=low_thing principal=anna incident=- state=SUCCEEDED ms=-`,
        `v=1 verdict=ok word=low_thing code=- error=- id=${id} action=low_thing principal=anna incident=- state=- ms=n`,
      ]);
      await target.ask('no_such_word', '');
      await target.ask('low_thing', 'injected\nline');
      expect([await nextOfOurs(log), await nextOfOurs(log)]).toEqual([
        'v=1 verdict=refused word=- code=WORD_UNLISTED error=- id=- action=- principal=- incident=- state=- ms=n',
        'v=1 verdict=refused word=low_thing code=SUBMISSION_FORM error=- id=- action=- principal=- incident=- state=- ms=n',
      ]);
    } finally {
      await log.close();
    }
  });

  it('is an alert when two tickets have one id', async () => {
    rmSync(join(target.root, 'log'), { force: true });
    const log = await DatagramSocket.open(join(target.root, 'log'), 'read');
    try {
      const first = await prepare('quick');
      await hand(first);
      const { offer } = first;
      const other = { ...first, ticketText: first.ticketText.replace(/^reason .*$/mu, 'reason other') };
      const again = { ...other, offer, signatures: [target.sign(other.ticketText, low)] };
      expect((await hand(again)).code).toBe('ID_CONFLICT');
      let record = '';
      while (!record.includes('code=ID_CONFLICT')) record = await log.next();
      expect(record).toMatch(/^<81>/u);
    } finally {
      await log.close();
    }
  });

  it('is dropped when nobody reads the log, and the action runs', async () => {
    rmSync(join(target.root, 'log'), { force: true });
    const log = await DatagramSocket.open(join(target.root, 'log'), 'full');
    try {
      expect(target.receipt(await run('quick'))).toMatchObject({ state: 'SUCCEEDED' });
    } finally {
      await log.close();
    }
  });
});

describe.skipIf(process.getuid?.() !== 0)('as root on a host', () => {
  it('looks as the reader account, runs as root', async () => {
    const host = new RunnerTarget('sudo');
    try {
      chmodSync(host.root, 0o755);
      writeFileSync(
        `${host.program}-state`,
        '#!/bin/sh\necho LoadState=loaded\necho "ActiveState=$(id -un) $(id -Gn)"\necho NRestarts=0\n',
      );
      const proposal = await host.propose(unit('who'));
      expect(proposal.offer.facts).toContainEqual({
        diagnostic: 'unit_state',
        fact: 'active_state',
        value: 'nobody nogroup',
      });
      const said = await host.ask(
        'low_thing',
        host.submission(proposal, [{ key: host.anna, namespace: 'mcp-pra-low' }]),
      );
      expect([said.output, host.receipt(said)]).toMatchObject(['root\n', { state: 'SUCCEEDED' }]);
    } finally {
      host.remove();
    }
  });
});

// A disk that is full or read-only is made in a mount namespace of its own, which ends with the command.
const canMount = ((): boolean => {
  try {
    execFileSync('unshare', ['-m', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();

describe.skipIf(!canMount)('a disk that fails (needs the right to mount)', () => {
  it('gives the ballast up for the claim when it is full', async () => {
    const parts = await prepare('quick');
    const { answer, files } = onDisk(
      'fallocate -l 262144 ballast; head -c 4m /dev/zero > fill 2>/dev/null || true;',
      parts,
    );
    expect(files).not.toContain('ballast');
    expect(files).toContain(`./claims/${idOf(parts)}.json`);
    expect(receiptOf(answer)).toContain('durable yes\n');
  });

  it('claims in /run when there is no ballast left, or the disk is read-only, and says so', async () => {
    for (const script of ['head -c 4m /dev/zero > fill 2>/dev/null || true;', 'mount -o remount,ro .;']) {
      const parts = await prepare('quick');
      const { answer, files } = onDisk(script, parts);
      expect(files).not.toContain(idOf(parts));
      expect(answer).toContain('{"event":"warning","code":"NOT_DURABLE"}');
      expect(receiptOf(answer)).toContain('state SUCCEEDED\n');
      expect(receiptOf(answer)).toContain('durable no\n');
      expect(existsSync(join(target.prefix, `run/claims/${idOf(parts)}.json`))).toBe(true);
      // The disk is well again, and the ticket is used all the same.
      expect(await hand(parts)).toMatchObject({ code: 'REPLAYED' });
    }
  });

  it('refuses when nothing can hold the claim', async () => {
    const parts = await prepare('quick');
    const { answer } = onDisk(
      'mount -o remount,ro .; mount -t tmpfs -o ro tmpfs "$1/target/run/claims"; exec 2>&1;',
      parts,
    );
    expect(answer).toContain('refused pra-run NO_SPACE\n');
    expect((await hand(parts)).exit).toBe(0);
  });

  it('keeps a preallocated ballast when there is room', async () => {
    mkdirSync(state(''), { recursive: true });
    await run('quick');
    expect(statSync(state('ballast')).size).toBe(262_144);
  });
});
