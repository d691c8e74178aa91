import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Ticket } from '../../src/request/types.ts';
import { DatagramSocket } from '../support/datagram-socket.ts';
import { refusal, refused } from '../support/refused.ts';
import {
  frame,
  RunnerTarget,
  type Json,
  type Said,
  type Signing,
  signingsOf,
} from '../support/runner-target.ts';

// One person in an emergency, for what the host's policy lists, for an hour, and reviewed before there is another emergency.

let target: RunnerTarget;
let anna: Signing;
let bert: Signing;
let annaHigh: Signing;
let bertHigh: Signing;

const CLAUSE = { principals: ['anna'], actions: ['medium_thing', 'low_thing'] };
const POLICY = { quorum: { MEDIUM: 2, HIGH: 2 }, break_glass: CLAUSE };

beforeAll(() => {
  target = new RunnerTarget();
  ({ medium: anna, high: annaHigh } = signingsOf(target.anna));
  ({ medium: bert, high: bertHigh } = signingsOf(target.bert));
});
afterAll(() => {
  target.remove();
});
beforeEach(() => {
  target.writePolicy(POLICY);
  target.writeSigners();
  target.revoke();
  rmSync(file(), { force: true });
});

const file = (): string => join(target.prefix, 'state/break-glass.json');
/** Changes what the host remembers of the session. */
const remember = (change: (session: Json) => Json): void => {
  const session = JSON.parse(readFileSync(file(), 'utf8')) as Json;
  writeFileSync(file(), JSON.stringify({ ...session, ...change(session) }));
};
const age = (ms: number): void => remember(({ boottime_ms }) => ({ boottime_ms: Number(boottime_ms) - ms }));

const submit = async (
  ticket: Partial<Ticket> = {},
  signings: readonly Signing[] = [anna],
  action = 'medium_thing',
): Promise<Said> => {
  const text = target.submission(await target.propose({ action }), signings, ticket);
  return target.ask(action, text);
};
const glass = (incident = 'inc-1', ...rest: readonly [(readonly Signing[])?, string?]): Promise<Said> =>
  submit({ approval: 'break-glass', incident }, ...rest);
const reviewDraft = (incident = 'inc-1'): Json => ({ action: 'review', args: [['incident', incident]] });
const review = async (signing: Signing, incident = 'inc-1', patch: Partial<Ticket> = {}): Promise<Said> =>
  target.ask(
    'review',
    target.submission(await target.propose(reviewDraft(incident)), [signing], { kind: 'review', ...patch }),
  );
const versionSays = async (): Promise<unknown> => (await target.ask('version')).events[0]?.['break_glass'];

describe('break-glass', () => {
  it('takes one listed person for what is listed, where two are asked for otherwise', async () => {
    expect(await versionSays()).toBe(null);
    expect(refused(await submit())).toEqual(refusal('QUORUM'));
    expect(target.receipt(await glass()).state).toBe('SUCCEEDED');
    expect(await versionSays()).toEqual({
      id: expect.stringMatching(/^[a-z2-7]{16}$/u) as unknown,
      incident: 'inc-1',
      principal: 'anna',
      opened: expect.stringMatching(/^\d{4}-.*Z$/u) as unknown,
      open: true,
      reviewed: false,
    });
  });

  it('is said beforehand, in the rule of the offer', async () => {
    const [listed, other] = [
      await target.propose({ action: 'medium_thing' }),
      await target.propose({ action: 'other_low', impact: 'MEDIUM' }),
    ];
    expect(listed.offer.rule).toBe(
      'MEDIUM by the definition: policy.json asks for 2 with software-key; in an emergency anna alone',
    );
    expect(other.offer.rule).toBe('MEDIUM by the caller: policy.json asks for 2 with software-key');
  });

  it('is off unless the policy has the clause', async () => {
    for (const break_glass of [undefined, { principals: [], actions: [] }]) {
      target.writePolicy({ ...POLICY, break_glass });
      expect(refused(await glass())).toEqual(refusal('APPROVAL_UNSUPPORTED'));
    }
  });

  it.each<[string, () => Promise<Said>, string]>([
    ['somebody who is not listed', () => glass('inc-1', [bert]), 'BREAK_GLASS_NOT_ALLOWED'],
    [
      'an action that is not listed',
      () => glass('inc-1', [{ ...anna, namespace: 'mcp-pra-low' }], 'other_low'),
      'BREAK_GLASS_NOT_ALLOWED',
    ],
    [
      'the auto key',
      () => glass('inc-1', [{ key: target.auto, namespace: 'mcp-pra-auto' }], 'low_thing'),
      'BREAK_GLASS_NOT_ALLOWED',
    ],
    ['somebody listed and another', () => glass('inc-1', [anna, bert]), 'BREAK_GLASS_NOT_ALLOWED'],
    ['the same person twice', () => glass('inc-1', [anna, anna]), 'SIGNER_TWICE'],
    [
      'a signature for less',
      () => glass('inc-1', [{ ...anna, namespace: 'mcp-pra-low' }]),
      'NAMESPACE_WRONG',
    ],
    [
      'a stranger',
      () => glass('inc-1', [{ key: target.stranger, namespace: 'mcp-pra-medium' }]),
      'SIGNER_UNKNOWN',
    ],
  ])('is refused from %s, and opens nothing', async (_, go, code) => {
    expect(refused(await go())).toEqual(refusal(code));
    expect(await versionSays()).toBe(null);
  });

  it('asks the security key that the impact asks for', async () => {
    target.writePolicy({ ...POLICY, signer: { MEDIUM: 'sk', HIGH: 'sk' } });
    expect(refused(await glass())).toEqual(refusal('SECURITY_KEY_REQUIRED'));
  });

  it('goes on for the same incident within the hour, not for another one, and not after it', async () => {
    await glass();
    expect((await glass()).exit).toBe(0);
    expect(refused(await glass('inc-2'))).toEqual(refusal('BREAK_GLASS_REVIEW'));
    age(3_500_000);
    expect((await glass()).exit).toBe(0);
    age(100_000);
    expect(refused(await glass())).toEqual(refusal('BREAK_GLASS_REVIEW'));
    expect(await versionSays()).toMatchObject({ open: false, reviewed: false });
  });

  it('ends with a reboot', async () => {
    await glass();
    remember(() => ({ boot_id: '00000000-0000-0000-0000-000000000000' }));
    expect(refused(await glass())).toEqual(refusal('BREAK_GLASS_REVIEW'));
  });

  it('does not hold up what is approved as usual', async () => {
    await glass();
    age(3_600_000);
    expect((await submit({}, [anna, bert])).exit).toBe(0);
  });

  it('does not begin anew because the record of it cannot be read', async () => {
    await glass();
    writeFileSync(file(), '{');
    expect(refused(await glass())).toEqual(refusal('STATE_BAD', 70));
    expect(await versionSays()).toBe('unreadable');
  });

  it('of one name are two sessions: the ticket that opened it tells which', async () => {
    const first = target.receipt(await glass());
    await glass();
    expect(await versionSays()).toMatchObject({ id: first.id });
    await review(bertHigh);
    const second = target.receipt(await glass());
    expect(await versionSays()).toMatchObject({ id: second.id, incident: 'inc-1' });
    const { offer } = await target.propose(reviewDraft());
    expect(offer.facts).toContainEqual({ diagnostic: 'break_glass', fact: 'id', value: second.id });
  });

  it('is loud in the audit record', async () => {
    const log = await DatagramSocket.open(join(target.root, 'log'), 'read');
    try {
      const parts = target.parts(await target.propose({ action: 'medium_thing' }), [anna], {
        approval: 'break-glass',
        incident: 'inc-1',
      });
      await target.ask('medium_thing', frame(parts));
      const next = async (said: string): Promise<string> => {
        for (;;) {
          const line = await log.next();
          if (line.includes(said)) return line;
        }
      };
      // Both at about the same time, in any order.
      const lines = [await next('incident=inc-1'), await next('incident=inc-1')];
      expect(new Set(lines)).toEqual(
        new Set([
          expect.stringMatching(
            /^<81>.* verdict=finished word=execute .* action=medium_thing principal=anna incident=inc-1 state=SUCCEEDED /u,
          ),
          expect.stringMatching(/^<81>.* verdict=ok word=medium_thing .* principal=anna incident=inc-1 /u),
        ]),
      );
    } finally {
      await log.close();
    }
  });

  it.each([
    ['no actions', { principals: ['anna'] }],
    ['another key', { ...CLAUSE, minutes: 90 }],
    ['a pattern', { ...CLAUSE, principals: ['*'] }],
    ['no list', { ...CLAUSE, actions: 'medium_thing' }],
  ])('has a clause that is exactly right: not with %s', async (_, break_glass) => {
    target.writePolicy({ ...POLICY, break_glass });
    expect((await target.ask('version')).code).toBe('POLICY_BAD');
  });
});

describe('review', () => {
  it('is offered with what ran, and lets the next incident in', async () => {
    const first = target.receipt(await glass());
    await glass('inc-1', [{ ...anna, namespace: 'mcp-pra-low' }], 'low_thing');
    const { offer } = await target.propose(reviewDraft());
    expect(offer).toMatchObject({
      impact: 'HIGH',
      argv: ['mcp-pra', 'review', 'inc-1'],
      requires: { count: 1, namespace: 'mcp-pra-high', signer: 'software-key' },
    });
    const facts = Object.fromEntries(
      offer.facts.map(({ diagnostic, fact, value }) => [`${diagnostic} ${fact}`, value]),
    );
    expect(facts).toMatchObject({
      'break_glass incident': 'inc-1',
      'break_glass principal': 'anna',
      'break_glass runs': '2',
      'run_01 action': 'medium_thing',
      'run_01 args': 'unit=quick.service',
      'run_01 by': 'anna',
      'run_01 id': first.id,
      'run_01 state': 'SUCCEEDED',
      'run_02 action': 'low_thing',
    });
    const said = await review(bertHigh);
    expect([said.exit, target.receipt(said)]).toMatchObject([0, { state: 'SUCCEEDED', action: 'review' }]);
    expect(await versionSays()).toMatchObject({ incident: 'inc-1', open: false, reviewed: true });
    expect((await glass('inc-2')).exit).toBe(0);
    expect(await versionSays()).toMatchObject({ incident: 'inc-2', open: true, reviewed: false });
  });

  it.each([
    ['is gone', (path: string) => rmSync(path)],
    ['cannot be read', (path: string) => writeFileSync(path, '{"v":1}')],
  ])('says of a run whose claim %s that nothing is known', async (_, spoil) => {
    const [first, second] = [target.receipt(await glass()), target.receipt(await glass())];
    spoil(join(target.prefix, `state/claims/${first.id}.json`));
    const { offer } = await target.propose(reviewDraft());
    rmSync(join(target.prefix, `state/claims/${first.id}.json`), { force: true });
    const facts = Object.fromEntries(
      offer.facts.map(({ diagnostic, fact, value }) => [`${diagnostic} ${fact}`, value]),
    );
    expect(facts).toMatchObject({
      'break_glass runs': '2',
      'run_01 id': first.id,
      'run_01 state': 'unknown',
      'run_01 action': undefined,
      'run_02 id': second.id,
      'run_02 state': 'SUCCEEDED',
    });
  });

  it('is by another person than who opened it, as long as there is one', async () => {
    await glass();
    expect(refused(await review(annaHigh))).toEqual(refusal('REVIEWER_OPENED'));
    target.revoke(target.bert);
    expect((await review(annaHigh)).exit).toBe(0);
    await glass('inc-2');
    target.revoke();
    target.writeSigners(
      `anna namespaces="mcp-pra-medium,mcp-pra-high" ${target.anna.line}\nbert namespaces="mcp-pra-medium" ${target.bert.line}\n`,
    );
    expect((await review(annaHigh, 'inc-2')).exit).toBe(0);
  });

  it('is by somebody who approved nothing under it either, as long as there is one', async () => {
    target.writePolicy({ ...POLICY, break_glass: { ...CLAUSE, principals: ['anna', 'bert'] } });
    const people = (names: readonly string[]): void =>
      target.writeSigners(
        [target.anna, target.bert, target.stranger]
          .slice(0, names.length)
          .map((key, at) => `${names[at] ?? ''} namespaces="mcp-pra-medium,mcp-pra-high" ${key.line}\n`)
          .join(''),
      );
    people(['anna', 'bert', 'carla']);
    await glass('inc-1', [anna]);
    await glass('inc-1', [bert]);
    expect(refused(await review(bertHigh))).toEqual(refusal('REVIEWER_OPENED'));
    expect((await review({ key: target.stranger, namespace: 'mcp-pra-high' })).exit).toBe(0);
    people(['anna', 'bert']);
    await glass('inc-2', [anna]);
    await glass('inc-2', [bert]);
    expect((await review(bertHigh, 'inc-2')).exit).toBe(0);
  });

  it('is of what its offer said, and of nothing more', async () => {
    await glass();
    const text = target.submission(await target.propose(reviewDraft()), [bertHigh], { kind: 'review' });
    await glass();
    expect(refused(await target.ask('review', text))).toEqual(refusal('STALE'));
    expect(await versionSays()).toMatchObject({ reviewed: false });
  });

  it('happens once', async () => {
    await glass();
    const text = target.submission(await target.propose(reviewDraft()), [bertHigh], { kind: 'review' });
    expect((await target.ask('review', text)).exit).toBe(0);
    await glass('inc-1'); // a new session of the same name
    expect((await target.ask('review', text)).code).toBe('REPLAYED');
    expect(await versionSays()).toMatchObject({ reviewed: false });
  });

  it('is also possible while frozen, and after the clause is gone', async () => {
    await glass();
    target.writePolicy();
    writeFileSync(join(target.prefix, 'etc/frozen'), '');
    const said = await review(bertHigh);
    rmSync(join(target.prefix, 'etc/frozen'));
    expect(said.exit).toBe(0);
  });

  it.each<[string, () => Promise<Said>, string, number]>([
    [
      'of another incident',
      () => target.ask('prepare', target.draft(reviewDraft('inc-2'))),
      'NOTHING_TO_REVIEW',
      77,
    ],
    [
      'without an incident',
      () => target.ask('prepare', target.draft({ action: 'review', args: [] })),
      'ARG_MISSING',
      64,
    ],
    [
      'of an incident that is none',
      () => target.ask('prepare', target.draft(reviewDraft('INC'))),
      'ARG_BAD',
      64,
    ],
    ['for MEDIUM', () => review(bert), 'NAMESPACE_WRONG', 77],
    ['by the auto key', () => review({ key: target.auto, namespace: 'mcp-pra-auto' }), 'NAMESPACE_WRONG', 77],
    [
      'by a stranger',
      () => review({ key: target.stranger, namespace: 'mcp-pra-high' }),
      'SIGNER_UNKNOWN',
      77,
    ],
    ['of another kind', () => review(bertHigh, 'inc-1', { kind: 'action' }), 'KIND_UNSUPPORTED', 77],
    [
      'with another incident than offered',
      () => review(bertHigh, 'inc-1', { args: [['incident', 'inc-2']] }),
      'OFFER_MISMATCH',
      77,
    ],
  ])('is refused %s', async (_, go, code, exit) => {
    await glass();
    expect(refused(await go())).toEqual(refusal(code, exit));
    expect(await versionSays()).toMatchObject({ reviewed: false });
  });

  it('has nothing to do where glass was never broken, or was looked at already', async () => {
    const ask = (): Promise<Said> => target.ask('prepare', target.draft(reviewDraft()));
    expect(refused(await ask())).toEqual(refusal('NOTHING_TO_REVIEW'));
    await glass();
    await review(bertHigh);
    expect(refused(await ask())).toEqual(refusal('NOTHING_TO_REVIEW'));
  });
});
