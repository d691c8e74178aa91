import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PraError } from '../../../src/errors.ts';
import { next, TRANSITIONS, type LifecycleEvent } from '../../../src/request/lifecycle.ts';
import type { RequestPatch } from '../../../src/request/ports.ts';
import type { State } from '../../../src/request/types.ts';
import { EXECUTE_MS } from '../../../src/request/ticket-for.ts';
import { newRequest, nthId, patchOf, requestIn, row, START, TempStore } from '../../support/store-fixture.ts';

const ID = nthId(0);
const EVENTS = [
  ...new Set(Object.values(TRANSITIONS).flatMap((events) => Object.keys(events))),
] as LifecycleEvent[];
const STATES = [
  ...new Set(Object.entries(TRANSITIONS).flatMap(([from, events]) => [from, ...Object.values(events)])),
] as State[];

let temp: TempStore;
beforeEach(async () => {
  temp = await TempStore.open();
});
afterEach(() => temp.dispose());

const ids = (list: readonly { id: string }[]): string[] => list.map(({ id }) => id);

describe('a request', () => {
  it('comes back as it was filed, in state PROPOSED', () => {
    const { store } = temp;
    temp.clock.time = START + 5;
    store.create(newRequest(nthId(1)), row(nthId(1)));
    const filed = newRequest(ID, { renewOf: nthId(1), executeBy: undefined });
    const created = store.create(filed, row(ID));
    expect(created).toEqual({ ...filed, state: 'PROPOSED', updatedAt: START + 5 });
    expect(store.get(ID)).toEqual(created);
    expect(store.get(nthId(7))).toBeUndefined();
  });

  it('keeps every field a transition may change, over a reopening', async () => {
    temp.store.create(newRequest(ID), row(ID));
    const patch: RequestPatch = {
      impact: 'HIGH',
      offer: { text: 'another', signature: 'b3RoZXI=' },
      rule: 'r',
      decidedBy: 'operator',
      decisionNote: 'no: "quoted"\n✓',
      ticket: 'mcp-pra ticket v1\n',
      signatures: ['YQ==', 'Yg=='],
      refusal: 'pra-run STALE',
      receipt: { text: 'mcp-pra receipt v1\n', signature: 'cmVj' },
      definition: 'e'.repeat(64),
      args: [['unit', 'cron.service']],
      dispatcher: 'boot pid:[1] 2 3',
    };
    temp.store.transition(ID, 'ask', patch, row(ID));
    await temp.reopen();
    expect(temp.store.find(ID)).toMatchObject({ ...patch, state: 'PENDING' });
  });

  it('ignores what a patch must not change', () => {
    temp.store.create(newRequest(ID), row(ID));
    const greedy = {
      state: 'SUCCEEDED',
      host: 'db1',
      decideBy: 9e12,
      executeBy: 9e12,
      rule: 'r',
    } as RequestPatch;
    expect(temp.store.transition(ID, 'ask', greedy, row(ID))).toMatchObject({
      state: 'PENDING',
      host: 'web1',
      decideBy: START + 300_000,
      executeBy: undefined,
      rule: 'r',
    });
  });

  it('is filed once', () => {
    temp.store.create(newRequest(ID), row(ID));
    const before = temp.store.ledgerHead();
    expect(() => temp.store.create(newRequest(ID), row(ID))).toThrow(
      expect.objectContaining({ code: 'STORE_BROKEN' }),
    );
    expect(temp.store.ledgerHead()).toBe(before);
  });

  it('is found by a unique prefix of four characters or more', () => {
    const twin = `${ID.slice(0, 4)}b${ID.slice(5)}`;
    temp.store.create(newRequest(ID), row(ID));
    expect(temp.store.find(ID.slice(0, 4)).id).toBe(ID);
    temp.store.create(newRequest(twin), row(twin));
    expect(() => temp.store.find(ID.slice(0, 4))).toThrow(
      expect.objectContaining({ code: 'REQUEST_AMBIGUOUS' }),
    );
    expect(temp.store.find(ID.slice(0, 5)).id).toBe(ID);
    expect(temp.store.find(twin).id).toBe(twin);
    for (const wrong of ['aaa', '', 'zzzz', `${ID}a`, 'AAAA', 'aa%a', "a' OR 1"]) {
      expect(() => temp.store.find(wrong)).toThrow(expect.objectContaining({ code: 'REQUEST_UNKNOWN' }));
    }
  });

  it('is listed newest first, by state and up to a limit', () => {
    for (let n = 0; n < 6; n += 1) {
      requestIn(temp.store, nthId(n), n % 2 === 0 ? 'PENDING' : 'DENIED', { createdAt: START + n });
    }
    expect(ids(temp.store.list())).toEqual([5, 4, 3, 2, 1, 0].map(nthId));
    expect(ids(temp.store.list({ states: ['PENDING'] }))).toEqual([4, 2, 0].map(nthId));
    expect(ids(temp.store.list({ states: ['PENDING', 'DENIED'], limit: 2 }))).toEqual([5, 4].map(nthId));
    expect(temp.store.list({ states: [] })).toEqual([]);
  });
});

/** What a transition comes to: the new state or the code of the refusal with its values. */
const outcome = (id: string, event: LifecycleEvent): string => {
  try {
    return temp.store.transition(id, event, patchOf(event), row(id, event)).state;
  } catch (error) {
    if (!(error instanceof PraError)) throw error;
    return [error.code, error.values['state'], error.values['event']].join(' ').trim();
  }
};
const refusal = (state: State, event: LifecycleEvent): string =>
  state === 'EXPIRED' && ['cosign', 'approve', 'deny', 'auto_approve', 'dispatch'].includes(event)
    ? 'REQUEST_EXPIRED'
    : `STATE_CONFLICT ${state} ${event}`;

describe('transitions', () => {
  it('follow the table and nothing else, whatever comes', { timeout: 30_000 }, () => {
    let n = 0;
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...EVENTS), { minLength: 1, maxLength: 12 }), (events) => {
        const id = nthId((n += 1));
        let state: State = temp.store.create(newRequest(id), row(id)).state;
        for (const event of events) {
          const rows = temp.store.tail(1)[0]?.seq ?? 0;
          const isSigned = temp.store.find(id).signatures.length > 0;
          const isTooLate = isSigned && ['deny', 'withdraw'].includes(event) && state === 'PENDING';
          const to = isTooLate ? undefined : next(state, event);
          const refused = isTooLate ? `SIGNED_MEANWHILE` : refusal(state, event);
          expect(outcome(id, event)).toBe(to ?? refused);
          state = to ?? state;
          expect(temp.store.find(id).state).toBe(state);
          expect(temp.store.tail(1)[0]?.seq).toBe(to === undefined ? rows : rows + 1);
        }
      }),
      { numRuns: 30 },
    );
    temp.store.verifyLedger();
  });

  it('are refused by the database too, even to someone who writes SQL', { timeout: 30_000 }, () => {
    const raw = temp.raw();
    const change = raw.transaction((id: string, state: State) => {
      const head = raw
        .prepare<[], { seq: number; hash: string }>('SELECT seq, hash FROM ledger ORDER BY seq DESC')
        .get();
      raw
        .prepare(
          `INSERT INTO ledger (seq, at, kind, code, actor, request, previous, hash)
           VALUES (?, '2026-11-03T03:00:00.000Z', 'note', 'x', 'a/b', ?, ?, ?)`,
        )
        .run((head?.seq ?? 0) + 1, id, head?.hash, 'a'.repeat(64));
      raw
        .prepare(
          `UPDATE requests SET state = ?, ledger_seq = ?, receipt_text = 'r', receipt_signature = 's', ending = 'closed' WHERE id = ?`,
        )
        .run(state, (head?.seq ?? 0) + 1, id);
      throw new Error('allowed');
    });
    STATES.forEach((from, n) => {
      requestIn(temp.store, nthId(n), from);
      for (const to of STATES) {
        const edge = Object.values(Object(Reflect.get(TRANSITIONS, from))).includes(to);
        const said = edge ? 'allowed' : 'the lifecycle has no such transition';
        expect(() => change.immediate(nthId(n), to)).toThrow(said);
      }
      expect(temp.store.find(nthId(n)).state).toBe(from);
    });
    raw.close();
  });

  it('throw REQUEST_UNKNOWN for what was never filed', () => {
    expect(() => temp.store.transition(ID, 'ask', {}, row(ID))).toThrow(
      expect.objectContaining({ code: 'REQUEST_UNKNOWN' }),
    );
  });
});

const update = (sql: string): void => {
  const raw = temp.raw();
  raw.pragma('foreign_keys = ON');
  try {
    raw.prepare(sql).run();
  } finally {
    raw.close();
  }
};

describe('what the schema guards', () => {
  it('keeps identity, sent content and the row itself', () => {
    requestIn(temp.store, ID, 'DISPATCHING');
    const head = temp.store.append(row(ID)).seq;
    const to = `state = 'RUNNING', ledger_seq = ${String(head)}`;
    for (const column of ['host', 'action', 'requester', 'reason', 'created_at', 'offered_at']) {
      expect(() => update(`UPDATE requests SET ${to}, ${column} = 1`)).toThrow('identity');
    }
    for (const change of [
      "args = '[]'",
      "ticket = 'x'",
      "definition = 'x'",
      "signatures = '[]'",
      "impact = 'LOW'",
    ]) {
      const twice = change === "signatures = '[]'" ? `signatures = '["x"]'` : change;
      expect(() => update(`UPDATE requests SET ${to}, ${twice}`)).toThrow('what was sent');
    }
    expect(() => update('DELETE FROM requests')).toThrow('requests are kept');
    expect(() => update(`UPDATE requests SET ${to}`)).not.toThrow();
  });

  it('takes no change without a ledger row of its own', () => {
    requestIn(temp.store, ID, 'PENDING');
    expect(() => update("UPDATE requests SET state = 'APPROVED'")).toThrow('no ledger row');
    expect(() => update("UPDATE requests SET state = 'APPROVED', ledger_seq = ledger_seq + 1")).toThrow(
      'no ledger row',
    );
    const other = temp.store.append(row(nthId(9))).seq;
    expect(() => update(`UPDATE requests SET state = 'APPROVED', ledger_seq = ${String(other)}`)).toThrow(
      'no ledger row',
    );
    expect(temp.store.find(ID).state).toBe('PENDING');
  });

  it('begins requests as PROPOSED only', () => {
    const seq = temp.store.append(row(ID)).seq;
    const insert = (state: string): void =>
      update(`INSERT INTO requests (id, state, host, action, args, definition, impact, requester, reason, created_at,
        decide_by, updated_at, signatures, ledger_seq)
        VALUES ('${ID}', '${state}', 'h', 'a', '[]', 'd', 'LOW', 'r/c', '', 0, 0, 0, '[]', ${String(seq)})`);
    expect(() => insert('APPROVED')).toThrow('begins as PROPOSED');
    expect(() => insert('PROPOSED')).not.toThrow();
  });
});

const approve = (): unknown => temp.store.transition(ID, 'approve', {}, row(ID, 'approve'));

describe('expiry', () => {
  const expired = expect.objectContaining({ code: 'REQUEST_EXPIRED' });

  it.each(['approve', 'deny'] as const)('%s is taken at the very deadline', (event) => {
    requestIn(temp.store, ID, 'PENDING');
    temp.clock.time = START + 300_000;
    expect(temp.store.transition(ID, event, {}, row(ID, event)).state).toBe(next('PENDING', event));
  });

  it.each(['approve', 'deny'] as const)(
    '%s one millisecond later closes the request, with its ledger row',
    (event) => {
      requestIn(temp.store, ID, 'PENDING');
      temp.clock.time = START + 300_001;
      for (let tries = 0; tries < 2; tries += 1) {
        expect(() => temp.store.transition(ID, event, { decidedBy: 'late' }, row(ID, event))).toThrow(
          expired,
        );
      }
      expect(temp.store.find(ID)).toMatchObject({
        state: 'EXPIRED',
        decidedBy: undefined,
        updatedAt: START + 300_001,
      });
      expect(temp.store.tail(2).map(({ kind, code }) => [kind, code])).toEqual([
        ['decision', 'ask'],
        ['expiry', 'expire'],
      ]);
      expect(temp.store.tail(1)[0]).toMatchObject({ request: ID, detail: { from: 'PENDING' } });
      expect(temp.store.verifyLedger().entries).toBe(3);
    },
  );

  it('an automatic approval is a decision too', () => {
    temp.store.create(newRequest(ID), row(ID));
    temp.clock.time = START + 300_001;
    expect(() => temp.store.transition(ID, 'auto_approve', {}, row(ID))).toThrow(expired);
    expect(temp.store.find(ID).state).toBe('EXPIRED');
  });

  it.each(['APPROVED', 'AUTO_APPROVED'] as const)(
    '%s may be dispatched until 300 s after it, and no later',
    (state) => {
      temp.clock.time = START + 1_000;
      const at = requestIn(temp.store, ID, state);
      const late = requestIn(temp.store, nthId(1), state);
      expect(at.executeBy).toBe(START + 1_000 + EXECUTE_MS);
      temp.clock.time = START + 1_000 + EXECUTE_MS;
      expect(temp.store.transition(ID, 'dispatch', {}, row(ID)).executeBy).toBe(at.executeBy);
      temp.clock.time += 1;
      expect(() => temp.store.transition(late.id, 'dispatch', {}, row(late.id))).toThrow(expired);
      expect(temp.store.find(late.id).state).toBe('EXPIRED');
    },
  );

  it.each([
    [1_000, 1_000],
    [300_000, 300_000],
    // A configuration can only shorten it.
    [300_001, 300_000],
  ])('an approval under %d ms is over after %d', async (executeMs, lasts) => {
    const store = await temp.another({ executeMs });
    const [at, late] = [ID, nthId(1)].map((id) => requestIn(store, id, 'APPROVED'));
    temp.clock.time += lasts;
    expect(store.transition(String(at?.id), 'dispatch', {}, row(ID)).state).toBe('DISPATCHING');
    temp.clock.time += 1;
    expect(() => store.transition(String(late?.id), 'dispatch', {}, row(nthId(1)))).toThrow(expired);
    store.close();
  });

  it.each([
    ['one signature', 1, 480_000],
    ['several', 2, 1_200_000],
  ])('where the host asks for %s nothing is dispatched later than it takes its offer', (_, count, lasts) => {
    const offer = {
      text: `mcp-pra offer v1\nrequires ${String(count)} mcp-pra-high sk\n`,
      signature: 'c2ln',
    };
    const decideBy = START + 5_000_000;
    for (const id of [ID, nthId(1)]) requestIn(temp.store, id, 'PENDING', { offer, decideBy });
    temp.clock.time = START + lasts - 300_000;
    expect(temp.store.transition(ID, 'approve', {}, row(ID)).executeBy).toBe(START + lasts);
    temp.clock.time += 1;
    expect(temp.store.transition(nthId(1), 'approve', {}, row(nthId(1))).executeBy).toBe(START + lasts);
  });

  const several = { text: 'mcp-pra offer v1\nrequires 2 mcp-pra-high sk\n', signature: 'c2ln' };
  const sign = (id: string, event: 'cosign' | 'approve'): unknown =>
    temp.store.transition(id, event, { ticket: 't', signatures: ['YQ=='] }, row(id, event));
  const stands = (id: string): unknown => {
    const { state, ending, executeBy } = temp.store.find(id);
    return [state, ending, executeBy];
  };

  it('half signed, its host could still take the ticket: it has to burn it, and is over only when it cannot', () => {
    requestIn(temp.store, ID, 'PENDING', { offer: several });
    sign(ID, 'cosign');
    temp.clock.time = START + 900_001;
    expect(temp.store.expireDue()).toBe(1);
    expect(stands(ID)).toEqual(['REVOKE_UNCONFIRMED', 'half_signed', START + 1_200_000]);
    expect(temp.store.tail(1)[0]).toMatchObject({
      kind: 'expiry',
      code: 'unconfirm',
      detail: { from: 'PENDING' },
    });
    const late = { ticket: 't', signatures: ['YQ==', 'Yg=='] };
    expect(() => temp.store.transition(ID, 'approve', late, row(ID))).toThrow(expired);
    temp.clock.time = START + 1_200_000;
    expect(temp.store.expireDue()).toBe(0);
    temp.clock.time += 1;
    expect(temp.store.expireDue()).toBe(1);
    expect(stands(ID)).toEqual(['EXPIRED', 'half_signed', START + 1_200_000]);
  });

  it('approved and not executed in time, its host has to burn the ticket; where it takes none any more it is over at once', () => {
    for (const id of [ID, nthId(1)]) requestIn(temp.store, id, 'PENDING');
    sign(ID, 'approve');
    temp.clock.time = START + 200_000;
    sign(nthId(1), 'approve');
    temp.clock.time = START + 300_001;
    expect(() => temp.store.transition(ID, 'dispatch', {}, row(ID))).toThrow(
      'approved, but not executed in time',
    );
    expect(stands(ID)).toEqual(['REVOKE_UNCONFIRMED', 'unexecuted', START + 480_000]);
    temp.clock.time = START + 480_001;
    expect(() => temp.store.transition(nthId(1), 'dispatch', {}, row(nthId(1)))).toThrow(expired);
    expect(stands(nthId(1))).toEqual(['EXPIRED', 'unexecuted', START + 480_000]);
  });

  it('one person is enough for an incident, and has no more time for it than anybody alone', () => {
    requestIn(temp.store, ID, 'PENDING', { offer: several });
    temp.clock.time = START + 290_000;
    const glass = { ticket: 't', signatures: ['YQ=='], incident: 'inc-1' };
    expect(temp.store.transition(ID, 'approve', glass, row(ID)).executeBy).toBe(START + 480_000);
  });

  it('keeps why it ended: nobody decided, or somebody took it back and the host said nothing', () => {
    requestIn(temp.store, ID, 'PENDING');
    requestIn(temp.store, nthId(1), 'PENDING');
    sign(nthId(1), 'approve');
    temp.store.transition(nthId(1), 'unconfirm', {}, row(nthId(1)));
    temp.clock.time = START + 480_001;
    expect(temp.store.expireDue()).toBe(2);
    expect([ID, nthId(1)].map((id) => temp.store.find(id).ending)).toEqual(['undecided', 'taken_back']);
  });

  it('a withdrawal needs no time', () => {
    requestIn(temp.store, ID, 'PENDING');
    temp.clock.time = START + 400_000;
    expect(temp.store.transition(ID, 'withdraw', {}, row(ID)).state).toBe('WITHDRAWN');
    expect(approve).toThrow(expect.objectContaining({ code: 'STATE_CONFLICT' }));
  });

  it('the sweep closes what is due and touches nothing else', () => {
    STATES.forEach((state, n) => requestIn(temp.store, nthId(n), state));
    temp.clock.time = START + 300_000;
    expect(temp.store.expireDue()).toBe(0);
    temp.clock.time = START + 480_001;
    expect(temp.store.expireDue()).toBe(5);
    expect(temp.store.expireDue()).toBe(0);
    STATES.forEach((state, n) => {
      const open = ['PROPOSED', 'PENDING', 'APPROVED', 'AUTO_APPROVED', 'REVOKE_UNCONFIRMED'].includes(state);
      expect(temp.store.find(nthId(n)).state).toBe(open ? 'EXPIRED' : state);
    });
    expect(temp.store.tail(5).every(({ kind }) => kind === 'expiry')).toBe(true);
    temp.store.verifyLedger();
  });
});

describe('a damaged row', () => {
  it.each([
    ['state', 'LOST'],
    ['args', '[1]'],
    ['created_at', -1],
    ['host', ''],
  ])('with another %s is not passed on', (column, value) => {
    requestIn(temp.store, ID, 'PENDING');
    temp.tamper(`UPDATE requests SET ${column} = ${JSON.stringify(value).replaceAll('"', "'")}`);
    expect(() => temp.store.find(ID)).toThrow(
      expect.objectContaining({
        code: 'STORE_BROKEN',
        message: expect.stringContaining('a request row is malformed'),
      }),
    );
  });
});
