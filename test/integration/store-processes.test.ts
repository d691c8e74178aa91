import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { LedgerRow } from '../../src/request/ledger-entry.ts';
import { next, type LifecycleEvent } from '../../src/request/lifecycle.ts';
import type { State } from '../../src/request/types.ts';
import { nthId, requestIn, row, TempStore } from '../support/store-fixture.ts';

const SCRIPT = fileURLToPath(new URL('../support/store-process.ts', import.meta.url));

/** A process of its own on the store. */
class Other {
  readonly child: ChildProcess;
  readonly exit: Promise<unknown[]>;
  readonly #lines: Interface;
  readonly #iterator: AsyncIterator<string>;

  constructor(dir: string, task: string, ...rest: readonly string[]) {
    this.child = spawn(process.execPath, [SCRIPT, dir, task, ...rest], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.exit = once(this.child, 'exit');
    if (this.child.stdout === null) throw new Error('no standard output');
    this.#lines = createInterface({ input: this.child.stdout });
    this.#iterator = this.#lines[Symbol.asyncIterator]();
    others.push(this);
  }

  async line(): Promise<unknown> {
    const { value, done } = await this.#iterator.next();
    return done === true ? undefined : (JSON.parse(value) as unknown);
  }

  go(): void {
    this.child.stdin?.write('.');
  }
}

let temp: TempStore;
let others: Other[];
beforeEach(async () => {
  temp = await TempStore.open();
  others = [];
});
afterEach(async () => {
  for (const { child, exit } of others) {
    child.kill('SIGKILL');
    await exit;
  }
  temp.dispose();
});

const mirrored = (): LedgerRow[] =>
  readdirSync(temp.auditDir).flatMap((name) =>
    readFileSync(join(temp.auditDir, name), 'utf8')
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as LedgerRow),
  );

interface Drawn {
  readonly done: readonly (readonly [id: string, event: string, came: string, signature: string])[];
  readonly warnings: readonly string[];
}

interface Raced {
  readonly pid: number;
  readonly won: readonly { readonly approve: string; readonly dispatch: string }[];
  readonly warnings: readonly string[];
}

describe('processes on one store', () => {
  it('with the same one-time code for requests of their own: exactly one wins each code', async () => {
    const principals = Array.from({ length: 40 }, (_, n) => `approver-${String(n)}`);
    for (const [n, principal] of principals.entries()) {
      const recovery = { recoverySalt: '', recovery: [] };
      const key = { key: `SHA256:${String(n)}`, keyType: 'ssh-ed25519', sealed: 'sealed' };
      const enrolment = {
        principal,
        id: `enrolment-${String(n)}`,
        lastStep: 6,
        enrolledAt: 0,
        ...key,
        ...recovery,
      };
      temp.store.otp.enrol(enrolment, { kind: 'note', code: 'OTP_ENROLLED', actor: 'test/test' });
    }
    const idOf = (racer: number, n: number): string => nthId(racer * principals.length + n);
    for (const racer of [0, 1, 2])
      for (const n of principals.keys()) requestIn(temp.store, idOf(racer, n), 'PENDING');
    const racers = [0, 1, 2].map(
      (racer) =>
        new Other(temp.dir, 'otp', ...principals.map((principal, n) => `${principal}:${idOf(racer, n)}`)),
    );
    await Promise.all(racers.map((racer) => racer.line()));
    for (const racer of racers) racer.go();
    const results = (await Promise.all(racers.map((racer) => racer.line()))) as string[][];
    for (const n of principals.keys()) {
      expect(results.map((won) => String(won[n])).sort()).toEqual(['OTP_USED', 'OTP_USED', 'won']);
      const states = [0, 1, 2].map((racer) => temp.store.find(idOf(racer, n)).state);
      expect(states.sort()).toEqual(['APPROVED', 'PENDING', 'PENDING']);
    }
    expect(results.flat().filter((outcome) => outcome === 'won')).toHaveLength(principals.length);
  });

  it('race for every approval and every dispatch, and exactly one wins each', async () => {
    const ids = Array.from({ length: 120 }, (_, n) => nthId(n));
    for (const id of ids) requestIn(temp.store, id, 'PENDING');
    const racers = [0, 1, 2].map(() => new Other(temp.dir, 'race', ...ids));
    await Promise.all(racers.map((racer) => racer.line()));
    for (const racer of racers) racer.go();
    const results = (await Promise.all(racers.map((racer) => racer.line()))) as Raced[];

    ids.forEach((id, n) => {
      for (const step of ['approve', 'dispatch'] as const) {
        const outcomes = results.map(({ won }) => String(won[n]?.[step])).sort();
        expect(outcomes, `${id} ${step}`).toEqual(['STATE_CONFLICT', 'STATE_CONFLICT', 'won']);
      }
      const winner = results.find(({ won }) => won[n]?.approve === 'won');
      expect(temp.store.find(id)).toMatchObject({ state: 'DISPATCHING', decidedBy: String(winner?.pid) });
    });
    expect(new Set(results.map(({ pid }) => pid)).size).toBe(3);
    expect(results.flatMap(({ warnings }) => warnings)).toEqual([]);
    // Two rows to file each request and two to run it: the losers wrote nothing.
    expect(temp.store.verifyLedger().entries).toBe(4 * ids.length);
    expect(mirrored().map(({ seq }) => seq)).toEqual(Array.from({ length: 4 * ids.length }, (_, n) => n + 1));
  });

  it('do anything to the same requests at once, and each change is one row of a history that could be', async () => {
    const seed = Number(process.env['MCP_PRA_SEED'] ?? Date.now() % 1_000_000);
    process.stdout.write(`random commands of three processes: MCP_PRA_SEED=${String(seed)}\n`);
    const ids = Array.from({ length: 40 }, (_, n) => nthId(n));
    // Some of them are approved already, so that every step of a life is drawn.
    ids.forEach((id, n) => requestIn(temp.store, id, n % 2 === 0 ? 'PROPOSED' : 'APPROVED'));
    const filed = temp.store.tail(100_000).length;
    const racers = ['a', 'b', 'c'].map(
      (own, n) => new Other(temp.dir, 'random', String(seed + n), '500', own, ...ids),
    );
    await Promise.all(racers.map((racer) => racer.line()));
    for (const racer of racers) racer.go();
    const results = (await Promise.all(racers.map((racer) => racer.line()))) as Drawn[];
    expect(results.flatMap(({ warnings }) => warnings)).toEqual([]);

    const drawn = results.flatMap(({ done }) => done);
    const won = drawn.filter(([, , came]) => came === 'won');
    const codes = new Set(drawn.map(([, , came]) => came));
    expect([...codes].sort()).toEqual(
      ['REQUEST_EXPIRED', 'SIGNED_MEANWHILE', 'STATE_CONFLICT', 'won'].filter((code) => codes.has(code)),
    );
    const rows = temp.store.tail(100_000);
    // What was refused wrote nothing: the rows are those that were filed and those that won.
    expect(rows).toHaveLength(filed + won.length);
    expect(mirrored()).toEqual(rows);
    temp.store.verifyLedger();
    for (const id of ids) {
      const told = rows.filter(({ request }) => request === id).map(({ code }) => code as LifecycleEvent);
      const steps = told
        .slice(1)
        .reduce<(State | undefined)[]>(
          (states, event) => [...states, next(states.at(-1) ?? 'DENIED', event)],
          ['PROPOSED'],
        );
      const request = temp.store.find(id);
      // Each row is an edge from where the row before it led, none follows an end, and the last one is the state.
      expect(steps, `${id} seed ${String(seed)}`).not.toContain(undefined);
      expect(steps.at(-1)).toBe(request.state);
      expect(told.filter((event) => event === 'dispatch').length).toBeLessThanOrEqual(1);
      expect(told.filter((event) => event === 'approve').length).toBeLessThanOrEqual(1);
      // No signature of those who won is lost, and none of those who lost is there.
      const signed = won.filter(([of, event]) => of === id && ['cosign', 'approve'].includes(event));
      expect([...request.signatures].sort()).toEqual(signed.map(([, , , signature]) => signature).sort());
      expect(request.approvals.map(({ key }) => key)).toEqual(request.signatures);
    }
    expect(won.some(([, event]) => event === 'dispatch')).toBe(true);
  });

  it('sign the same request at once, and no signature is lost', async () => {
    const ids = Array.from({ length: 60 }, (_, n) => nthId(n));
    for (const id of ids) requestIn(temp.store, id, 'PENDING');
    const racers = ['a', 'b', 'c'].map((own) => new Other(temp.dir, 'sign', own, ...ids));
    await Promise.all(racers.map((racer) => racer.line()));
    for (const racer of racers) racer.go();
    const tries = (await Promise.all(racers.map((racer) => racer.line()))) as number[];
    for (const id of ids) {
      const { state, approvals } = temp.store.find(id);
      expect([state, approvals.map(({ principal }) => principal).sort()]).toEqual([
        'PENDING',
        ['a', 'b', 'c'],
      ]);
    }
    expect(temp.store.tail(100_000).filter(({ code }) => code === 'cosign')).toHaveLength(3 * ids.length);
    expect(Math.min(...tries)).toBeGreaterThanOrEqual(ids.length);
  });

  it('open a new store at the same moment', async () => {
    const dir = join(temp.dir, 'fresh');
    const racers = Array.from({ length: 6 }, () => new Other(dir, 'open'));
    await Promise.all(racers.map((racer) => racer.line()));
    for (const racer of racers) racer.go();
    expect(await Promise.all(racers.map((racer) => racer.line()))).toEqual(racers.map(() => 'won'));
  });

  it('may be killed at any moment: chain, mirror and requests are whole afterwards', async () => {
    let first = 0;
    for (const after of [1, 7, 30]) {
      const ids = Array.from({ length: 2_000 }, (_, n) => nthId(first + n));
      first += ids.length;
      const writer = new Other(temp.dir, 'write', ...ids);
      await writer.line();
      writer.go();
      let last: unknown;
      for (let n = 0; n < after; n += 1) last = await writer.line();
      writer.child.kill('SIGKILL');
      await writer.exit;

      await temp.reopen();
      const { entries } = temp.store.verifyLedger();
      const rows = mirrored();
      expect(rows).toEqual(temp.store.tail(entries));
      expect(rows.map(({ seq }) => seq)).toEqual(Array.from({ length: entries }, (_, n) => n + 1));
      expect(temp.store.find(String(last)).state).toBe('PENDING');
      // What is in the table is what the ledger tells.
      for (const { id, state } of temp.store.list({ limit: 10_000 })) {
        const told = rows.filter(({ request }) => request === id).map(({ code }) => code);
        expect(told).toEqual(state === 'PROPOSED' ? ['PROPOSED'] : ['PROPOSED', 'ask']);
      }
    }
    expect(temp.warnings).toEqual([]);
  });

  it('verify while another one writes', async () => {
    const ids = Array.from({ length: 80 }, (_, n) => nthId(n));
    const writer = new Other(temp.dir, 'write', ...ids);
    await writer.line();
    writer.go();
    const heads = new Set<string>();
    for (const id of ids) {
      expect(await writer.line()).toBe(id);
      heads.add(temp.store.verifyLedger().head);
    }
    expect(heads.size).toBeGreaterThan(1);
    await writer.exit;
    expect(temp.store.verifyLedger().entries).toBe(3 * ids.length);
  });

  it('hear of each other’s changes', async () => {
    requestIn(temp.store, nthId(0), 'PENDING');
    const waiter = new Other(temp.dir, 'wait');
    await waiter.line();
    waiter.go();
    expect(await waiter.line()).toBe('waiting');
    temp.store.transition(nthId(0), 'deny', {}, row(nthId(0), 'deny'));
    expect(await waiter.line()).toEqual(['DENIED']);
    expect(await waiter.exit).toEqual([0, null]);
  });

  it('end by themselves after a wait that was aborted', async () => {
    const waiter = new Other(temp.dir, 'stop-waiting');
    await waiter.line();
    waiter.go();
    expect(await waiter.line()).toBe('aborted');
    expect(await waiter.exit).toEqual([0, null]);
  });
});
